//! The TLS keys of `[security]`, which two ports share.

use crate::config::document::Document;

/// What the file says of TLS, of both ports.
pub(super) struct TlsKeys {
    /// `tls_enabled`.
    pub(super) enabled: bool,
    /// `tls_*`: the client port, and the default of the replication port.
    pub(super) common: Paths,
    /// `cluster_tls_*`: the replication port alone.
    pub(super) cluster: Paths,
}

/// A certificate, its key, and who signs those of the other side.
pub(super) struct Paths {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) ca: Option<String>,
}

impl TlsKeys {
    /// Reads the keys, each once, so that each is refused once.
    pub(super) fn read(doc: &mut Document<'_>) -> Self {
        Self {
            enabled: doc.boolean("security", "tls_enabled") == Some(true),
            common: Paths {
                cert: path(doc, "tls_cert_path"),
                key: path(doc, "tls_key_path"),
                ca: path(doc, "tls_ca_path"),
            },
            cluster: Paths {
                cert: path(doc, "cluster_tls_cert_path"),
                key: path(doc, "cluster_tls_key_path"),
                ca: path(doc, "cluster_tls_ca_path"),
            },
        }
    }
}

fn path(doc: &mut Document<'_>, key: &'static str) -> Option<String> {
    let path = doc.string("security", key)?;
    if path.is_empty() {
        doc.refuse("security", key, "is empty; name a PEM file");
        return None;
    }
    Some(path)
}
