//! `[cluster]` and `[standby]`: the replicas of one log, and which of them this
//! process is.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Most replicas that vote. Every commit waits for more than half of them.
pub const VOTERS_MAX: usize = 9;
/// Most standbys. The leader sends each of them the whole log.
pub const STANDBYS_MAX: usize = 32;
/// Largest id of a replica.
pub const REPLICA_ID_MAX: u32 = (1 << 31) - 1;
/// Time between heartbeats, in milliseconds, when the file does not say.
pub(super) const HEARTBEAT_MS_DEFAULT: u64 = 100;
/// Shortest and longest time between heartbeats, in milliseconds.
pub(super) const HEARTBEAT_MS: RangeInclusive<u64> = 10..=10_000;
/// Time without a leader before an election, in milliseconds, when the file does not say.
pub(super) const ELECTION_MS_DEFAULT: u64 = 1_000;
/// Longest time without a leader before an election, in milliseconds.
pub(super) const ELECTION_MS_MAX: u64 = 100_000;
/// The election timeout is at least so many heartbeats: a few that are late or
/// lost do not depose a leader.
pub const ELECTION_HEARTBEATS_MIN: u64 = 5;
/// Most transactions in a block when the file does not say.
pub(super) const BATCH_SIZE_DEFAULT: u64 = 1_000;
/// Least and most of `max_batch_size`.
pub(super) const BATCH_SIZE: RangeInclusive<u64> = 1..=65_535;
/// Lag of a standby that may be promoted, in milliseconds, when the file does not say.
pub(super) const STANDBY_LAG_MS_DEFAULT: u64 = 100;
/// Least and most of `max_lag_ms`.
pub(super) const STANDBY_LAG_MS: RangeInclusive<u64> = 1..=3_600_000;
/// Replication port when the file does not say. Only a cluster of one replica may
/// leave it out: others could not reach loopback.
pub const BIND_ADDRESS_DEFAULT: &str = "127.0.0.1:7000";

/// `[cluster]`, `[standby]` and what `[security]` says of the replication port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Which replica this process is: the id of one of `voters` or `standbys`.
    pub replica_id: u32,
    /// The replicas that vote, in the order of the file: an odd number of them, at
    /// most [`VOTERS_MAX`].
    pub voters: Vec<Replica>,
    /// The replicas that follow without a vote, in the order of the file; at most
    /// [`STANDBYS_MAX`].
    pub standbys: Vec<Replica>,
    /// Time between heartbeats of a leader.
    pub heartbeat: Duration,
    /// Time without a leader after which a replica may want to lead; at least
    /// [`ELECTION_HEARTBEATS_MIN`] times `heartbeat`.
    pub election_timeout: Duration,
    /// Most transactions in one block.
    pub max_batch_size: usize,
    /// Whether a write that arrives at a follower is passed on to the leader; if
    /// not, it is refused with the leader's address.
    pub forward_writes: bool,
    /// Where this replica listens for the others (`[security] bind_address`); of no
    /// meaning while `tls` is `None`.
    pub bind_address: SocketAddr,
    /// The certificates of the replication port, which is always mutual TLS. `None`
    /// only for a replica that is alone in its cluster and names no certificates:
    /// it has no replication port.
    pub tls: Option<ClusterTls>,
    /// A standby that lags more than this is not to be promoted.
    pub max_standby_lag: Duration,
}

impl Cluster {
    /// All replicas: those that vote, then the standbys.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.voters.iter().chain(&self.standbys)
    }

    /// Whether this process is one of the standbys.
    pub fn is_standby(&self) -> bool {
        self.standbys.iter().any(|r| r.id == self.replica_id)
    }
}

/// One replica, as all others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its number: unique in the cluster, at most [`REPLICA_ID_MAX`], never reused.
    pub id: u32,
    /// Where the others reach it: `host:port`, the host a name in lower case, an
    /// IPv4 address or an IPv6 address in brackets; no two replicas have the same.
    pub address: String,
    /// The DNS name (in lower case) or IP address that its certificate must be made
    /// out to; no two replicas have the same. The host, unless the file says.
    pub name: String,
}

impl Replica {
    /// The host of the address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port of the address; not 0 in a checked configuration.
    pub fn port(&self) -> u16 {
        let port = self.address.rsplit_once(':').map(|(_, port)| port.parse());
        port.and_then(Result::ok).unwrap_or(0)
    }
}

/// The certificates of the replication port; `cluster_tls_*`, else `tls_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterTls {
    /// This replica's certificate chain, PEM, leaf first.
    pub cert_path: PathBuf,
    /// The private key of the leaf, PEM.
    pub key_path: PathBuf,
    /// Who signs replicas, PEM.
    pub ca_path: PathBuf,
}
