//! Row and table locks, held until the transaction ends.
//!
//! Modes and conflicts are PostgreSQL's (manual, "Explicit Locking"). A lock is
//! named by a 64-bit hash: two different rows whose hashes meet only wait for
//! each other needlessly, which keeps a million row locks small.
//!
//! Deadlocks are looked for when a wait has lasted [`DEADLOCK_DELAY`]; the
//! transaction that finds itself in a cycle is the victim.

mod entry;
mod mode;
mod name;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
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

/// How long a wait lasts before deadlocks are looked for (PostgreSQL's
/// `deadlock_timeout`).
const DEADLOCK_DELAY: Duration = Duration::from_secs(1);

/// Independent parts of the lock table, so that sessions rarely meet.
const SHARDS: usize = 64;

/// A running transaction, unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

/// What to do when a lock is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Wait; with a bound when `lock_timeout` is set.
    Wait(Option<Duration>),
    /// Fail with 55P03.
    NoWait,
}

/// The locks of one transaction.
#[derive(Debug)]
pub struct HeldLocks {
    id: TransactionId,
    keys: Vec<LockKey>,
}

impl HeldLocks {
    /// The transaction that holds them.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// How many locks are held.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
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
}

impl Default for LockManager {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            next_id: AtomicU64::new(1),
            waiting: Mutex::default(),
        }
    }
}

impl LockManager {
    /// The locks of a new transaction: none yet.
    pub fn begin(&self) -> HeldLocks {
        HeldLocks {
            id: TransactionId(self.next_id.fetch_add(1, Ordering::Relaxed)),
            keys: Vec::new(),
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
                held.keys.push(key);
                return true;
            }
            Slot::Occupied(entry) => entry.into_mut(),
        };
        let mine = entry.held_by(held.id);
        if mine & mode.bit() != 0 {
            return true;
        }
        let blocked = entry.conflicts(held.id, mode)
            // Somebody who already holds the lock may strengthen it past the queue.
            || (mine == 0 && entry.queue_blocks(held.id, mode));
        if blocked {
            return false;
        }
        entry.grant(held.id, mode);
        if mine == 0 {
            held.keys.push(key);
        }
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
        let timeout = match policy {
            WaitPolicy::NoWait => {
                return Err(SqlError::new(
                    state::LOCK_NOT_AVAILABLE,
                    "could not obtain lock",
                ));
            }
            WaitPolicy::Wait(timeout) => timeout,
        };
        let Some(granted) = self.enqueue(held, key, mode) else {
            return Ok(true);
        };
        // Listed before the wait: if the wait is dropped in the instant of the
        // grant, the lock is still let go with the others.
        held.keys.push(key);
        let _registered = Registration::new(self, held.id, key, mode);
        self.wait(granted, held.id, timeout, cancel).await?;
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
        let mine = entry.held_by(held.id) != 0;
        let crowd = entry.more.get_or_insert_default();
        if mine {
            crowd.waiters.push_front(waiter);
        } else {
            crowd.waiters.push_back(waiter);
        }
        // The holder may have left between the first try and now.
        entry.grant_waiters();
        Some(receiver)
    }

    async fn wait(
        &self,
        mut granted: oneshot::Receiver<()>,
        id: TransactionId,
        timeout: Option<Duration>,
        cancel: &Cancellation,
    ) -> Result<(), SqlError> {
        let limit = async {
            match timeout {
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
                () = tokio::time::sleep(DEADLOCK_DELAY) => {
                    if self.in_cycle(id) {
                        return Err(SqlError::new(state::T_R_DEADLOCK_DETECTED, "deadlock detected")
                            .hint("Retry the transaction; taking locks in the same order everywhere avoids this."));
                    }
                }
            }
        }
    }

    /// Whether `start` waits, through others, for itself.
    fn in_cycle(&self, start: TransactionId) -> bool {
        let waiting = self.waiting.lock().clone();
        let mut seen = HashSet::new();
        let mut todo = vec![start];
        while let Some(id) = todo.pop() {
            let Some(&(key, mode)) = waiting.get(&id) else {
                continue;
            };
            for blocker in self.blockers(id, key, mode) {
                if blocker == start {
                    return true;
                }
                if seen.insert(blocker) {
                    todo.push(blocker);
                }
            }
        }
        false
    }

    /// The transactions that keep `id` from `key`: holders, and earlier waiters.
    fn blockers(&self, id: TransactionId, key: LockKey, mode: LockMode) -> Vec<TransactionId> {
        let Some(shard) = self.shard(key) else {
            return Vec::new();
        };
        let shard = shard.lock();
        let Some(entry) = shard.get(&key) else {
            return Vec::new();
        };
        let mut blockers: Vec<_> = entry
            .holders()
            .filter(|(holder, mask)| *holder != id && mask & mode.conflicts() != 0)
            .map(|(holder, _)| holder)
            .collect();
        if let Some(crowd) = &entry.more {
            blockers.extend(
                crowd
                    .waiters
                    .iter()
                    .take_while(|w| w.id != id)
                    .filter(|w| w.mode.bit() & mode.conflicts() != 0)
                    .map(|w| w.id),
            );
        }
        blockers
    }

    /// Lets go of the locks that were taken since `held` had `count` of them. A
    /// lock that was only strengthened stays.
    pub fn release_since(&self, held: &mut HeldLocks, count: usize) {
        let id = held.id;
        let newer = held.keys.split_off(count.min(held.keys.len()));
        for key in newer {
            if held.keys.contains(&key) {
                continue;
            }
            self.release(id, key);
        }
    }

    /// Lets go of everything a transaction holds.
    pub fn release_all(&self, held: &mut HeldLocks) {
        let id = held.id;
        for key in held.keys.drain(..) {
            self.release(id, key);
        }
        held.keys.shrink_to(64);
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
