//! What a transport is given: files, addresses, identity.

use std::path::PathBuf;
use std::time::Duration;

use kimberlite_storage::Lineage;

/// The shortest time after which a silent peer counts as stuck; less is raised to it. Signs
/// of life are sent four times as often.
pub const STALL_MIN: Duration = Duration::from_secs(1);

/// The PEM files of a replica. They are read again when they change, at the next handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of this replica, then those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates are believed.
    pub authority: PathBuf,
}

/// Which cluster a replica belongs to, and which history its log holds. Neither is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// The history.
    pub lineage: Lineage,
}

impl Identity {
    /// `None` when both are zero, which stands for a replica that has joined nothing yet, and
    /// when one is, which stands for nothing.
    #[must_use]
    pub fn new(cluster_id: [u8; 16], lineage: Lineage) -> Option<Self> {
        let known = cluster_id != [0; 16] && lineage.0 != [0; 16];
        known.then_some(Self {
            cluster_id,
            lineage,
        })
    }
}

/// A line of the address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub replica: u64,
    /// `host:port`; the host is resolved each time it is dialled.
    pub address: String,
    /// What its certificate has to name: a DNS name or an IP address.
    pub name: String,
}

impl Peer {
    /// A replica whose certificate names the host of its address.
    #[must_use]
    pub fn at(replica: u64, address: impl Into<String>) -> Self {
        let address = address.into();
        let name = host_of(&address).to_owned();
        Self {
            replica,
            address,
            name,
        }
    }
}

/// The host of `host:port` or `[host]:port`.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// What a transport is made of.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The id of this replica.
    pub replica: u64,
    /// Its certificate, key and authorities.
    pub tls: TlsFiles,
    /// The features this build knows, one bit each; peers are told.
    pub features: u64,
    /// What the replica belongs to, if it has joined a cluster.
    pub identity: Option<Identity>,
    /// After how long without progress or a sign of life a peer counts as stuck and its
    /// replication connection is given up. At least [`STALL_MIN`].
    pub stall_after: Duration,
}

impl TransportOptions {
    /// Options of a replica that belongs to nothing yet, with a `stall_after` of 5 s.
    #[must_use]
    pub const fn new(replica: u64, tls: TlsFiles) -> Self {
        Self {
            replica,
            tls,
            features: 0,
            identity: None,
            stall_after: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]
    use super::*;

    #[test]
    fn the_name_is_the_host_of_the_address() {
        for (address, name) in [
            ("replica-0.example:7000", "replica-0.example"),
            ("10.0.0.1:7000", "10.0.0.1"),
            ("[::1]:7000", "::1"),
            ("odd", "odd"),
        ] {
            assert_eq!(Peer::at(1, address).name, name);
        }
    }
}
