//! Row and table locks, held until the transaction ends.
//!
//! Modes and conflicts are PostgreSQL's (manual, "Explicit Locking"). A lock is
//! named by a 64-bit hash: two different rows whose hashes meet only wait for
//! each other needlessly, which keeps a million row locks small.
//!
//! Deadlocks are looked for when a wait has lasted [`DEADLOCK_DELAY`]; the
//! transaction that finds itself in a cycle is the victim.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kimberlite_storage::TenantId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::cancel::Cancellation;
use crate::error::{SqlError, state};

/// How long a wait lasts before deadlocks are looked for (PostgreSQL's
/// `deadlock_timeout`).
const DEADLOCK_DELAY: Duration = Duration::from_secs(1);

/// Independent parts of the lock table, so that sessions rarely meet.
const SHARDS: usize = 64;

/// A running transaction, unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

/// Lock modes of tables and of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LockMode {
    /// Table: SELECT.
    AccessShare = 0,
    /// Table: SELECT FOR UPDATE and its kin.
    RowShare = 1,
    /// Table: INSERT, UPDATE, DELETE, COPY FROM.
    RowExclusive = 2,
    /// Table: maintenance that runs beside writes.
    ShareUpdateExclusive = 3,
    /// Table: CREATE INDEX.
    Share = 4,
    /// Table: one session at a time, readers allowed.
    ShareRowExclusive = 5,
    /// Table: readers only.
    Exclusive = 6,
    /// Table: nobody else at all; DDL, TRUNCATE.
    AccessExclusive = 7,
    /// Row: FOR KEY SHARE.
    RowKeyShare = 8,
    /// Row: FOR SHARE.
    RowShareLock = 9,
    /// Row: FOR NO KEY UPDATE, UPDATE of other columns than the key.
    RowNoKeyUpdate = 10,
    /// Row: FOR UPDATE, DELETE, key changes, and new rows.
    RowUpdate = 11,
}

impl LockMode {
    const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The modes that cannot be held by another transaction at the same time.
    const fn conflicts(self) -> u16 {
        use LockMode::{
            AccessExclusive, AccessShare, Exclusive, RowExclusive, RowKeyShare, RowNoKeyUpdate,
            RowShare, RowShareLock, RowUpdate, Share, ShareRowExclusive, ShareUpdateExclusive,
        };
        let writers = ShareRowExclusive.bit() | Exclusive.bit() | AccessExclusive.bit();
        match self {
            AccessShare => AccessExclusive.bit(),
            RowShare => Exclusive.bit() | AccessExclusive.bit(),
            RowExclusive => Share.bit() | writers,
            ShareUpdateExclusive => ShareUpdateExclusive.bit() | Share.bit() | writers,
            Share => RowExclusive.bit() | ShareUpdateExclusive.bit() | writers,
            ShareRowExclusive => {
                RowExclusive.bit() | ShareUpdateExclusive.bit() | Share.bit() | writers
            }
            Exclusive => {
                RowShare.bit()
                    | RowExclusive.bit()
                    | ShareUpdateExclusive.bit()
                    | Share.bit()
                    | writers
            }
            AccessExclusive => 0xff,
            RowKeyShare => RowUpdate.bit(),
            RowShareLock => RowNoKeyUpdate.bit() | RowUpdate.bit(),
            RowNoKeyUpdate => RowShareLock.bit() | RowNoKeyUpdate.bit() | RowUpdate.bit(),
            RowUpdate => {
                RowKeyShare.bit() | RowShareLock.bit() | RowNoKeyUpdate.bit() | RowUpdate.bit()
            }
        }
    }
}

/// The name of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockKey(u64);

