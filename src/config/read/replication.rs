//! `[security]` once more: the replication port. It is always mutual TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::replicas::Size;
use super::tls_keys::TlsKeys;
use super::values::{address, overridden};
use crate::config::cluster::{BIND_ADDRESS_DEFAULT, ClusterTls};
use crate::config::document::Document;
use crate::config::environment::Environment;
use crate::config::problem::Problem;

/// Keys of `[security]` that say something of the replication port alone.
const KEYS: [&str; 4] = [
    "bind_address",
    "cluster_tls_cert_path",
    "cluster_tls_key_path",
    "cluster_tls_ca_path",
];

/// The replication port.
pub(super) struct Port {
    pub(super) bind_address: SocketAddr,
    /// `None`: a cluster of one replica that has no such port.
    pub(super) tls: Option<ClusterTls>,
}

/// Reads the port; `None`: a problem was recorded, or the file has no `[cluster]`.
pub(super) fn read(
    doc: &mut Document<'_>,
    environment: &Environment,
    size: Size,
    keys: &TlsKeys,
) -> Option<Port> {
    if size == Size::OneNode {
        refuse_strays(doc, environment);
        return None;
    }
    let bind_address = bind_address(doc, environment, size);
    let named = KEYS.iter().any(|key| doc.line("security", key).is_some());
    let wanted = size == Size::Several || named || environment.bind_address.is_some();
    let tls = tls(doc, keys, wanted);
    Some(Port {
        bind_address: bind_address?,
        tls: tls?,
    })
}

/// What would be ignored on one node, and is a sign of another file being meant.
fn refuse_strays(doc: &mut Document<'_>, environment: &Environment) {
    for key in KEYS {
        if doc.line("security", key).is_some() {
            let why = "is of the replication port and has no effect without [cluster]; clients \
                       connect to client_address";
            doc.refuse("security", key, why);
        }
    }
    let variables = [
        ("KIMBERLITE_REPLICA_ID", &environment.replica_id),
        ("KIMBERLITE_BIND_ADDRESS", &environment.bind_address),
    ];
    for (variable, value) in variables {
        if value.is_some() {
            let message = format!(
                "{variable} is set, and the file has no [cluster]: this node would run alone; \
                 unset the variable or add the section"
            );
            doc.problems.push(Problem::of_file(message));
        }
    }
}

fn bind_address(
    doc: &mut Document<'_>,
    environment: &Environment,
    size: Size,
) -> Option<SocketAddr> {
    let from_environment = environment.bind_address.as_deref();
    let named = doc.line("security", "bind_address").is_some() || from_environment.is_some();
    if size == Size::Several && !named {
        let why = "is missing: where this replica listens for the others, such as \"0.0.0.0:7000\" \
                   (or set KIMBERLITE_BIND_ADDRESS)";
        doc.refuse("security", "bind_address", why);
        return None;
    }
    let from_file = address(doc, "security", "bind_address", BIND_ADDRESS_DEFAULT);
    let chosen = overridden(doc, from_file, "KIMBERLITE_BIND_ADDRESS", from_environment)?;
    if chosen.port() == 0 {
        let why = "must have a port that is not 0: the others could not find it";
        doc.refuse("security", "bind_address", why);
        return None;
    }
    Some(chosen)
}

/// `Some(None)`: there are no certificates and need not be; `None`: a problem was
/// recorded.
fn tls(doc: &mut Document<'_>, keys: &TlsKeys, wanted: bool) -> Option<Option<ClusterTls>> {
    if !cert_and_key_go_together(doc) {
        return None;
    }
    let path = |own: &Option<String>, common: &Option<String>| {
        own.as_ref().or(common.as_ref()).map(PathBuf::from)
    };
    let cert = path(&keys.cluster.cert, &keys.common.cert);
    let key = path(&keys.cluster.key, &keys.common.key);
    let ca = path(&keys.cluster.ca, &keys.common.ca);
    if let (Some(cert_path), Some(key_path), Some(ca_path)) = (&cert, &key, &ca) {
        return Some(Some(ClusterTls {
            cert_path: cert_path.clone(),
            key_path: key_path.clone(),
            ca_path: ca_path.clone(),
        }));
    }
    if !wanted {
        return Some(None);
    }
    // Where TLS is enabled, the client port misses its certificate and key as well.
    let client_port_says = keys.enabled;
    if cert.is_none() && !client_port_says {
        refuse_missing(doc, "cluster_tls_cert_path", "tls_cert_path");
    }
    if key.is_none() && !client_port_says {
        refuse_missing(doc, "cluster_tls_key_path", "tls_key_path");
    }
    if ca.is_none() {
        refuse_missing(doc, "cluster_tls_ca_path", "tls_ca_path");
    }
    None
}

/// A certificate and the key of another one is never meant.
fn cert_and_key_go_together(doc: &mut Document<'_>) -> bool {
    let (cert, key) = ("cluster_tls_cert_path", "cluster_tls_key_path");
    let has = |name| doc.line("security", name).is_some();
    let (missing, there) = match (has(cert), has(key)) {
        (true, false) => (key, cert),
        (false, true) => (cert, key),
        _ => return true,
    };
    let why = format!("is missing, and {there} is set: the two go together");
    doc.refuse("security", missing, &why);
    false
}

fn refuse_missing(doc: &mut Document<'_>, key: &'static str, common: &'static str) {
    // One that is there was refused for another reason.
    if doc.line("security", key).is_none() && doc.line("security", common).is_none() {
        let why = format!(
            "is missing, and so is {common}, its default: replicas speak mutual TLS with each \
             other, in development too"
        );
        doc.refuse("security", key, &why);
    }
}
