//! A replica: a [`Core`](crate::core::Core), and the threads that do what it says.
//!
//! | Thread | What it does |
//! |---|---|
//! | `consensus` | owns the core; takes transactions, frames and ticks, hands out what is to be done |
//! | `log-writer` | makes blocks durable, one flush each, and votes |
//! | `applier` | puts committed blocks into the projection, then tells those who wait |
//! | `superblock-keeper` | notes about once a second how far the log is committed |
//!
//! Everything between them is bounded: transactions by bytes (submitters wait), blocks by
//! what the core lets wait for a majority, frames by the transport.
//!
//! **A failure is final**, as in the log itself: after a failed write or flush nobody knows
//! what is on the medium. Every pending and later transaction gets
//! [`StorageError::Closed`], [`OnFatal`](kimberlite_storage::OnFatal) is called once, and the process is expected to
//! exit; opening the log again finds out.

mod applier;
mod engine;
mod files;
mod gate;
mod keeper;
mod shared;
mod start;
mod starter;
mod writer;

#[cfg(test)]
mod alone_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kimberlite_storage::block::{BLOCK_HEADER_LEN, PAYLOAD_CRC_LEN};
use kimberlite_storage::superblock::SuperblockFile;
use kimberlite_storage::{
    ApplySink, CommitLog, OnCommit, Replica, ReplicaParts, Result, SealedEvent, SealedTransaction,
    StorageError,
};

pub use self::starter::{Alone, Member};

use self::engine::Input;
use self::shared::Shared;
use crate::core::{Leadership, PeerProgress, Refusal};
use crate::frame::Frame;
use crate::members::{MemberChange, Members};
use crate::registry::Registry;

/// Takes frames to other replicas. It must not block: what does not fit in its queue is
/// dropped, as if the network had lost it.
pub trait Outbox: Send + Sync {
    /// Sends a frame to [`Frame::to`].
    fn send(&self, frame: Frame);
}

/// Nobody to send to.
#[derive(Debug)]
pub struct NoPeers;

impl Outbox for NoPeers {
    fn send(&self, _: Frame) {}
}

/// How often things happen.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two ticks of the core.
    pub tick: Duration,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: usize,
    /// Ticks without a leader before another replica wants to lead.
    pub election_ticks: usize,
}

impl Default for Pace {
    /// A heartbeat each 100 ms, an election after one to two seconds.
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(50),
            heartbeat_ticks: 2,
            election_ticks: 20,
        }
    }
}

/// What a node is made of.
pub struct NodeParts {
    /// The files of the data directory, and what is derived from them.
    pub replica: ReplicaParts,
    /// The way to the other replicas.
    pub outbox: Arc<dyn Outbox>,
    /// How often things happen.
    pub pace: Pace,
    /// Most transactions in one block.
    pub batch_max: usize,
    /// Whether it keeps out of the cluster from the start ([`Node::rest`]).
    pub rests: bool,
}

/// Called once with the index a read has to see, when that is applied here, or with the
/// reason why nobody knows. It must not block.
pub type OnRead = Box<dyn FnOnce(Result<u64>) + Send>;

/// Called once with the index of the block that changes the members, or with the reason
/// why there is none. It must not block.
pub type OnChange = Box<dyn FnOnce(Result<u64, Refusal>) + Send>;

/// Called once with what the core knows. It must not block.
pub type OnReport = Box<dyn FnOnce(NodeReport) + Send>;

/// All that a core knows at a moment.
#[derive(Clone, Debug, Default)]
pub struct NodeReport {
    /// Who leads.
    pub leadership: Leadership,
    /// Blocks up to this index are committed.
    pub committed: u64,
    /// Blocks up to this index are durable here.
    pub durable: u64,
    /// Blocks up to this index are in the projection.
    pub applied: u64,
    /// Who votes and who follows.
    pub members: Members,
    /// Everybody who ever was a member.
    pub registry: Registry,
    /// How far the others are; only where this replica leads.
    pub progress: Vec<PeerProgress>,
}

/// What a replica knows about the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Who leads.
    pub leadership: Leadership,
    /// Blocks up to this index are committed.
    pub committed: u64,
    /// Blocks up to this index are durable here.
    pub durable: u64,
    /// The members.
    pub members: Members,
    /// How often another replica came to lead.
    pub leader_changes: u64,
    /// Frames that were not looked at because something must not be.
    pub alarms: u64,
    /// The newest of those, in words.
    pub last_alarm: Option<String>,
}

/// A running replica.
pub struct Node {
    replica: u64,
    /// The longest block that a segment takes.
    block_bytes_max: u64,
    shared: Arc<Shared>,
    inputs: Sender<Input>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    engine: JoinHandle<()>,
    writer: JoinHandle<()>,
    applier: JoinHandle<()>,
    keeper: JoinHandle<()>,
    sink: Arc<dyn ApplySink>,
    superblock: Arc<Mutex<SuperblockFile>>,
}

