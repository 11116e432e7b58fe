//! What the threads of a replica share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kimberlite_storage::{Clock, Committed, OnCommit, OnFatal, Result, StorageError, StoreMetrics};

use super::Status;
use super::gate::Gate;
use super::keeper::CommittedHead;
use crate::core::Alarm;

/// Bytes of transactions that may be on their way; more make submitters wait.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// State that any thread may look at.
pub(super) struct Shared {
    gate: Gate,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<StoreMetrics>,
    pub(super) committed: CommittedHead,
    on_fatal: OnFatal,
    failing: AtomicBool,
    failure: Mutex<Option<String>>,
    status: Mutex<Status>,
    status_changed: Condvar,
    /// The epoch of new transactions; 0 for none, which is no term.
    epoch: AtomicU64,
}

/// Whom to tell, and since when they wait.
pub(super) struct Waiter {
    pub(super) done: OnCommit,
    pub(super) submitted_us: i64,
    pub(super) bytes: usize,
}

impl Waiter {
    /// Tells that the transaction is durable and visible.
    pub(super) fn committed(self, shared: &Shared, committed: Committed) {
        let now_us = shared.clock.now_us();
        let metrics = &shared.metrics;
        metrics.commit_us.record_between(self.submitted_us, now_us);
        metrics.commits.add(1);
        shared.leave(self.bytes);
        (self.done)(Ok(committed));
    }

    /// Tells that it is not, or that nobody knows.
    pub(super) fn failed(self, shared: &Shared, error: StorageError) {
        shared.metrics.refusals.add(1);
        shared.leave(self.bytes);
        (self.done)(Err(error));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<StoreMetrics>,
        on_fatal: OnFatal,
    ) -> Self {
        Self {
            gate: Gate::new(QUEUE_BYTES_MAX),
            clock,
            metrics,
            committed: CommittedHead::default(),
            on_fatal,
            failing: AtomicBool::new(false),
            failure: Mutex::default(),
            status: Mutex::default(),
            status_changed: Condvar::new(),
            epoch: AtomicU64::new(0),
        }
    }

    /// Who sees an epoch also sees everything that was applied before it was set.
    pub(super) fn set_epoch(&self, epoch: Option<u64>) {
        self.epoch.store(epoch.unwrap_or(0), Ordering::Release);
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::Acquire)).filter(|epoch| *epoch != 0)
    }

    /// Lets a transaction in, or says why not.
    pub(super) fn enter(&self, bytes: usize) -> Result<()> {
        let on_their_way = self.gate.enter(bytes).ok_or_else(|| self.refusal())?;
        self.metrics.queue_bytes.set(on_their_way as u64);
        Ok(())
    }

    fn leave(&self, bytes: usize) {
        let left = self.gate.leave(bytes);
        self.metrics.queue_bytes.set(left as u64);
    }

    pub(super) fn close(&self) {
        self.gate.close();
    }

    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    /// The error for whoever cannot be served.
    pub(super) fn refusal(&self) -> StorageError {
        let reason = self.failure();
        StorageError::Closed(reason.unwrap_or_else(|| "the log was closed".into()))
    }

    /// Ends everything because of a failure. The first call counts. Whoever waits is told
    /// after the owner of the process has been.
    pub(super) fn fail(&self, reason: &str) {
        if self.failing.swap(true, Ordering::SeqCst) {
            return;
        }
        (self.on_fatal)(&StorageError::Closed(reason.to_owned()));
        *lock(&self.failure) = Some(reason.to_owned());
        self.gate.close();
        self.committed.stop();
        self.status_changed.notify_all();
    }

    /// Runs the body of a thread; a panic in it is a failure like any other.
    pub(super) fn guard(&self, name: &str, body: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            self.fail(&format!("the {name} thread stopped unexpectedly"));
        }
    }

    /// Notes something that must not be.
    pub(super) fn alarm(&self, alarm: &Alarm) {
        let mut status = lock(&self.status);
        status.alarms += 1;
        status.last_alarm = Some(alarm.to_string());
    }

    pub(super) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    pub(super) fn set_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
        self.status_changed.notify_all();
    }

    /// Waits until the status is as wanted.
    ///
    /// # Errors
    /// [`StorageError::Closed`] when the replica failed before.
    pub(super) fn wait_status(&self, wanted: impl Fn(&Status) -> bool) -> Result<()> {
        let waiting = |status: &mut Status| !wanted(status) && self.failure().is_none();
        let status = self.status_changed.wait_while(lock(&self.status), waiting);
        match wanted(&status.unwrap_or_else(PoisonError::into_inner)) {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }
}
