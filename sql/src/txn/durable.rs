//! Waiting for a commit that more than one may wait for.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::SqlError;

type Outcome = Result<(), SqlError>;

#[derive(Debug, Default)]
struct Shared {
    outcome: Mutex<Option<Outcome>>,
    changed: Condvar,
}

/// The outcome of a commit, now or later.
#[derive(Debug, Clone)]
pub struct Durable(Arc<Shared>);

/// What brings the outcome. When it is dropped the outcome is unknown.
#[derive(Debug)]
pub struct Promise(Arc<Shared>);

impl Durable {
    /// An outcome, and what will bring it.
    pub fn new() -> (Self, Promise) {
        let shared = Arc::new(Shared::default());
        (Self(Arc::clone(&shared)), Promise(shared))
    }

    /// The outcome, if it is known.
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.outcome.lock().clone()
    }

    /// Waits for the outcome, on this thread; the runtime's other tasks go on.
    ///
    /// # Errors
    /// As the commit.
    pub fn wait(&self) -> Outcome {
        match Handle::try_current().map(|h| h.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| self.block()),
            _ => self.block(),
        }
    }

    fn block(&self) -> Outcome {
        let mut outcome = self.0.outcome.lock();
        loop {
            match outcome.as_ref() {
                Some(known) => return known.clone(),
                None => self.0.changed.wait(&mut outcome),
            }
        }
    }
}

impl Promise {
    /// Brings the outcome.
    pub fn keep(self, outcome: Outcome) {
        *self.0.outcome.lock() = Some(outcome);
        self.0.changed.notify_all();
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut outcome = self.0.outcome.lock();
        if outcome.is_none() {
            *outcome = Some(Err(SqlError::outcome_unknown()));
            drop(outcome);
            self.0.changed.notify_all();
        }
    }
}
