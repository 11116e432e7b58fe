//! Advisory locks: of a session until it says otherwise, of a transaction until
//! its end.

use std::collections::HashMap;

use kimberlite_storage::TenantId;

use super::SessionLink;
use crate::error::{SqlError, state};
use crate::txn::{LockKey, LockManager, LockMode, TransactionId, WaitPolicy};

/// Most advisory locks of one session.
const MOST: usize = 100_000;

/// What names an advisory lock: `classid`, `objid` and `objsubid` of `pg_locks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvisoryKey(pub u32, pub u32, pub i16);

impl AdvisoryKey {
    /// A key of one number.
    pub fn one(key: i64) -> Self {
        let bits = key.cast_unsigned();
        let high = u32::try_from(bits >> 32).unwrap_or(0);
        let low = u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
        Self(high, low, 1)
    }

    /// A key of two numbers.
    pub fn two(first: i32, second: i32) -> Self {
        Self(first.cast_unsigned(), second.cast_unsigned(), 2)
    }

    fn lock(self, tenant: TenantId) -> LockKey {
        LockKey::advisory(tenant, (self.0, self.1, self.2))
    }
}

/// How long an advisory lock lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvisoryScope {
    /// Until it is unlocked, or the session ends.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// How often a lock is held.
#[derive(Debug)]
struct Hold {
    key: AdvisoryKey,
    /// By the session: shared and exclusive.
    session: [u32; 2],
    /// By the transaction, likewise.
    transaction: [u32; 2],
}

/// The advisory locks of one session.
#[derive(Debug, Default)]
pub(crate) struct AdvisoryLocks {
    held: HashMap<LockKey, Hold>,
    /// Locks of the transaction in the order in which they were taken.
    taken: Vec<(LockKey, usize)>,
    /// Lengths of `taken` at the savepoints.
    savepoints: Vec<usize>,
}

fn index(mode: LockMode) -> usize {
    usize::from(mode == LockMode::AdvisoryExclusive)
}

const MODES: [LockMode; 2] = [LockMode::AdvisoryShare, LockMode::AdvisoryExclusive];

impl AdvisoryLocks {
    fn add(&mut self, lock: LockKey, key: AdvisoryKey, mode: LockMode, scope: AdvisoryScope) {
        let hold = self.held.entry(lock).or_insert(Hold {
            key,
            session: [0; 2],
            transaction: [0; 2],
        });
        let at = index(mode);
        let counts = match scope {
            AdvisoryScope::Session => &mut hold.session,
            AdvisoryScope::Transaction => &mut hold.transaction,
        };
        if let Some(count) = counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        if scope == AdvisoryScope::Transaction {
            self.taken.push((lock, at));
        }
    }

    /// Gives back what nobody counts any more.
    fn settle(&mut self, lock: LockKey, at: usize, owner: TransactionId, manager: &LockManager) {
        let Some(hold) = self.held.get(&lock) else {
            return;
        };
        let counted = |i: usize| {
            hold.session.get(i).copied().unwrap_or(0) > 0
                || hold.transaction.get(i).copied().unwrap_or(0) > 0
        };
        if !counted(at)
            && let Some(mode) = MODES.get(at)
        {
            manager.release_mode(owner, lock, *mode);
        }
        if !counted(0) && !counted(1) {
            self.held.remove(&lock);
        }
    }

    fn release_since(&mut self, keep: usize, owner: TransactionId, manager: &LockManager) {
        while self.taken.len() > keep {
            let Some((lock, at)) = self.taken.pop() else {
                return;
            };
            if let Some(count) = self
                .held
                .get_mut(&lock)
                .and_then(|hold| hold.transaction.get_mut(at))
            {
                *count = count.saturating_sub(1);
            }
            self.settle(lock, at, owner, manager);
        }
    }

    /// Ends the transaction's locks.
    pub(crate) fn end_transaction(&mut self, owner: TransactionId, manager: &LockManager) {
        self.savepoints.clear();
        self.release_since(0, owner, manager);
    }

    /// Notes a savepoint.
    pub(crate) fn savepoint(&mut self) {
        self.savepoints.push(self.taken.len());
    }

    /// Forgets the savepoints from `index` on.
    pub(crate) fn release(&mut self, index: usize) {
        self.savepoints.truncate(index);
    }

