//! What operators want done, and who does it.
//!
//! Orders come over a socket in the data directory (`socket.rs`) and go to the replica
//! that can carry them out: the one that leads, or the one they are about.

mod carry_out;
mod members;
mod pauses;
mod socket;
mod status;

use serde::{Deserialize, Serialize};

pub(crate) use self::carry_out::{carry_out, here};
pub use self::socket::{AdminError, ask};
pub(super) use self::socket::{listen, serve};
pub(super) use self::status::lag_ms;

/// What an operator wants. Ids are as operators count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// How the cluster is.
    ClusterStatus,
    /// How one replica is.
    ReplicaStatus {
        /// Which; the one that is asked when not said.
        replica_id: Option<u32>,
    },
    /// How far a standby is, and whether it may be promoted.
    StandbyStatus {
        /// Which.
        replica_id: u32,
    },
    /// Another replica is to lead.
    TransferLeader {
        /// Which; the one that is furthest when not said.
        replica_id: Option<u32>,
    },
    /// A replica that is about to join is to be let in.
    Add {
        /// Which; an id that was never used.
        replica_id: u32,
        /// Where it listens for the others: host and port.
        address: String,
        /// What its certificate says; the host of the address when not said.
        name: Option<String>,
        /// Whether it stays a standby.
        standby: bool,
        /// For how many seconds it is waited for.
        wait_s: u64,
    },
    /// A replica leaves for ever.
    Remove {
        /// Which.
        replica_id: u32,
    },
    /// A standby comes to vote.
    Promote {
        /// Which.
        replica_id: u32,
        /// Whether it is to lead then.
        new_primary: bool,
    },
    /// A replica keeps out for a while.
    Pause {
        /// Which; the one that is asked when not said.
        replica_id: Option<u32>,
    },
    /// A paused replica comes back.
    Resume {
        /// Which; the one that is asked when not said.
        replica_id: Option<u32>,
    },
    /// A replica keeps out until it is told to rejoin.
    Isolate {
        /// Which.
        replica_id: u32,
        /// Why, for those who look later.
        reason: String,
    },
    /// An isolated replica comes back.
    Rejoin {
        /// Which.
        replica_id: u32,
    },
}

/// Who has to carry out an order.
pub(super) enum Who {
    /// Whoever is asked.
    Anybody,
    /// The replica that leads.
    Leader,
    /// This one, as operators count; the one that is asked when not said.
    Replica(Option<u32>),
}

impl Order {
    pub(super) const fn who(&self) -> Who {
        match self {
            Self::ClusterStatus => Who::Anybody,
            Self::TransferLeader { .. }
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::Promote { .. }
            | Self::StandbyStatus { .. } => Who::Leader,
            Self::ReplicaStatus { replica_id }
            | Self::Pause { replica_id }
            | Self::Resume { replica_id } => Who::Replica(*replica_id),
            Self::Isolate { replica_id, .. } | Self::Rejoin { replica_id } => {
                Who::Replica(Some(*replica_id))
            }
        }
    }

    /// Whether it changes something, and so is written down.
    pub(super) const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::ClusterStatus | Self::ReplicaStatus { .. } | Self::StandbyStatus { .. }
        )
    }

    /// How long it may take, in seconds.
    pub(super) fn wait_s(&self) -> u64 {
        match self {
            Self::Add { wait_s, .. } => wait_s.saturating_add(90),
            _ => 60,
        }
    }
}
