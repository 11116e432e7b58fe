//! The way to the other replicas: TLS connections, and what goes over them.
//!
//! This module is a driver, as `node` is: the only one with async code. The core and the
//! node know it as an [`Outbox`]; it knows them as an [`Inbox`] and a [`Handler`]. Run it on a
//! runtime that nothing keeps busy for long: a replica that shows no sign of life for
//! [`TransportOptions::stall_after`] counts as stuck.
//!
//! | Purpose | Connections | What goes over them |
//! |---|---|---|
//! | replication | one from each replica to each other, kept | frames from the dialler |
//! | request | one each | a request and its answer |
//! | session | one each | bytes in both directions |
//!
//! **Who is who.** TLS 1.3, always mutual, no resumption. Both certificates come from the
//! cluster's authority; the one of a replica that is dialled names it, and so does the one
//! of a replica that says Hello. Whoever is not in the address book is refused. Certificate,
//! key and authority may be replaced at any time: the next handshake uses the new ones.
//!
//! **What is bounded.** Connections in the handshake (128, of 10 s), frames that wait for a peer
//! (64 MiB and 1024), frames of a peer that wait for the core (32 MiB), requests to a peer at
//! once (8; others wait, twice as many are served), sessions (1024 a peer and direction),
//! sizes of requests (1 MiB), answers (64 MiB) and frames (96 MiB). One frame may be larger
//! than a queue that is empty.
//!
//! **What is lost.** A frame that does not fit, or that waits when a connection fails, is
//! dropped, counted, and the inbox is told. The protocol sends it again when it matters.

mod accept;
mod chain;
mod complaints;
mod credentials;
mod dial;
mod error;
mod hello;
mod names;
mod options;
mod packet;
mod peer;
mod queue;
mod reason;
mod receiver;
mod request;
mod sender;
mod session;
mod shared;
mod socket;
mod traits;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use kimberlite_storage::Lineage;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::accept::HANDSHAKES_MAX;
use self::complaints::Complaints;
use self::credentials::Credentials;
pub use self::dial::HANDSHAKE_MAX;
pub use self::error::{RefusalCode, TransportError};
pub use self::hello::{PROTOCOL_NEWEST, PROTOCOL_OLDEST, Purpose};
pub use self::options::{Identity, Peer, STALL_MIN, TlsFiles, TransportOptions};
use self::peer::PeerState;
pub use self::peer::{PeerStatus, REQUESTS_MAX, SESSIONS_MAX, WINDOW_BYTES};
pub use self::queue::{QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX};
pub use self::request::{ANSWER_LEN_MAX, REQUEST_LEN_MAX};
use self::shared::Shared;
pub use self::traits::{Caller, Duplex, Handler, Inbox, Permit, SessionStream};
use crate::frame::Frame;
use crate::node::Outbox;

/// A running transport. Dropping it ends everything at once; [`close`](Self::close) also waits
/// for the end.
pub struct Transport {
    shared: Arc<Shared>,
}

