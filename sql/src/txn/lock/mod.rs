//! Row and table locks, held until the transaction ends.
//!
//! Modes and conflicts are PostgreSQL's (manual, "Explicit Locking"). A lock is
//! named by a 64-bit hash: two different rows whose hashes meet only wait for
//! each other needlessly, which keeps a million row locks small.
//!
//! Deadlocks are looked for when a wait has lasted `deadlock_timeout`; the
//! session that finds itself in a cycle that no change of a queue opens is the
//! victim.

mod deadlock;
mod entry;
mod mode;
mod name;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::cancel::Cancellation;
use crate::error::{SqlError, state};
use entry::{Entry, Waiter};
pub use mode::LockMode;
pub use name::LockKey;
use name::NameIsHash;

/// Independent parts of the lock table, so that sessions rarely meet.
const SHARDS: usize = 64;

/// Who holds locks, unique for the life of the process. A session keeps it from
/// one transaction to the next: its own locks never stand in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

/// What to do when a lock is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Wait, so long.
    Wait(Patience),
    /// Fail with 55P03.
    NoWait,
}

/// How long to wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// `lock_timeout`, if there is one.
    pub limit: Option<Duration>,
    /// `deadlock_timeout`: how long to wait before deadlocks are looked for.
    pub deadlock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            limit: None,
            deadlock: Duration::from_secs(1),
        }
    }
}

/// The locks of one transaction, in the order in which they were taken.
#[derive(Debug)]
pub struct HeldLocks {
    id: TransactionId,
    taken: Vec<(LockKey, LockMode)>,
}

impl HeldLocks {
    /// The transaction that holds them.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// How many locks were taken: a point to go back to.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

type Shard = Mutex<HashMap<LockKey, Entry, BuildHasherDefault<NameIsHash>>>;

/// All locks of a server.
#[derive(Debug)]
pub struct LockManager {
    shards: Vec<Shard>,
    next_id: AtomicU64,
    /// Who waits for which lock, for the deadlock search.
    waiting: Mutex<HashMap<TransactionId, (LockKey, LockMode)>>,
    /// Held while a deadlock is looked for.
    searching: Mutex<()>,
}

impl Default for LockManager {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            next_id: AtomicU64::new(1),
            waiting: Mutex::default(),
            searching: Mutex::default(),
        }
    }
}

impl LockManager {
    /// A new owner of locks, which has none yet.
    pub fn begin(&self) -> HeldLocks {
        self.owned_by(TransactionId(self.next_id.fetch_add(1, Ordering::Relaxed)))
    }

    /// The locks of a new transaction of an owner: none yet.
    pub fn owned_by(&self, id: TransactionId) -> HeldLocks {
        HeldLocks {
            id,
            taken: Vec::new(),
        }
    }

    /// The part of the table that a lock is in; always there, since the index is
    /// taken modulo the number of parts.
    fn shard(&self, key: LockKey) -> Option<&Shard> {
        // Bits from the middle: the table inside uses the highest and the lowest.
        self.shards.get((key.0 >> 32) as usize % SHARDS)
    }

