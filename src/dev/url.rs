//! The connection string, for libpq and whoever reads its URIs.
//!
//! Format: PostgreSQL 15, "Connection URIs" (libpq, section 34.1.1.2). Only
//! parameters that other drivers know too.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::{DATABASE, ROLE};

/// The complete connection string.
pub(super) fn connection(address: SocketAddr, password: &str, ca: &Path) -> String {
    to_any(&[address], password, ca)
}

/// The connection string of several servers: a client takes the first that lets it write.
pub(super) fn to_any(addresses: &[SocketAddr], password: &str, ca: &Path) -> String {
    let hosts = addresses
        .iter()
        .map(|a| format!("{}:{}", host(a.ip()), a.port()));
    let wanted = match addresses.len() {
        1 => "",
        _ => "&target_session_attrs=read-write",
    };
    format!(
        "postgresql://{ROLE}:{password}@{hosts}/{DATABASE}?sslmode=verify-full&sslrootcert={ca}{wanted}",
        password = percent_encoded(password.as_bytes()),
        hosts = hosts.collect::<Vec<_>>().join(","),
        ca = percent_encoded(ca.as_os_str().as_encoded_bytes()),
    )
}

/// The name that clients connect to and verify. libpq before version 15 cannot
/// verify an IP address, so the usual one goes by its name.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// RFC 3986: everything but unreserved characters and `/` as `%XX`.
fn percent_encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
