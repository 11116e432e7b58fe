//! `[security]`: the client port and who may speak on it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::replicas::Size;
use super::tls_keys::TlsKeys;
use super::values::{address, number, overridden};
use crate::config::document::Document;
use crate::config::environment::{Environment, Mode};
use crate::config::{
    CLIENT_ADDRESS_DEFAULT, MAX_CONNECTIONS_DEFAULT, MAX_CONNECTIONS_LIMIT, Security, Tls,
};

/// Reads the section; `None`: a problem was recorded.
pub(super) fn read(
    doc: &mut Document<'_>,
    environment: &Environment,
    mode: Mode,
    size: Size,
    keys: &TlsKeys,
) -> Option<Security> {
    let from_file = address(doc, "security", "client_address", CLIENT_ADDRESS_DEFAULT);
    let from_environment = environment.client_address.as_deref();
    let variable = "KIMBERLITE_CLIENT_ADDRESS";
    let client_address = overridden(doc, from_file, variable, from_environment);
    let max_connections = number(
        doc,
        "security",
        "max_connections",
        MAX_CONNECTIONS_DEFAULT as u64,
        1..=MAX_CONNECTIONS_LIMIT as u64,
    );
    let client_ca_path = client_ca(doc, size, keys);
    let tls = if keys.enabled {
        certificate(doc, keys, client_ca_path).map(Some)
    } else {
        plaintext_allowed(doc, mode, client_address, size).then_some(None)
    };
    Some(Security {
        client_address: client_address?,
        tls: tls?,
        max_connections: usize::try_from(max_connections?).ok()?,
    })
}

/// TLS of the client port; `None`: a problem was recorded.
fn certificate(
    doc: &mut Document<'_>,
    keys: &TlsKeys,
    client_ca_path: Option<Option<PathBuf>>,
) -> Option<Tls> {
    let (cert, key) = (&keys.common.cert, &keys.common.key);
    for (name, value) in [("tls_cert_path", cert), ("tls_key_path", key)] {
        if value.is_none() && doc.line("security", name).is_none() {
            doc.refuse("security", name, "is missing, and tls_enabled is true");
        }
    }
    Some(Tls {
        cert_path: cert.as_ref()?.into(),
        key_path: key.as_ref()?.into(),
        client_ca_path: client_ca_path?,
    })
}

/// Whether a port without TLS is acceptable here; records the problem if not.
fn plaintext_allowed(
    doc: &mut Document<'_>,
    mode: Mode,
    client_address: Option<SocketAddr>,
    size: Size,
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
    if size == Size::Several {
        doc.refuse(
            "security",
            "tls_enabled",
            "must be true: the replicas of a cluster have certificates, in development too. Set \
             tls_cert_path, tls_key_path and tls_ca_path",
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
fn client_ca(doc: &mut Document<'_>, size: Size, keys: &TlsKeys) -> Option<Option<PathBuf>> {
    let wanted = doc.string("security", "tls_client_auth");
    let signs_replicas = size != Size::OneNode && keys.cluster.ca.is_none();
    match (wanted.as_deref(), &keys.common.ca) {
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
        (None | Some("none"), Some(_)) if signs_replicas => Some(None),
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