impl LockKey {
    /// The lock of a row, or of a unique key, by physical key.
    pub fn row(tenant: TenantId, stream: u64, key: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        (b'r', tenant.0, stream, key).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The lock of a table.
    pub fn table(tenant: TenantId, oid: u32) -> Self {
        let mut hasher = DefaultHasher::new();
        (b't', tenant.0, oid).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The lock that serialises DDL of a tenant.
    pub fn catalog(tenant: TenantId) -> Self {
        let mut hasher = DefaultHasher::new();
        (b'c', tenant.0).hash(&mut hasher);
        Self(hasher.finish())
    }
}

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

#[derive(Debug)]
struct Waiter {
    id: TransactionId,
    mode: LockMode,
    granted: oneshot::Sender<()>,
}

/// A lock: usually one holder and nobody waiting.
#[derive(Debug)]
struct Entry {
    first: (TransactionId, u16),
    more: Option<Box<Crowd>>,
}

#[derive(Debug, Default)]
struct Crowd {
    holders: Vec<(TransactionId, u16)>,
    waiters: VecDeque<Waiter>,
}

impl Entry {
    fn holders(&self) -> impl Iterator<Item = (TransactionId, u16)> + '_ {
        std::iter::once(self.first)
            .chain(self.more.iter().flat_map(|m| m.holders.iter().copied()))
            .filter(|(_, mask)| *mask != 0)
    }

    fn held_by(&self, id: TransactionId) -> u16 {
        self.holders()
            .find(|(holder, _)| *holder == id)
            .map_or(0, |(_, mask)| mask)
    }

    fn conflicts(&self, id: TransactionId, mode: LockMode) -> bool {
        self.holders()
            .any(|(holder, mask)| holder != id && mask & mode.conflicts() != 0)
    }

    /// Whether somebody who came first waits for a mode that conflicts.
    fn queue_blocks(&self, id: TransactionId, mode: LockMode) -> bool {
        self.more.as_ref().is_some_and(|m| {
            m.waiters
                .iter()
                .any(|w| w.id != id && w.mode.bit() & mode.conflicts() != 0)
        })
    }

    fn grant(&mut self, id: TransactionId, mode: LockMode) {
        if self.first.1 == 0 || self.first.0 == id {
            let mask = if self.first.0 == id { self.first.1 } else { 0 };
            self.first = (id, mask | mode.bit());
            return;
        }
        let crowd = self.more.get_or_insert_default();
        match crowd.holders.iter_mut().find(|(holder, _)| *holder == id) {
            Some((_, mask)) => *mask |= mode.bit(),
            None => crowd.holders.push((id, mode.bit())),
        }
    }

    /// Removes a holder and grants what can now be granted. Returns whether the
    /// entry is unused.
    fn release(&mut self, id: TransactionId) -> bool {
        if self.first.0 == id {
            self.first.1 = 0;
        }
        if let Some(crowd) = &mut self.more {
            crowd.holders.retain(|(holder, _)| *holder != id);
            if self.first.1 == 0
                && let Some(next) = crowd.holders.pop()
            {
                self.first = next;
            }
        }
        self.grant_waiters()
    }

    fn grant_waiters(&mut self) -> bool {
        while let Some(crowd) = &mut self.more {
            let Some(waiter) = crowd.waiters.pop_front() else {
                break;
            };
            if waiter.granted.is_closed() {
                continue;
            }
            if self.conflicts(waiter.id, waiter.mode) {
                self.more.get_or_insert_default().waiters.push_front(waiter);
                break;
            }
            self.grant(waiter.id, waiter.mode);
            if waiter.granted.send(()).is_err() {
                // The waiter gave up in this instant: it holds nothing.
                self.forget(waiter.id, waiter.mode);
            }
        }
        if self
            .more
            .as_ref()
            .is_some_and(|m| m.holders.is_empty() && m.waiters.is_empty())
        {
            self.more = None;
        }
        self.first.1 == 0 && self.more.is_none()
    }

    fn forget(&mut self, id: TransactionId, mode: LockMode) {
        if self.first.0 == id {
            self.first.1 &= !mode.bit();
        }
        if let Some(crowd) = &mut self.more {
            for (holder, mask) in &mut crowd.holders {
                if *holder == id {
                    *mask &= !mode.bit();
                }
            }
            crowd.holders.retain(|(_, mask)| *mask != 0);
        }
    }
}

/// A lock's name is a hash already and is not hashed again.
#[derive(Debug, Default)]
struct NameIsHash(u64);

impl Hasher for NameIsHash {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, name: u64) {
        self.0 = name;
    }

    fn finish(&self) -> u64 {
        self.0
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use std::sync::Arc;

    use super::*;

    const TENANT: TenantId = TenantId([1; 16]);

    const TABLE_MODES: [LockMode; 8] = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ];

    const ROW_MODES: [LockMode; 4] = [
        LockMode::RowKeyShare,
        LockMode::RowShareLock,
        LockMode::RowNoKeyUpdate,
        LockMode::RowUpdate,
    ];

