//! Locks on sequences: whoever takes values keeps ALTER SEQUENCE away until its
//! transaction ends.

use std::sync::Arc;

use super::{Activity, SessionLink, SessionState, wait_within_call};
use crate::cancel::Cancellation;
use crate::error::SqlError;
use crate::txn::{LockKey, LockManager, LockMode, Patience, TransactionId, WaitPolicy};

/// The mode in which values are taken.
const MODE: LockMode = LockMode::RowExclusive;

/// The sequences that a transaction takes values from.
#[derive(Debug, Default)]
pub(crate) struct SequenceLocks(Vec<(u32, LockKey)>);

impl SequenceLocks {
    /// Ends the locks.
    pub(crate) fn end_transaction(&mut self, owner: TransactionId, manager: &LockManager) {
        for (_, key) in self.0.drain(..) {
            manager.release_mode(owner, key, MODE);
        }
    }

    /// The sequences that are locked, and how.
    pub(crate) fn all(&self) -> Vec<(u32, LockMode)> {
        self.0.iter().map(|(oid, _)| (*oid, MODE)).collect()
    }
}

/// Who takes values, and how long it waits for them.
#[derive(Debug, Clone)]
pub(crate) struct SequenceUser {
    pub(crate) activity: Arc<Activity>,
    pub(crate) session: Arc<SessionState>,
    pub(crate) cancel: Cancellation,
    pub(crate) patience: Patience,
}

impl From<&SessionLink> for SequenceUser {
    fn from(link: &SessionLink) -> Self {
        Self {
            activity: link.activity.clone(),
            session: link.session.clone(),
            cancel: link.cancel.clone(),
            patience: link.patience,
        }
    }
}

impl SequenceUser {
    /// Locks a sequence until the transaction ends, waiting for whoever alters it.
    ///
    /// # Errors
    /// 40P01, 55P03 after `lock_timeout`, 57014.
    pub(crate) fn lock_sequence(&self, oid: u32) -> Result<(), SqlError> {
        let known = |locks: &SequenceLocks| locks.0.iter().any(|(known, _)| *known == oid);
        if known(&self.session.sequences.lock()) {
            return Ok(());
        }
        let key = LockKey::table(self.session.tenant, oid);
        let manager = self.activity.locks();
        let mut held = manager.owned_by(self.session.owner);
        if !manager.try_acquire(&mut held, key, MODE) {
            *self.session.wants.lock() = Some((oid, MODE));
            let policy = WaitPolicy::Wait(self.patience);
            let waited =
                wait_within_call(manager.acquire(&mut held, key, MODE, policy, &self.cancel));
            *self.session.wants.lock() = None;
            if let Err(error) = waited {
                manager.release_since(&mut held, 0);
                return Err(error);
            }
        }
        manager.keep(&mut held);
        let mut locks = self.session.sequences.lock();
        // Another part of the statement may have been faster; they share the lock.
        if !known(&locks) {
            locks.0.push((oid, key));
        }
        Ok(())
    }
}
