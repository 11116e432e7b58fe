//! `[security]`: the client port and who may speak on it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::values::address;
use crate::config::document::Document;
use crate::config::environment::Mode;
use crate::config::{
    CLIENT_ADDRESS_DEFAULT, MAX_CONNECTIONS_DEFAULT, MAX_CONNECTIONS_LIMIT, Security, Tls,
};

/// Reads the section; `None`: a problem was recorded.
pub(super) fn read(doc: &mut Document<'_>, mode: Mode) -> Option<Security> {
    let client_address = address(doc, "security", "client_address", CLIENT_ADDRESS_DEFAULT);
    let max_connections = max_connections(doc);
    let tls = tls(doc, mode, client_address);
    Some(Security {
        client_address: client_address?,
        tls: tls?,
        max_connections: max_connections?,
    })
}

fn max_connections(doc: &mut Document<'_>) -> Option<usize> {
    let Some(value) = doc.number("security", "max_connections") else {
        return doc
            .line("security", "max_connections")
            .is_none()
            .then_some(MAX_CONNECTIONS_DEFAULT);
    };
    match usize::try_from(value) {
        Ok(count) if (1..=MAX_CONNECTIONS_LIMIT).contains(&count) => Some(count),
        _ => {
            let why = format!("must be between 1 and {MAX_CONNECTIONS_LIMIT}");
            doc.refuse("security", "max_connections", &why);
            None
        }
    }
}

/// `Some(None)`: TLS is off and may be; `None`: a problem was recorded.
fn tls(
    doc: &mut Document<'_>,
    mode: Mode,
    client_address: Option<SocketAddr>,
) -> Option<Option<Tls>> {
    let cert = doc.string("security", "tls_cert_path");
    let key = doc.string("security", "tls_key_path");
    let ca = doc.string("security", "tls_ca_path");
    let client_ca_path = client_ca(doc, ca);
    if doc.boolean("security", "tls_enabled") != Some(true) {
        return plaintext_allowed(doc, mode, client_address).then_some(None);
    }
    match (cert, key) {
        (Some(cert), Some(key)) => Some(Some(Tls {
            cert_path: PathBuf::from(cert),
            key_path: PathBuf::from(key),
            client_ca_path: client_ca_path?,
        })),
        (cert, key) => {
            for (name, value) in [("tls_cert_path", &cert), ("tls_key_path", &key)] {
                if value.is_none() && doc.line("security", name).is_none() {
                    doc.refuse("security", name, "is missing, and tls_enabled is true");
                }
            }
            None
        }
    }
}

/// Whether a port without TLS is acceptable here; records the problem if not.
fn plaintext_allowed(
    doc: &mut Document<'_>,
    mode: Mode,
    client_address: Option<SocketAddr>,
) -> bool {
    if mode == Mode::Production {
        doc.refuse(
            "security",
            "tls_enabled",
            "must be true: passwords and rows would cross the network readable. Set \
             tls_cert_path and tls_key_path (on a development machine use `kimberlite dev`, or \
             KIMBERLITE_ENV=development with a loopback client_address)",
        );
        return false;
    }
    if client_address.is_some_and(|a| !a.ip().is_loopback()) {
        doc.refuse(
            "security",
            "tls_enabled",
            "may be false in development only while client_address is a loopback address",
        );
        return false;
    }
    if let Some(stray) = ["tls_cert_path", "tls_key_path", "tls_ca_path"]
        .into_iter()
        .find(|key| doc.line("security", key).is_some())
    {
        doc.refuse(
            "security",
            stray,
            "has no effect while tls_enabled is not true",
        );
        return false;
    }
    true
}

/// `Some(None)`: clients need no certificate; `None`: a problem was recorded.
fn client_ca(doc: &mut Document<'_>, ca: Option<String>) -> Option<Option<PathBuf>> {
    let wanted = doc.string("security", "tls_client_auth");
    match (wanted.as_deref(), ca) {
        (Some("require"), Some(path)) => Some(Some(PathBuf::from(path))),
        (Some("require"), None) => {
            doc.refuse(
                "security",
                "tls_ca_path",
                "is missing, and tls_client_auth is \"require\"",
            );
            None
        }
        (None | Some("none"), None) => Some(None),
        (None | Some("none"), Some(_)) => {
            doc.refuse(
                "security",
                "tls_ca_path",
                "has no effect unless tls_client_auth is \"require\"",
            );
            None
        }
        (Some(other), _) => {
            let why = format!("`{other}` is neither \"none\" nor \"require\"");
            doc.refuse("security", "tls_client_auth", &why);
            None
        }
    }
}