impl Transport {
    /// Starts to take connections, on the runtime of the caller. The address book is empty.
    ///
    /// # Errors
    /// [`TransportError::Files`] when certificate, key or authority cannot be used,
    /// [`TransportError::Start`] outside of a runtime.
    pub fn start(
        options: TransportOptions,
        listener: TcpListener,
        inbox: Arc<dyn Inbox>,
        handler: Arc<dyn Handler>,
    ) -> Result<Arc<Self>, TransportError> {
        let runtime =
            Handle::try_current().map_err(|e| TransportError::Start(io::Error::other(e)))?;
        let shared = Arc::new(Shared {
            replica: options.replica,
            features: options.features,
            stall_after: options.stall_after.max(STALL_MIN),
            credentials: Credentials::open(options.tls)?,
            identity: watch::Sender::new(options.identity),
            inbox,
            handler,
            book: RwLock::new(BTreeMap::new()),
            strangers: Complaints::default(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime,
        });
        shared.spawn(accept::listen(Arc::clone(&shared), listener));
        Ok(Arc::new(Self { shared }))
    }

    /// Replaces the address book. Replicas that are not in it any more are cut off, new ones
    /// are dialled, and those with another address are dialled there. A line about this
    /// replica itself is left out.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        let shared = &self.shared;
        let mut book = shared.book.write().unwrap_or_else(PoisonError::into_inner);
        let wanted = peers.into_iter().map(|peer| (peer.replica, peer));
        let mut wanted: BTreeMap<u64, Peer> = wanted.collect();
        wanted.remove(&shared.replica);
        book.retain(|replica, state| {
            // A certificate that was shown may not fit another name.
            let name = wanted.get(replica).map(|entry| &entry.name);
            let stays = name == Some(&state.entry.borrow().name);
            if !stays {
                state.cancel.cancel();
            }
            stays
        });
        for (replica, entry) in wanted {
            if let Some(state) = book.get(&replica) {
                state.entry.send_if_modified(|now| {
                    let changed = *now != entry;
                    *now = entry;
                    changed
                });
                continue;
            }
            let state = Arc::new(PeerState::new(entry, shared.cancel.child_token()));
            shared.spawn(sender::run(Arc::clone(shared), Arc::clone(&state)));
            book.insert(replica, state);
        }
    }

    /// Tells what this replica belongs to, from now on. Replication connections that were made
    /// as somebody else are made again. Zeros take the identity away.
    pub fn set_identity(&self, cluster_id: [u8; 16], lineage: Lineage) {
        let identity = Identity::new(cluster_id, lineage);
        self.shared.identity.send_if_modified(|now| {
            let changed = *now != identity;
            *now = identity;
            changed
        });
    }

    /// Asks a peer and waits for its answer. The request may have been carried out even when
    /// there is none.
    ///
    /// # Errors
    /// [`TransportError::RequestTooLong`] above [`REQUEST_LEN_MAX`],
    /// [`TransportError::AnswerTooLong`] when the answer would be above [`ANSWER_LEN_MAX`],
    /// [`TransportError::Deadline`], and whatever keeps a connection from being made.
    pub async fn request(
        &self,
        replica: u64,
        request: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, TransportError> {
        let peer = self.peer(replica)?;
        request::ask(&self.shared, &peer, &request, deadline).await
    }

    /// Opens a session with a peer.
    ///
    /// # Errors
    /// [`TransportError::Refused`] with [`RefusalCode::Busy`] when there are [`SESSIONS_MAX`],
    /// and whatever keeps a connection from being made.
    pub async fn open_session(&self, replica: u64) -> Result<SessionStream, TransportError> {
        let peer = self.peer(replica)?;
        session::open(&self.shared, &peer).await
    }

    fn peer(&self, replica: u64) -> Result<Arc<PeerState>, TransportError> {
        let peer = self.shared.peer(replica);
        peer.ok_or(TransportError::UnknownPeer(replica))
    }

    /// The address book, and how the connections are.
    #[must_use]
    pub fn peers_status(&self) -> Vec<PeerStatus> {
        let book = self.shared.book.read();
        let book = book.unwrap_or_else(PoisonError::into_inner);
        book.values().map(|peer| peer.status()).collect()
    }

    /// Who was not let in although it is no peer, and why: pairs of an address, with the id
    /// it claims if it got that far, and a reason. The last 64 at most.
    #[must_use]
    pub fn strangers(&self) -> Vec<(String, String)> {
        self.shared.strangers.all()
    }

    /// Ends all connections and waits until all tasks have ended.
    pub async fn close(&self) {
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
    }
}

impl Outbox for Transport {
    /// Puts the frame into the queue of its receiver, and drops it where that is full or
    /// the receiver not known.
    fn send(&self, frame: Frame) {
        let Some(peer) = self.shared.peer(frame.to()) else {
            return;
        };
        if peer.queue.push(frame) && !peer.is_lost() {
            self.shared.inbox.unreachable(peer.replica);
        }
    }
}
