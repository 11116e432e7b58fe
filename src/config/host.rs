//! Names of hosts, and addresses that one host has for another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest DNS name, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// Longest part of a DNS name, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// Where another process is reached: a host and a port that is not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    /// A DNS name in lower case or an IP address, without brackets.
    pub(super) host: String,
    /// `host:port`, an IPv6 address in brackets.
    pub(super) text: String,
}

/// Reads `host:port`.
///
/// # Errors
/// What is wrong, to follow the text.
pub(super) fn host_port(text: &str) -> Result<HostPort, String> {
    const SHAPE: &str = "is not host:port, such as \"replica-0.example.com:7000\", \
                         \"10.0.0.1:7000\" or \"[fd00::1]:7000\"";
    let (host, port) = text.rsplit_once(':').ok_or(SHAPE)?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
    let port = port.ok_or("has no port between 1 and 65535 behind its last colon")?;
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let ip = inner.parse::<Ipv6Addr>().map_err(|_| SHAPE)?;
        reachable(IpAddr::V6(ip))?;
        return Ok(HostPort {
            host: ip.to_string(),
            text: format!("[{ip}]:{port}"),
        });
    }
    if host.contains([':', '[', ']']) {
        return Err(format!("{SHAPE}; an IPv6 address stands in brackets"));
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        reachable(IpAddr::V4(ip))?;
    }
    let host = host_name(host)?;
    let text = format!("{host}:{port}");
    Ok(HostPort { host, text })
}

fn reachable(ip: IpAddr) -> Result<(), String> {
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(format!("names no host: nobody can connect to {ip}"));
    }
    Ok(())
}

/// Reads a DNS name or an IP address (no brackets), as a certificate can hold it.
///
/// # Errors
/// What is wrong, to follow the text.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    let labels_fit = text.split('.').all(label_fits);
    let last = text.rsplit('.').next().unwrap_or_default();
    if labels_fit && !is_number(last) && text.len() <= NAME_BYTES_MAX {
        return Ok(text.to_ascii_lowercase());
    }
    Err(
        "holds no DNS name and no IP address: letters, digits and `-`, in parts of 1 to 63 with \
         dots between"
            .to_owned(),
    )
}

fn label_fits(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A name whose last part is a number is an IPv4 address with a mistake in it; TLS
/// does not take it for a name either.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    label.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}
