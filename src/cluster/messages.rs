//! What replicas ask each other beside the consensus protocol, as JSON.
//!
//! Requests are few and small, and an older or newer replica that does not know one says
//! so; the log itself has a binary codec (`kimberlite_consensus::frame`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admin::Order;

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// A replica with an empty data directory wants to belong to the cluster.
    Join(Join),
    /// How are you?
    Report,
    /// Something an operator wants done, who is who the replica that asks says.
    Order {
        /// What.
        order: Order,
        /// Who, and on which machine.
        operator: String,
    },
    /// A client wants a statement cancelled that runs there.
    Cancel {
        /// `process_id` of the cancel request.
        process_id: i32,
        /// Its secret.
        secret: Vec<u8>,
    },
}

/// Who wants to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Join {
    /// Drawn when its data directory was made, in hexadecimal.
    pub(super) incarnation: String,
    /// Where it listens for the others.
    pub(super) address: String,
    /// What its certificate says.
    pub(super) name: String,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Welcome.
    Admitted(Grant),
    /// Another replica has to be asked, or this one later.
    NotNow(String),
    /// No, and asking again does not help before somebody does something about it.
    Refused(String),
    /// How the replica is.
    Report(Box<Report>),
    /// What came of an order.
    Done(Value),
    /// An order was not carried out.
    Failed(String),
    /// The question is not known here.
    Unknown,
}

/// What a replica needs to begin a data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    /// The cluster, in hexadecimal.
    pub(super) cluster_id: String,
    /// The history, in hexadecimal.
    pub(super) lineage: String,
    /// The first members: the log tells of changes only.
    pub(super) first: Vec<u64>,
    /// Size of segments in bytes.
    pub(super) segment_bytes: u64,
}

/// How a replica is.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Report {
    /// As operators count.
    pub replica_id: u64,
    /// `leader`, `follower`, `standby` or `removed`; what it knows itself.
    pub role: String,
    /// `ready`, `waiting`, `opening`, `closing`, `paused` or `isolated`.
    pub phase: String,
    /// Why, where there is something to say.
    pub detail: Option<String>,
    /// Version of the server.
    pub version: String,
    /// The newest term it has seen.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader_id: Option<u64>,
    /// Index of the newest block it knows to be committed.
    pub committed: u64,
    /// Index of the newest block that is durable there.
    pub durable: u64,
    /// Index of the newest block in its projection.
    pub applied: u64,
    /// The time of that block, microseconds since 1970 UTC.
    pub applied_us: i64,
    /// Where it takes clients.
    pub client_address: String,
    /// Frames that were not looked at because something must not be.
    pub alarms: u64,
    /// The newest of those.
    pub last_alarm: Option<String>,
}

impl Request {
    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> bytes::Bytes {
        // Strings and numbers: there is nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl Answer {
    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> bytes::Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads an answer; one that is not known is an answer too.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or(Self::Unknown)
    }
}
