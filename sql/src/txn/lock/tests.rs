//! Tests of the lock manager.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use std::sync::Arc;

use kimberlite_storage::TenantId;

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
    ".......#", "......##", "....####", "...#####", "..##.###", "..######", ".#######", "########",
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
            let policy = WaitPolicy::Wait(Patience::default());
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
    let brief = WaitPolicy::Wait(Patience {
        limit: Some(Duration::from_millis(1)),
        ..Patience::default()
    });
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
        .acquire(
            &mut b,
            row(b"k"),
            mode,
            WaitPolicy::Wait(Patience::default()),
            &cancel,
        )
        .await
        .unwrap_err();
    assert_eq!(cancelled.sqlstate(), "57014");
}

#[test]
fn a_deadlock_has_one_victim() {
    let manager = LockManager::default();
    let (mut a, mut b) = (manager.begin(), manager.begin());
    let mode = LockMode::RowUpdate;
    assert!(manager.try_acquire(&mut a, row(b"1"), mode));
    assert!(manager.try_acquire(&mut b, row(b"2"), mode));
    let _a_waits = manager.enqueue(&mut a, row(b"2"), mode).unwrap();
    let _b_waits = manager.enqueue(&mut b, row(b"1"), mode).unwrap();
    let _of_a = Registration::new(&manager, a.id, row(b"2"), mode);
    let _of_b = Registration::new(&manager, b.id, row(b"1"), mode);
    assert!(manager.is_deadlocked(a.id));
    // Before the first has let go of anything.
    assert!(!manager.is_deadlocked(b.id));
}
