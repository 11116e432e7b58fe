//! What the parts of a replica's cluster side share.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use kimberlite_consensus::members::Role;
use kimberlite_consensus::members::{member_of, replica_of};
use kimberlite_consensus::node::{Node, NodeReport};
use kimberlite_consensus::registry::Registry;
use kimberlite_consensus::transport::{Peer, Transport};
use kimberlite_storage::Store;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::gossip::Seen;
use super::messages::{Answer, Report, Request};
use super::watched::Hangs;
use crate::config;
use crate::http::NodeStatus;
use crate::wire::Sessions;

/// How long a replica may take to answer a small question.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(3);

/// The state of the cluster side.
pub(crate) struct Shared {
    /// This replica, as the protocol counts.
    pub(super) me: u64,
    pub(super) config: config::Cluster,
    /// Where clients may connect, for messages.
    pub(super) client_address: String,
    pub(super) incarnation: [u8; 16],
    pub(super) node: Arc<OnceLock<Arc<Node>>>,
    pub(super) transport: OnceLock<Arc<Transport>>,
    pub(super) store: OnceLock<Arc<Store>>,
    pub(super) status: Arc<NodeStatus>,
    /// The sessions of clients, while they are served.
    pub(super) sessions: Mutex<Option<Sessions>>,
    /// Sessions that others serve for this replica's clients.
    pub(super) hangs: Hangs,
    /// What other replicas said of themselves last.
    pub(super) seen: Mutex<BTreeMap<u64, Seen>>,
    /// Replicas that an operator wants in, until the log knows them.
    pub(super) expected: Mutex<BTreeMap<u64, Peer>>,
    /// Why this replica keeps out of the cluster, if it does.
    pub(super) rests: Mutex<Option<super::rest::Rest>>,
}

impl Shared {
    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.node.get()
    }

    pub(super) fn transport(&self) -> Option<&Arc<Transport>> {
        self.transport.get()
    }

    /// What the node says; `None` before it runs and after its end.
    pub(super) async fn report(&self) -> Option<NodeReport> {
        let (send, receive) = oneshot::channel();
        self.node()?.report(Box::new(move |report| {
            // Who asked may be gone.
            let _ = send.send(report);
        }));
        receive.await.ok()
    }

    /// Asks another replica.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub(super) async fn ask(
        &self,
        replica: u64,
        request: &Request,
        deadline: Duration,
    ) -> Result<Answer, String> {
        let transport = self.transport().ok_or("the replication port is not open")?;
        let answer: Result<Bytes, _> = transport
            .request(replica, request.to_bytes(), deadline)
            .await;
        answer
            .map(|bytes| Answer::read(&bytes))
            .map_err(|e| format!("replica {}: {e}", replica_of(replica)))
    }

    /// The replicas of the configuration as the transport wants them.
    pub(super) fn configured(&self) -> BTreeMap<u64, Peer> {
        let peer = |replica: &config::Replica| Peer {
            replica: member_of(replica.id),
            address: replica.address.clone(),
            name: replica.name.clone(),
        };
        let peers = self.config.replicas().map(peer);
        peers.map(|peer| (peer.replica, peer)).collect()
    }

    /// Everybody this replica may speak with: what the log says comes before what the
    /// configuration says, and who was removed is not spoken with.
    pub(super) fn address_book(&self, registry: &Registry) -> Vec<Peer> {
        let mut book = self.configured();
        book.extend(self.expected.lock().clone());
        for (replica, record) in registry.records() {
            if record.role == Role::Removed {
                book.remove(&replica);
            } else if let Some(peer) = &record.peer {
                book.insert(
                    replica,
                    Peer {
                        replica,
                        address: peer.address.clone(),
                        name: peer.name.clone(),
                    },
                );
            }
        }
        book.into_values().collect()
    }

    /// The time of a block, microseconds since 1970 UTC.
    fn time_of(&self, index: u64) -> Option<i64> {
        let reader = self.store.get()?.log_reader();
        let time = reader.with_block(index, |block, _, _| Ok(block.header.timestamp_us));
        time.ok()
    }

    /// This replica, as it tells others.
    pub(super) async fn own_report(&self) -> Report {
        let phase = self.status.phase();
        let report = self.report().await.unwrap_or_default();
        let status = self.node().map(|node| node.status()).unwrap_or_default();
        let rests = self.rests.lock().clone();
        let applied_us = self.time_of(report.applied).unwrap_or(0);
        Report {
            replica_id: replica_of(self.me),
            role: role(&report, self.me).to_owned(),
            phase: rests
                .as_ref()
                .map_or(phase.name(), |rest| rest.kind.name())
                .to_owned(),
            detail: rests
                .map(|rest| rest.reason)
                .or_else(|| phase.detail().map(str::to_owned)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            term: report.leadership.term,
            leader_id: Some(report.leadership.leader)
                .filter(|leader| *leader != 0)
                .map(replica_of),
            committed: report.committed,
            durable: report.durable,
            applied: report.applied,
            applied_us,
            client_address: self.client_address.clone(),
            alarms: status.alarms,
            last_alarm: status.last_alarm,
        }
    }
}

/// What a replica is, in a word.
fn role(report: &NodeReport, me: u64) -> &'static str {
    if report.leadership.leader == me {
        return "leader";
    }
    match report.members.role(me) {
        Role::Voter => "follower",
        Role::Standby => "standby",
        Role::Removed => "removed",
    }
}