    /// PostgreSQL 15 manual, tables 13.2 and 13.3; # marks a conflict.
    const TABLE_CONFLICTS: [&str; 8] = [
        ".......#", "......##", "....####", "...#####", "..##.###", "..######", ".#######",
        "########",
    ];
    const ROW_CONFLICTS: [&str; 4] = ["...#", "..##", ".###", "####"];

    #[test]
    fn conflicts_are_postgresqls() {
        let check = |modes: &[LockMode], table: &[&str]| {
            for (a, row) in modes.iter().zip(table) {
                for (b, cell) in modes.iter().zip(row.chars()) {
                    assert_eq!(a.conflicts() & b.bit() != 0, cell == '#', "{a:?} {b:?}");
                }
            }
        };
        check(&TABLE_MODES, &TABLE_CONFLICTS);
        check(&ROW_MODES, &ROW_CONFLICTS);
    }

    fn row(key: &[u8]) -> LockKey {
        LockKey::row(TENANT, 1, key)
    }

    #[test]
    fn locks_are_held_until_released() {
        let manager = LockManager::default();
        let (mut a, mut b) = (manager.begin(), manager.begin());
        assert!(manager.try_acquire(&mut a, row(b"k"), LockMode::RowUpdate));
        assert!(manager.try_acquire(&mut a, row(b"k"), LockMode::RowKeyShare));
        assert!(!manager.try_acquire(&mut b, row(b"k"), LockMode::RowKeyShare));
        assert!(manager.try_acquire(&mut b, row(b"other"), LockMode::RowUpdate));
        manager.release_all(&mut a);
        assert!(manager.try_acquire(&mut b, row(b"k"), LockMode::RowUpdate));
        manager.release_all(&mut b);
        assert!(manager.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[tokio::test]
    async fn waiters_are_served_in_order_and_leave_nothing_behind() {
        let manager = Arc::new(LockManager::default());
        let mut holder = manager.begin();
        assert!(manager.try_acquire(&mut holder, row(b"k"), LockMode::RowUpdate));
        let mut waiters = Vec::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..4 {
            let (task_manager, order) = (manager.clone(), order.clone());
            waiters.push(tokio::spawn(async move {
                let mut held = task_manager.begin();
                let cancel = Cancellation::default();
                let policy = WaitPolicy::Wait(None);
                let waited = task_manager
                    .acquire(&mut held, row(b"k"), LockMode::RowUpdate, policy, &cancel)
                    .await
                    .unwrap();
                order.lock().push((n, waited));
                task_manager.release_all(&mut held);
            }));
            // The next one queues only when this one is in the queue.
            while manager.waiting.lock().len() < n + 1 {
                tokio::task::yield_now().await;
            }
        }
        manager.release_all(&mut holder);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock(), [(0, true), (1, true), (2, true), (3, true)]);
        assert!(manager.shards.iter().all(|shard| shard.lock().is_empty()));
        assert!(manager.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_does_not_block_others() {
        let manager = LockManager::default();
        let (mut a, mut b, mut c) = (manager.begin(), manager.begin(), manager.begin());
        assert!(manager.try_acquire(&mut a, row(b"k"), LockMode::RowShareLock));
        let cancel = Cancellation::default();
        let brief = WaitPolicy::Wait(Some(Duration::from_millis(1)));
        let error = manager
            .acquire(&mut b, row(b"k"), LockMode::RowUpdate, brief, &cancel)
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), "55P03");
        assert!(manager.try_acquire(&mut c, row(b"k"), LockMode::RowShareLock));
        for held in [&mut a, &mut b, &mut c] {
            manager.release_all(held);
        }
        assert!(manager.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[tokio::test]
    async fn nowait_and_cancel_say_why() {
        let manager = LockManager::default();
        let (mut a, mut b) = (manager.begin(), manager.begin());
        assert!(manager.try_acquire(&mut a, row(b"k"), LockMode::RowUpdate));
        let cancel = Cancellation::default();
        let mode = LockMode::RowUpdate;
        let refused = manager
            .acquire(&mut b, row(b"k"), mode, WaitPolicy::NoWait, &cancel)
            .await
            .unwrap_err();
        assert_eq!(refused.sqlstate(), "55P03");
        cancel.cancel(crate::cancel::CancelReason::User);
        let cancelled = manager
            .acquire(&mut b, row(b"k"), mode, WaitPolicy::Wait(None), &cancel)
            .await
            .unwrap_err();
        assert_eq!(cancelled.sqlstate(), "57014");
    }
}
