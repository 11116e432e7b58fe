//! Transactions that wait for the writer, bounded by bytes.

use super::{BLOCK_EVENTS_MAX, BLOCK_PAYLOAD_BYTES, Shared};
use crate::commit::{Committed, OnCommit, SealedTransaction};
use crate::error::StorageError;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A transaction that waits.
pub(crate) struct Pending {
    pub(crate) txn: SealedTransaction,
    pub(crate) done: Waiter,
    pub(crate) bytes: usize,
}

/// Whom to tell, and since when they wait.
pub(crate) struct Waiter {
    done: OnCommit,
    submitted_us: i64,
}

impl Waiter {
    /// Tells that the transaction is durable and visible.
    pub(crate) fn committed(self, shared: &Shared, committed: Committed) {
        let now_us = shared.clock.now_us();
        shared
            .metrics
            .commit_us
            .record_between(self.submitted_us, now_us);
        shared.metrics.commits.add(1);
        (self.done)(Ok(committed));
    }

    /// Tells that it is not, or that nobody knows.
    pub(crate) fn failed(self, shared: &Shared, error: StorageError) {
        shared.metrics.refusals.add(1);
        (self.done)(Err(error));
    }
}

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    bytes: usize,
    closing: bool,
    failure: Option<String>,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a transaction, waiting while there is no room.
    pub(crate) fn push(&self, shared: &Shared, txn: SealedTransaction, done: OnCommit) {
        let done = Waiter {
            done,
            submitted_us: shared.clock.now_us(),
        };
        let bytes = txn.events_len();
        let mut state = self.lock();
        // One that is larger than all the room gets in when nothing else waits.
        while state.refusal().is_none() && state.bytes > 0 && state.bytes + bytes > self.bytes_max {
            state = self
                .drained
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(refusal) = state.refusal() {
            drop(state);
            return done.failed(shared, refusal);
        }
        state.bytes += bytes;
        shared.metrics.queue_bytes.set(state.bytes as u64);
        state.waiting.push_back(Pending { txn, done, bytes });
        drop(state);
        self.filled.notify_one();
    }

    /// Takes what fits in the next block, or one transaction that is larger than
    /// a block; waits for one. `None` when no more will come.
    pub(crate) fn take(&self, shared: &Shared) -> Option<Vec<Pending>> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closing && state.failure.is_none() {
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.failure.is_some() {
            return None;
        }
        let (mut taken, mut bytes, mut events) = (Vec::new(), 0, 0);
        while let Some(next) = state.waiting.front() {
            let (more_bytes, more_events) = (next.bytes, next.txn.events.len());
            let fits = bytes + more_bytes <= BLOCK_PAYLOAD_BYTES
                && events + more_events <= BLOCK_EVENTS_MAX;
            if !fits && !taken.is_empty() {
                break;
            }
            taken.extend(state.waiting.pop_front());
            bytes += more_bytes;
            events += more_events;
        }
        state.bytes -= bytes;
        shared.metrics.queue_bytes.set(state.bytes as u64);
        drop(state);
        self.drained.notify_all();
        (!taken.is_empty()).then_some(taken)
    }

    /// Refuses new transactions.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Refuses new transactions for good; false when that was so already.
    pub(crate) fn fail(&self, reason: &str) -> bool {
        let mut state = self.lock();
        let first = state.failure.is_none();
        state.failure.get_or_insert_with(|| reason.to_owned());
        drop(state);
        self.filled.notify_all();
        self.drained.notify_all();
        first
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Takes everything that still waits.
    pub(crate) fn drain(&self, shared: &Shared) -> VecDeque<Pending> {
        let mut state = self.lock();
        state.bytes = 0;
        shared.metrics.queue_bytes.set(0);
        std::mem::take(&mut state.waiting)
    }

    /// The error for whoever cannot be served.
    pub(crate) fn refused(&self) -> StorageError {
        self.lock()
            .refusal()
            .unwrap_or_else(|| StorageError::Closed("the log is closed".into()))
    }
}

impl State {
    fn refusal(&self) -> Option<StorageError> {
        match &self.failure {
            Some(reason) => Some(StorageError::Closed(reason.clone())),
            None if self.closing => Some(StorageError::Closed("the log was closed".into())),
            None => None,
        }
    }
}

/// The same error for many waiters: it is not clonable because of the operating
/// system's error in it.
pub(crate) fn again(error: &StorageError) -> StorageError {
    match error {
        StorageError::Full { context } => StorageError::Full {
            context: context.clone(),
        },
        StorageError::TooLarge { what, len, max } => StorageError::TooLarge {
            what,
            len: *len,
            max: *max,
        },
        StorageError::ReadOnly { context } => StorageError::ReadOnly {
            context: context.clone(),
        },
        other => StorageError::Closed(other.to_string()),
    }
}
