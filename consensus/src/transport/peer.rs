//! What is known of a replica in the address book.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::complaints::Complaints;
use super::hello::{Purpose, Welcome};
use super::options::Peer;
use super::queue::Queue;
use crate::members::replica_of;

/// Bytes of received frames that one peer may have waiting for the core; a larger frame
/// waits alone.
pub const WINDOW_BYTES: u32 = 32 << 20;
/// Requests to one peer that are under way at once; others wait.
pub const REQUESTS_MAX: usize = 8;
/// Sessions with one peer at once, in each direction.
pub const SESSIONS_MAX: usize = 1024;

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Out,
    In,
}

/// How a peer and the connections with it are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its id.
    pub replica: u64,
    /// Where it is dialled.
    pub address: String,
    /// Whether frames can be sent to it.
    pub connected_out: bool,
    /// Whether it can send frames to us.
    pub connected_in: bool,
    /// Bytes of frames that wait to be sent.
    pub queued_bytes: usize,
    /// Frames that were dropped for lack of room or of a connection.
    pub dropped_frames: u64,
    /// Bytes of frames sent, as they went over the wire.
    pub sent_bytes: u64,
    /// Bytes of frames received, as they came over the wire.
    pub received_bytes: u64,
    /// What went wrong last, until replication in that direction works again.
    pub last_error: Option<String>,
    /// The features its build knows, if it has ever been connected.
    pub features: Option<u64>,
    /// The version of the protocol spoken with it, if it has ever been connected.
    pub version: Option<u16>,
}

/// A replica in the address book.
pub(super) struct PeerState {
    pub(super) replica: u64,
    pub(super) entry: watch::Sender<Peer>,
    /// Ends everything that belongs to the peer.
    pub(super) cancel: CancellationToken,
    pub(super) queue: Queue,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) window: Arc<Semaphore>,
    pub(super) requests_out: Arc<Semaphore>,
    /// Twice as many: the peer may count one as done a little earlier than we do.
    pub(super) requests_in: Arc<Semaphore>,
    pub(super) sessions_out: Arc<Semaphore>,
    pub(super) sessions_in: Arc<Semaphore>,
    /// The peer shows that it lives: whoever waits to dial it need not.
    pub(super) redial: Notify,
    /// Whether the inbox has been told that the peer cannot be reached.
    told: AtomicBool,
    complaints: Complaints<(Direction, Purpose)>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    connected_out: bool,
    /// Ends the replication connection from the peer.
    inbound: Option<(u64, CancellationToken)>,
    inbound_count: u64,
    last_error: Option<(Direction, String)>,
    features: Option<u64>,
    version: Option<u16>,
}

impl PeerState {
    pub(super) fn new(entry: Peer, cancel: CancellationToken) -> Self {
        Self {
            replica: entry.replica,
            entry: watch::Sender::new(entry),
            cancel,
            queue: Queue::default(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            window: Arc::new(Semaphore::new(WINDOW_BYTES as usize)),
            requests_out: Arc::new(Semaphore::new(REQUESTS_MAX)),
            requests_in: Arc::new(Semaphore::new(2 * REQUESTS_MAX)),
            sessions_out: Arc::new(Semaphore::new(SESSIONS_MAX)),
            sessions_in: Arc::new(Semaphore::new(SESSIONS_MAX)),
            redial: Notify::new(),
            told: AtomicBool::new(false),
            complaints: Complaints::default(),
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the inbox has to be told that the peer cannot be reached.
    pub(super) fn is_first_loss(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// Whether the inbox knows that the peer cannot be reached.
    pub(super) fn is_lost(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Remembers what went wrong, and says it if it is news.
    pub(super) fn complain(&self, direction: Direction, purpose: Purpose, text: &str) {
        self.notes().last_error = Some((direction, text.to_owned()));
        if !self.complaints.is_news(&(direction, purpose), text) {
            return;
        }
        let replica = replica_of(self.replica);
        match direction {
            Direction::Out => {
                tracing::warn!(replica, "no {purpose} connection to the replica: {text}")
            }
            Direction::In => {
                tracing::warn!(replica, "no {purpose} connection from the replica: {text}")
            }
        }
    }

    fn settle(&self, notes: &mut Notes, direction: Direction) {
        let known = notes.last_error.as_ref();
        if known.is_some_and(|(of, _)| *of == direction) {
            notes.last_error = None;
        }
        let was_bad = self.complaints.settle(&(direction, Purpose::Replication));
        let replica = replica_of(self.replica);
        match direction {
            Direction::Out => tracing::info!(replica, was_bad, "connected to the replica"),
            Direction::In => tracing::info!(replica, was_bad, "connected from the replica"),
        }
    }

    /// Frames can be sent.
    pub(super) fn connected_out(&self, welcome: &Welcome) {
        let mut notes = self.notes();
        notes.connected_out = true;
        notes.features = Some(welcome.features);
        notes.version = Some(welcome.version);
        self.settle(&mut notes, Direction::Out);
        self.told.store(false, Ordering::Relaxed);
    }

    /// Frames cannot be sent any more. Whether they could.
    pub(super) fn disconnected_out(&self) -> bool {
        std::mem::replace(&mut self.notes().connected_out, false)
    }

    /// Frames can be received; a connection there was before ends. What ends the new one,
    /// and its number.
    pub(super) fn connected_in(&self, features: u64, version: u16) -> (u64, CancellationToken) {
        let mut notes = self.notes();
        notes.features = Some(features);
        notes.version = Some(version);
        notes.inbound_count += 1;
        let inbound = (notes.inbound_count, self.cancel.child_token());
        if let Some((_, before)) = notes.inbound.replace(inbound.clone()) {
            before.cancel();
        }
        self.settle(&mut notes, Direction::In);
        self.redial.notify_waiters();
        inbound
    }

    /// The connection of that number has ended.
    pub(super) fn disconnected_in(&self, number: u64) {
        let mut notes = self.notes();
        if notes
            .inbound
            .as_ref()
            .is_some_and(|(now, _)| *now == number)
        {
            notes.inbound = None;
        }
    }

    pub(super) fn status(&self) -> PeerStatus {
        let (queued_bytes, dropped_frames) = self.queue.figures();
        let address = self.entry.borrow().address.clone();
        let notes = self.notes();
        PeerStatus {
            replica: self.replica,
            address,
            connected_out: notes.connected_out,
            connected_in: notes.inbound.is_some(),
            queued_bytes,
            dropped_frames,
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
            last_error: notes.last_error.as_ref().map(|(_, text)| text.clone()),
            features: notes.features,
            version: notes.version,
        }
    }
}