impl Node {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`StorageError::Io`] when a thread cannot be started or the superblock cannot be
    /// written, [`StorageError::Closed`] when the disk contradicts itself.
    pub fn start(parts: NodeParts) -> Result<Self> {
        start::start(parts)
    }

    /// Hands over a frame that a peer sent. That it is the peer it says is the
    /// transport's to check. `held` is dropped when the frame has been taken: what the
    /// transport counts it by.
    pub fn deliver(&self, frame: Frame, held: Box<dyn Send>) {
        self.tell(Input::Frame(frame, held));
    }

    /// A peer could not be reached.
    pub fn unreachable(&self, peer: u64) {
        self.tell(Input::Unreachable(peer));
    }

    /// Finds out what is committed now, on whatever replica, and waits until it is applied
    /// on this one: what is read then is linearizable.
    pub fn read(&self, done: OnRead) {
        self.tell(Input::Read(done));
    }

    /// Changes the members.
    pub fn change(&self, change: MemberChange, done: OnChange) {
        self.tell(Input::Change(change, done));
    }

    /// Passes leadership on, if this replica has it.
    pub fn transfer(&self, to: u64) {
        self.tell(Input::Transfer(to));
    }

    /// Tells all that the core knows. Nobody is told when the node has ended: `done` is
    /// dropped.
    pub fn report(&self, done: OnReport) {
        self.tell(Input::Report(done));
    }

    /// Keeps out of the cluster, or comes back. A replica that rests neither listens nor
    /// speaks, takes no transactions and leaves its files as they are, once what was on
    /// its way is written; for others it is as good as dead.
    pub fn rest(&self, rests: bool) {
        self.tell(Input::Rest(rests));
    }

    /// What this replica knows about the cluster.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// An event has to fit into a block, and that into a segment.
    fn check_room(&self, txn: &SealedTransaction) -> Result<()> {
        let longest = txn.events.iter().map(SealedEvent::event_len).max();
        let len = (longest.unwrap_or(0) + BLOCK_HEADER_LEN + PAYLOAD_CRC_LEN) as u64;
        match len > self.block_bytes_max {
            false => Ok(()),
            true => Err(StorageError::TooLarge {
                what: "an event",
                len,
                max: self.block_bytes_max,
            }),
        }
    }

    fn tell(&self, input: Input) {
        // After the end of the thread there is nobody to tell; what waits is dropped.
        drop(self.inputs.send(input));
    }
}

impl Replica for Node {
    fn is_alone(&self) -> bool {
        self.status().members.is_only(self.replica)
    }

    fn failed(&self) -> Option<String> {
        self.shared.failure()
    }

    /// Completes what waits as far as a majority lets it within
    /// `CLOSING_MAX` (`engine.rs`).
    fn close(&self) -> Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(threads) = threads.take() else {
            return Ok(());
        };
        self.shared.close();
        self.tell(Input::Close);
        let ended = [threads.engine, threads.writer, threads.applier].map(JoinHandle::join);
        self.shared.committed.stop();
        let kept = threads.keeper.join();
        if let Some(reason) = self.failed() {
            return Err(StorageError::Closed(reason));
        }
        if ended.iter().any(std::result::Result::is_err) || kept.is_err() {
            return Err(StorageError::Closed("a thread stopped unexpectedly".into()));
        }
        threads.sink.flush()?;
        let mut superblock = threads
            .superblock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let newest = self.shared.committed.newest();
        superblock.update(|s| {
            if let Some((index, hash)) = newest {
                (s.verified_index, s.verified_hash) = (index, hash);
                s.commit_floor = index;
            }
            s.clean = true;
        })
    }
}

impl CommitLog for Node {
    fn submit(&self, txn: SealedTransaction, done: OnCommit) {
        if let Err(error) = txn.check().and_then(|()| self.check_room(&txn)) {
            self.shared.metrics.refusals.add(1);
            return done(Err(error));
        }
        let bytes = txn.events_len();
        if let Err(refused) = self.shared.enter(bytes) {
            self.shared.metrics.refusals.add(1);
            return done(Err(refused));
        }
        let submitted_us = self.shared.clock.now_us();
        let waiter = shared::Waiter {
            done,
            submitted_us,
            bytes,
        };
        if let Err(unsent) = self.inputs.send(Input::Submit(txn, waiter))
            && let Input::Submit(_, waiter) = unsent.0
        {
            waiter.failed(&self.shared, self.shared.refusal());
        }
    }

    fn epoch(&self) -> Option<u64> {
        self.shared.epoch()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An error here has no one to go to; the next opening finds everything.
        drop(self.close());
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|e| StorageError::io(format!("start the {name} thread"), e))
}

fn inputs() -> (Sender<Input>, Receiver<Input>) {
    channel()
}
