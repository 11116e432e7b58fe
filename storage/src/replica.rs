//! Where a store meets what orders and commits its transactions.
//!
//! A [`Store`](crate::Store) owns the files of a data directory; which block comes next,
//! and when it counts, is decided by a replicated log that this crate does not know. Whoever
//! opens a store brings it along as [`StartReplica`].

use crate::apply::{ApplySink, EventOpener};
use crate::chain::ChainHead;
use crate::commit::CommitLog;
use crate::env::Clock;
use crate::error::{Result, StorageError};
use crate::ids::Lineage;
use crate::log::{LogReader, LogWriter};
use crate::metrics::StoreMetrics;
use crate::superblock::{Superblock, SuperblockFile};
use std::sync::Arc;

/// Called once, with the reason, when the log cannot go on. The process should
/// exit. It should not do so in this call, nor should the call take long: those
/// who wait for a commit are told after it that nobody knows its outcome.
pub type OnFatal = Arc<dyn Fn(&StorageError) + Send + Sync>;

/// What a replica is made of.
pub struct ReplicaParts {
    /// The end of the log, as recovery found it.
    pub writer: LogWriter,
    /// Reads durable blocks.
    pub reader: Arc<LogReader>,
    /// What blocks are applied to; it has everything up to
    /// [`StartReplica::committed`].
    pub sink: Arc<dyn ApplySink>,
    /// Opens events.
    pub opener: EventOpener,
    /// The superblock, kept up to date by the replica from here on.
    pub superblock: SuperblockFile,
    /// Gives blocks their time.
    pub clock: Arc<dyn Clock>,
    /// Where to count.
    pub metrics: Arc<StoreMetrics>,
    /// See [`OnFatal`].
    pub on_fatal: OnFatal,
    /// Random, and another one at each start.
    pub seed: u64,
}

/// Whose a data directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// The history that its log holds.
    pub lineage: Lineage,
    /// This replica; not 0.
    pub replica_id: u64,
    /// Size of segments in bytes, the same on every replica.
    pub segment_bytes: u64,
}

/// What a data directory is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// Whose it is.
    pub identity: Identity,
    /// The first members, as the superblock keeps them.
    pub configuration: Vec<u8>,
}

/// Brings the log of a data directory to life.
pub trait StartReplica: Send {
    /// The identity for an empty directory; `None` makes a new one, of a replica that is
    /// alone.
    fn founding(&self) -> Option<Founding>;

    /// How far the log is known to be committed: what is after it may not be applied yet.
    /// `head` is the newest durable block, `projected` the newest that the projection has
    /// begun to apply.
    ///
    /// # Errors
    /// [`StorageError::Format`] for a superblock that holds no members as written.
    fn committed(&self, superblock: &Superblock, head: &ChainHead, projected: u64) -> Result<u64>;

    /// Starts. On a replica that is alone, transactions are taken on return.
    ///
    /// # Errors
    /// As opening a store.
    fn start(self: Box<Self>, parts: ReplicaParts) -> Result<Arc<dyn Replica>>;
}

/// A running replica.
pub trait Replica: CommitLog {
    /// Whether the log is this replica's alone to write: it makes the first transactions
    /// of a new database.
    fn is_alone(&self) -> bool;

    /// Why nothing can be committed any more, if so.
    fn failed(&self) -> Option<String>;

    /// Refuses new transactions, completes those that wait, flushes the projection and
    /// notes in the superblock that the log ends in good order. Closing again does nothing.
    ///
    /// # Errors
    /// [`StorageError::Closed`] when the log had failed before, [`StorageError::Io`] when
    /// the last writes fail.
    fn close(&self) -> Result<()>;
}
