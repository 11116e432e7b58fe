//! What all tasks of a transport know.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::complaints::Complaints;
use super::credentials::Credentials;
use super::options::Identity;
use super::peer::PeerState;
use super::traits::{Handler, Inbox};
use crate::members::replica_of;

pub(super) struct Shared {
    pub(super) replica: u64,
    pub(super) features: u64,
    pub(super) stall_after: Duration,
    pub(super) credentials: Credentials,
    pub(super) identity: watch::Sender<Option<Identity>>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) book: RwLock<BTreeMap<u64, Arc<PeerState>>>,
    pub(super) strangers: Complaints<String>,
    pub(super) cancel: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) runtime: Handle,
}

impl Shared {
    pub(super) fn peer(&self, replica: u64) -> Option<Arc<PeerState>> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.get(&replica).cloned()
    }

    /// Runs until it ends or the transport is closed.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancelled = self.cancel.clone().cancelled_owned();
        let until_closed = async move {
            tokio::select! {
                () = cancelled => {}
                () = task => {}
            }
        };
        self.tasks.spawn_on(until_closed, &self.runtime);
    }

    /// Tells the inbox that frames to a peer were lost, once per outage.
    pub(super) fn lost(&self, peer: &PeerState) {
        if peer.is_first_loss() {
            self.inbox.unreachable(peer.replica);
        }
    }

    /// Somebody was let in: what was wrong before is news when it comes again.
    pub(super) fn settle_stranger(&self, address: &str, replica: u64) {
        self.strangers.settle(&address.to_owned());
        self.strangers.settle(&claimed(address, replica));
    }

    /// Remembers what is wrong with somebody who is not in the address book, and says it if
    /// it is news.
    pub(super) fn complain_of_stranger(&self, who: &str, text: &str) {
        if self.strangers.is_news(&who.to_owned(), text) {
            tracing::warn!(from = who, "no connection from a stranger: {text}");
        }
    }
}

/// Somebody at an address who says it is a replica.
pub(super) fn claimed(address: &str, replica: u64) -> String {
    format!("{address}, as replica {}", replica_of(replica))
}