    /// Ends what was taken since the savepoint at `index`, which stays.
    pub(crate) fn rollback_to(
        &mut self,
        index: usize,
        owner: TransactionId,
        manager: &LockManager,
    ) {
        self.savepoints.truncate(index + 1);
        let keep = self.savepoints.last().copied().unwrap_or(0);
        self.release_since(keep, owner, manager);
    }

    fn unlock_all(&mut self, owner: TransactionId, manager: &LockManager) {
        let locks: Vec<LockKey> = self.held.keys().copied().collect();
        for lock in locks {
            if let Some(hold) = self.held.get_mut(&lock) {
                hold.session = [0; 2];
            }
            for (at, mode) in MODES.into_iter().enumerate() {
                let kept = self.held.get(&lock).and_then(|h| h.transaction.get(at));
                if kept.is_none_or(|count| *count == 0) {
                    manager.release_mode(owner, lock, mode);
                }
            }
            self.settle(lock, 0, owner, manager);
        }
    }

    /// Each lock that is held, with its mode.
    pub(crate) fn all(&self) -> Vec<(AdvisoryKey, LockMode)> {
        let modes = |hold: &Hold| {
            let key = hold.key;
            let (session, transaction) = (hold.session, hold.transaction);
            MODES.into_iter().filter_map(move |mode| {
                let at = index(mode);
                let count = session.get(at)?.saturating_add(*transaction.get(at)?);
                (count > 0).then_some((key, mode))
            })
        };
        self.held.values().flat_map(modes).collect()
    }
}

fn mode(shared: bool) -> LockMode {
    if shared {
        LockMode::AdvisoryShare
    } else {
        LockMode::AdvisoryExclusive
    }
}

impl SessionLink {
    fn check_count(&self) -> Result<(), SqlError> {
        if self.session.advisory.lock().held.len() >= MOST {
            return Err(SqlError::new(
                state::OUT_OF_MEMORY,
                "a session holds too many advisory locks",
            )
            .detail(format!("The limit is {MOST}.")));
        }
        Ok(())
    }

    /// Takes an advisory lock, waiting for it.
    ///
    /// # Errors
    /// 40P01, 55P03 after `lock_timeout`, 57014.
    pub async fn advisory_lock(
        &self,
        key: AdvisoryKey,
        shared: bool,
        scope: AdvisoryScope,
    ) -> Result<(), SqlError> {
        self.check_count()?;
        let (lock, mode) = (key.lock(self.session.tenant), mode(shared));
        let manager = self.activity.locks();
        let mut held = manager.owned_by(self.session.owner);
        let policy = WaitPolicy::Wait(self.patience);
        let taken = manager
            .acquire(&mut held, lock, mode, policy, &self.cancel)
            .await;
        if let Err(error) = taken {
            manager.release_since(&mut held, 0);
            return Err(error);
        }
        manager.keep(&mut held);
        self.session.advisory.lock().add(lock, key, mode, scope);
        Ok(())
    }

    /// Takes an advisory lock if it is free; says whether it was.
    ///
    /// # Errors
    /// 53200 when the session has too many.
    pub fn try_advisory_lock(
        &self,
        key: AdvisoryKey,
        shared: bool,
        scope: AdvisoryScope,
    ) -> Result<bool, SqlError> {
        self.check_count()?;
        let (lock, mode) = (key.lock(self.session.tenant), mode(shared));
        let manager = self.activity.locks();
        let mut held = manager.owned_by(self.session.owner);
        if !manager.try_acquire(&mut held, lock, mode) {
            return Ok(false);
        }
        manager.keep(&mut held);
        self.session.advisory.lock().add(lock, key, mode, scope);
        Ok(true)
    }

    /// Gives one hold of the session back; says whether there was one.
    pub fn advisory_unlock(&self, key: AdvisoryKey, shared: bool) -> bool {
        let lock = key.lock(self.session.tenant);
        let at = index(mode(shared));
        let mut locks = self.session.advisory.lock();
        let count = locks
            .held
            .get_mut(&lock)
            .and_then(|hold| hold.session.get_mut(at))
            .filter(|count| **count > 0);
        let Some(count) = count else {
            return false;
        };
        *count -= 1;
        locks.settle(lock, at, self.session.owner, self.activity.locks());
        true
    }

    /// Gives all holds of the session back.
    pub fn advisory_unlock_all(&self) {
        let mut locks = self.session.advisory.lock();
        locks.unlock_all(self.session.owner, self.activity.locks());
    }
}
