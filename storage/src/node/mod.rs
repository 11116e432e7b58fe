//! The log of one node: a queue, a writer thread, an applier thread.
//!
//! Sessions seal in parallel and [`CommitLog::submit`]; the writer gathers what
//! is queued into one block, writes it and waits for one barrier, during which
//! the next block gathers; the applier applies durable blocks in order, publishes,
//! and only then calls the sessions back. Everything in between is bounded: the
//! queue by bytes (submitters wait), the way to the applier by blocks (the writer
//! waits).
//!
//! **A failure is final.** A write or barrier that failed says nothing about what
//! is on the medium, so nothing is tried again: every pending and later
//! transaction gets [`StorageError::Closed`], `on_fatal` is called once, and the
//! process is expected to exit. Opening the log again finds out what survived.

mod applier;
mod keeper;
mod queue;
mod sequencer;

#[cfg(test)]
mod tests;

use crate::apply::{ApplySink, EventOpener, LogParts};
use crate::commit::{CommitLog, OnCommit, SealedTransaction};
use crate::env::Clock;
use crate::error::{Result, StorageError};
use crate::log::{LogReader, LogWriter};
use crate::metrics::StoreMetrics;
use crate::superblock::SuperblockFile;
use queue::Queue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of transactions that may wait; more make submitters wait.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// A block is closed when its events reach this many bytes.
pub const BLOCK_PAYLOAD_BYTES: usize = 1 << 20;

/// Most events of a block: an ordinal has 16 bits.
pub const BLOCK_EVENTS_MAX: usize = 1 << 16;

/// Durable blocks that may wait for the applier.
const APPLY_BLOCKS_MAX: usize = 16;

/// Called once, with the reason, when the log cannot go on. The process should
/// exit. It should not do so in this call, nor should the call take long: those
/// who wait for a commit are told after it that nobody knows its outcome.
pub type OnFatal = Arc<dyn Fn(&StorageError) + Send + Sync>;

/// What a node is made of.
pub struct NodeParts {
    /// The end of the log.
    pub writer: LogWriter,
    /// Reads back parts of large transactions.
    pub reader: Arc<LogReader>,
    /// What blocks are applied to; it has applied everything in the log.
    pub sink: Arc<dyn ApplySink>,
    /// Opens events.
    pub opener: EventOpener,
    /// The superblock, kept up to date from here on.
    pub superblock: SuperblockFile,
    /// Gives blocks their time.
    pub clock: Arc<dyn Clock>,
    /// Where to count.
    pub metrics: Arc<StoreMetrics>,
    /// See [`OnFatal`].
    pub on_fatal: OnFatal,
}

/// The commit log of a node that is alone.
pub struct SingleNode {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<LogWriter>,
    applier: JoinHandle<()>,
    keeper: JoinHandle<SuperblockFile>,
    sink: Arc<dyn ApplySink>,
}

/// What the threads share.
pub(crate) struct Shared {
    queue: Queue,
    durable: keeper::DurableHead,
    clock: Arc<dyn Clock>,
    metrics: Arc<StoreMetrics>,
    on_fatal: OnFatal,
    /// Blocks after one that could not be applied must not be applied either.
    apply_failed: AtomicBool,
}

impl Shared {
    fn apply_failed(&self) -> bool {
        self.apply_failed.load(Ordering::Relaxed)
    }

    fn fail_apply(&self, reason: &str) {
        self.apply_failed.store(true, Ordering::Relaxed);
        self.fail(reason);
    }

    /// Ends everything because of a failure. The first call counts.
    pub(crate) fn fail(&self, reason: &str) {
        if self.queue.fail(reason) {
            (self.on_fatal)(&StorageError::Closed(reason.to_owned()));
        }
        self.durable.stop();
    }

    /// Runs the body of a thread; a panic in it is a failure like any other.
    fn guard<R>(&self, name: &str, body: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(body));
        if result.is_err() {
            self.fail(&format!("the {name} thread stopped unexpectedly"));
        }
        result.ok()
    }
}

fn spawn<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> Result<JoinHandle<R>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|e| StorageError::io(format!("start the {name} thread"), e))
}

impl SingleNode {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`StorageError::Io`] when a thread cannot be started or the superblock
    /// cannot be written.
    pub fn start(parts: NodeParts) -> Result<Self> {
        let NodeParts {
            writer,
            reader,
            sink,
            opener,
            mut superblock,
            clock,
            metrics,
            on_fatal,
        } = parts;
        // From here on the end of the log is not known from the superblock alone.
        let head = *writer.head();
        superblock.update(|s| {
            s.clean = false;
            (s.verified_index, s.verified_hash) = (head.index, head.hash);
        })?;
        metrics.durable_index.set(head.index);
        metrics.applied_index.set(head.index);
        let shared = Arc::new(Shared {
            queue: Queue::new(QUEUE_BYTES_MAX),
            durable: keeper::DurableHead::new(),
            clock,
            metrics,
            on_fatal,
            apply_failed: AtomicBool::new(false),
        });
        let (send, receive) = sync_channel(APPLY_BLOCKS_MAX);
        let keeper = {
            let shared = shared.clone();
            spawn("superblock-keeper", move || {
                keeper::run(&shared, superblock)
            })?
        };
        let applier = {
            let (shared, sink) = (shared.clone(), sink.clone());
            let parts = LogParts::new(reader, opener.clone());
            spawn("applier", move || {
                applier::run(&shared, sink.as_ref(), opener, parts, receive)
            })?
        };
        let writer = {
            let (shared, sink) = (shared.clone(), sink.clone());
            spawn("log-writer", move || {
                sequencer::run(&shared, writer, sink, send)
            })?
        };
        Ok(Self {
            shared,
            threads: Mutex::new(Some(Threads {
                writer,
                applier,
                keeper,
                sink,
            })),
        })
    }

    /// Why nothing can be committed any more, if so.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.shared.queue.failure()
    }

    /// Refuses new transactions, completes those that wait, flushes the
    /// projection and notes in the superblock that the log ends in good order.
    /// Closing again does nothing.
    ///
    /// # Errors
    /// [`StorageError::Closed`] when the log had failed before,
    /// [`StorageError::Io`] when the last writes fail.
    pub fn close(&self) -> Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(threads) = threads.take() else {
            return Ok(());
        };
        self.shared.queue.close();
        let writer = threads.writer.join();
        let applier = threads.applier.join();
        self.shared.durable.stop();
        let keeper = threads.keeper.join();
        if let Some(reason) = self.failed() {
            return Err(StorageError::Closed(reason));
        }
        let (Ok(writer), Ok(()), Ok(mut superblock)) = (writer, applier, keeper) else {
            return Err(StorageError::Closed("a thread stopped unexpectedly".into()));
        };
        threads.sink.flush()?;
        let head = *writer.head();
        superblock.update(|s| {
            (s.verified_index, s.verified_hash) = (head.index, head.hash);
            s.commit_floor = head.index;
            s.clean = true;
        })
    }
}

impl CommitLog for SingleNode {
    fn submit(&self, txn: SealedTransaction, done: OnCommit) {
        if let Err(error) = txn.check() {
            self.shared.metrics.refusals.add(1);
            return done(Err(error));
        }
        self.shared.queue.push(&self.shared, txn, done);
    }
}

impl Drop for SingleNode {
    fn drop(&mut self) {
        // An error here has no one to go to; the next opening finds everything.
        let _ = self.close();
    }
}