    /// Takes a lock if it is free. Returns whether it is now held.
    pub fn try_acquire(&self, held: &mut HeldLocks, key: LockKey, mode: LockMode) -> bool {
        let Some(shard) = self.shard(key) else {
            return false;
        };
        let mut shard = shard.lock();
        let entry = match shard.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(Entry {
                    first: (held.id, mode.bit()),
                    more: None,
                });
                held.taken.push((key, mode));
                return true;
            }
            Slot::Occupied(entry) => entry.into_mut(),
        };
        let mine = entry.held_by(held.id);
        if mine & mode.bit() != 0 {
            return true;
        }
        let blocked = entry.conflicts(held.id, mode)
            // Somebody who already holds the lock may strengthen it past the queue; who
            // shares a row with its holders does not wait for those that cannot.
            || (mine == 0 && !mode.is_row() && entry.queue_blocks(held.id, mode));
        if blocked {
            return false;
        }
        entry.grant(held.id, mode);
        held.taken.push((key, mode));
        true
    }

    /// Takes a lock, waiting for it as `policy` says. Returns whether it had to
    /// wait, in which case the world may have changed meanwhile.
    ///
    /// # Errors
    /// 55P03 (not available, or `lock_timeout`), 40P01 (deadlock), 57014.
    pub async fn acquire(
        &self,
        held: &mut HeldLocks,
        key: LockKey,
        mode: LockMode,
        policy: WaitPolicy,
        cancel: &Cancellation,
    ) -> Result<bool, SqlError> {
        if self.try_acquire(held, key, mode) {
            return Ok(false);
        }
        let patience = match policy {
            WaitPolicy::NoWait => {
                return Err(SqlError::new(
                    state::LOCK_NOT_AVAILABLE,
                    "could not obtain lock",
                ));
            }
            WaitPolicy::Wait(patience) => patience,
        };
        if self.would_deadlock(held.id, key, mode) {
            return Err(deadlock());
        }
        let Some(granted) = self.enqueue(held, key, mode) else {
            return Ok(true);
        };
        // Listed before the wait: if the wait is dropped in the instant of the
        // grant, the lock is still let go with the others.
        held.taken.push((key, mode));
        let _registered = Registration::new(self, held.id, key, mode);
        self.wait(granted, held.id, patience, cancel).await?;
        Ok(true)
    }

    /// Joins the queue; `None` when the lock became free meanwhile.
    fn enqueue(
        &self,
        held: &mut HeldLocks,
        key: LockKey,
        mode: LockMode,
    ) -> Option<oneshot::Receiver<()>> {
        loop {
            if let Some(receiver) = self.try_enqueue(held, key, mode) {
                return Some(receiver);
            }
            // Nobody holds it any more: no queue to join.
            if self.try_acquire(held, key, mode) {
                return None;
            }
        }
    }

    fn try_enqueue(
        &self,
        held: &HeldLocks,
        key: LockKey,
        mode: LockMode,
    ) -> Option<oneshot::Receiver<()>> {
        let mut shard = self.shard(key)?.lock();
        let entry = shard.get_mut(&key)?;
        let (granted, receiver) = oneshot::channel();
        let waiter = Waiter {
            id: held.id,
            mode,
            granted,
        };
        let mine = entry.held_by(held.id);
        let crowd = entry.more.get_or_insert_default();
        // Whoever waits for what this one holds already comes after it.
        let before = match mine {
            0 => None,
            mine => crowd
                .waiters
                .iter()
                .position(|w| w.mode.conflicts() & mine != 0),
        };
        match before {
            Some(at) => crowd.waiters.insert(at, waiter),
            None => crowd.waiters.push_back(waiter),
        }
        // The holder may have left between the first try and now.
        entry.grant_waiters();
        Some(receiver)
    }

    async fn wait(
        &self,
        mut granted: oneshot::Receiver<()>,
        id: TransactionId,
        patience: Patience,
        cancel: &Cancellation,
    ) -> Result<(), SqlError> {
        let limit = async {
            match patience.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(limit);
        loop {
            tokio::select! {
                biased;
                result = &mut granted => {
                    return result.map_err(|_| SqlError::internal("a lock queue vanished"));
                }
                error = cancel.cancelled() => return Err(error),
                () = &mut limit => {
                    return Err(SqlError::new(
                        state::LOCK_NOT_AVAILABLE,
                        "canceling statement due to lock timeout",
                    ));
                }
                () = tokio::time::sleep(patience.deadlock) => {
                    if self.is_deadlocked(id) {
                        return Err(deadlock());
                    }
                }
            }
        }
    }

    /// Lets go of everything a transaction holds.
    pub fn release_all(&self, held: &mut HeldLocks) {
        let id = held.id;
        for (key, _) in held.taken.drain(..) {
            self.release(id, key);
        }
        held.taken.shrink_to(64);
    }

    /// Lets go of what was taken after the first `keep` locks.
    pub fn release_since(&self, held: &mut HeldLocks, keep: usize) {
        let id = held.id;
        while held.taken.len() > keep {
            if let Some((key, mode)) = held.taken.pop() {
                self.release_mode(id, key, mode);
            }
        }
    }

    /// Lets go of one mode of a lock.
    pub fn release_mode(&self, id: TransactionId, key: LockKey, mode: LockMode) {
        let Some(shard) = self.shard(key) else {
            return;
        };
        if let Slot::Occupied(mut entry) = shard.lock().entry(key) {
            entry.get_mut().forget(id, mode);
            if entry.get_mut().grant_waiters() {
                entry.remove();
            }
        }
    }

    /// Makes lasting what was taken: whoever asks keeps track of it from now on.
    pub fn keep(&self, held: &mut HeldLocks) {
        held.taken.clear();
    }

    fn release(&self, id: TransactionId, key: LockKey) {
        let Some(shard) = self.shard(key) else {
            return;
        };
        if let Slot::Occupied(mut entry) = shard.lock().entry(key)
            && entry.get_mut().release(id)
        {
            entry.remove();
        }
    }
}

fn deadlock() -> SqlError {
    SqlError::new(state::T_R_DEADLOCK_DETECTED, "deadlock detected")
        .hint("Retry the transaction; taking locks in the same order everywhere avoids this.")
}

/// Keeps a waiter known to the deadlock search while it waits, and cleans up
/// when it stops waiting for any reason.
struct Registration<'a> {
    manager: &'a LockManager,
    id: TransactionId,
    key: LockKey,
}

impl<'a> Registration<'a> {
    fn new(manager: &'a LockManager, id: TransactionId, key: LockKey, mode: LockMode) -> Self {
        manager.waiting.lock().insert(id, (key, mode));
        Self { manager, id, key }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.manager.waiting.lock().remove(&self.id);
        let Some(shard) = self.manager.shard(self.key) else {
            return;
        };
        let mut shard = shard.lock();
        if let Some(entry) = shard.get_mut(&self.key) {
            if let Some(crowd) = &mut entry.more {
                crowd
                    .waiters
                    .retain(|w| w.id != self.id || !w.granted.is_closed());
            }
            if entry.grant_waiters() {
                shard.remove(&self.key);
            }
        }
    }
}
