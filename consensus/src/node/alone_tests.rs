//! A node that is alone, over a disk that fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use kimberlite_storage::disk::OpenMode;
use kimberlite_storage::{
    Disk as _, Fault, FormatError, MemDisk, Replica as _, StorageError, TenantId,
};

use super::testing::{TestNode, noise, open, open_with, segments, sets};

const SEGMENT: u64 = 1 << 20;
const SMALL: u64 = 128 << 10;

#[test]
fn what_is_committed_is_there_after_opening_again() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    let first = node.set(tenant, "a", b"1").unwrap();
    let second = node.set(tenant, "a", b"2").unwrap();
    assert!(second.index > first.index && second.timestamp_us > first.timestamp_us);
    let sealed = node.seal(tenant, sets(&[("b", b"3")]), false);
    node.commit(sealed).unwrap();
    assert_eq!(node.value(tenant, "a"), Some(b"2".to_vec()));
    assert_eq!(node.metrics.commits.get(), 4);
    // The first block is the leader's own.
    assert_eq!(node.metrics.fsync_us.snapshot().count(), 5);
    node.node.close().unwrap();
    let again = open(&disk, SEGMENT, 2).unwrap();
    assert_eq!(
        again.recovered.walked, 0,
        "closed in good order: nothing to walk"
    );
    assert_eq!(again.value(tenant, "a"), Some(b"2".to_vec()));
    assert_eq!(again.value(tenant, "b"), Some(b"3".to_vec()));
    again.set(tenant, "c", b"4").unwrap();
    drop(again);
    let third = open(&disk, SEGMENT, 3).unwrap();
    assert_eq!(third.value(tenant, "c"), Some(b"4".to_vec()));
}

#[test]
fn a_projection_that_has_everything_replays_nothing_and_goes_on() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    node.set(tenant, "a", b"1").unwrap();
    let sink = std::sync::Arc::new(node.sink.copy());
    node.node.close().unwrap();
    let again = open_with(&disk, SEGMENT, 2, sink).unwrap();
    assert_eq!(again.sink.transactions(), 1);
    again.set(tenant, "b", b"2").unwrap();
    assert_eq!(again.value(tenant, "b"), Some(b"2".to_vec()));
}

#[test]
fn segments_roll_and_one_barrier_is_one_block() {
    let disk = MemDisk::new();
    let node = open(&disk, SMALL, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    for n in 0..40_u8 {
        node.set(tenant, &format!("k{n}"), &noise(n.into(), 10_000))
            .unwrap();
    }
    let rolled = segments(&disk);
    assert!(rolled.len() > 3, "{rolled:?}");
    drop(node);
    let again = open(&disk, SMALL, 2).unwrap();
    for n in 0..40_u8 {
        let stored = again.value(tenant, &format!("k{n}"));
        assert_eq!(stored, Some(noise(n.into(), 10_000)), "key {n}");
    }
}

#[test]
fn a_full_ident_table_rolls_the_segment_too() {
    let disk = MemDisk::new();
    let node = open(&disk, SMALL, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    for n in 0..150 {
        node.set(tenant, "k", format!("{n}").as_bytes()).unwrap();
    }
    let rolled = segments(&disk);
    assert_eq!(rolled, [1, 65, 129]);
    drop(node);
    assert_eq!(
        open(&disk, SMALL, 2).unwrap().value(tenant, "k"),
        Some(b"149".to_vec())
    );
}

#[test]
fn a_large_transaction_spans_blocks_and_counts_only_whole() {
    let disk = MemDisk::new();
    let node = open(&disk, 8 << 20, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    let other = node.new_tenant().unwrap();
    let value = noise(3, 400_000);
    let parts: Vec<_> = (0..9)
        .map(|n| sets(&[(["x", "y"][n % 2], &value[n..])]))
        .collect();
    let sealed = node.seal_parts(tenant, &parts);
    let waiting = node.submit(sealed);
    let between = node.submit(node.seal(other, sets(&[("z", b"1")]), true));
    let large = waiting.recv().unwrap().unwrap();
    between.recv().unwrap().unwrap();
    assert!(large.index >= 5, "{large:?}");
    assert_eq!(node.value(tenant, "x"), Some(value[8..].to_vec()));
    assert_eq!(node.value(tenant, "y"), Some(value[7..].to_vec()));
    // The close alone is replayed: the parts are found by looking back.
    let sink = node.sink.copy();
    drop(node);
    let again = open_with(&disk, 8 << 20, 2, std::sync::Arc::new(sink)).unwrap();
    let waiting = again.commit(again.seal_parts(tenant, &parts[..4])).unwrap();
    assert!(waiting.index > large.index);
    assert_eq!(again.value(tenant, "x"), Some(value[2..].to_vec()));
    drop(again);
    let rebuilt = open(&disk, 8 << 20, 3).unwrap();
    assert_eq!(rebuilt.value(tenant, "x"), Some(value[2..].to_vec()));
    assert_eq!(rebuilt.value(tenant, "y"), Some(value[3..].to_vec()));
}

#[test]
fn many_sessions_share_blocks() {
    let disk = MemDisk::new();
    let node = open(&disk, 8 << 20, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    std::thread::scope(|scope| {
        for session in 0..8 {
            let node = &node;
            scope.spawn(move || {
                for n in 0..50 {
                    node.set(tenant, &format!("{session}/{n}"), b"v").unwrap();
                }
            });
        }
    });
    assert_eq!(node.metrics.commits.get(), 401);
    assert_eq!(node.sink.rows().len(), 400);
    assert!(node.metrics.blocks.get() <= 401);
}

#[test]
fn a_failed_barrier_closes_the_log_for_good() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    node.set(tenant, "a", b"1").unwrap();
    disk.inject(Fault::FailSync(disk.syncs() + 1));
    let error = node.set(tenant, "a", b"2").unwrap_err();
    assert!(matches!(error, StorageError::Closed(_)), "{error}");
    let later = node.set(tenant, "a", b"3").unwrap_err();
    assert!(matches!(later, StorageError::Closed(_)), "{later}");
    assert_eq!(node.fatal.load(Ordering::SeqCst), 1);
    assert!(node.node.close().is_err());
    drop(node);
    let again = open(&disk.crash(4), SEGMENT, 2).unwrap();
    let value = again.value(tenant, "a").unwrap();
    assert!(value == b"1" || value == b"2", "{value:?}");
}

#[test]
fn a_failed_write_closes_the_log_for_good() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    disk.inject(Fault::FailWrite(disk.writes() + 1));
    assert!(matches!(
        node.set(tenant, "a", b"2"),
        Err(StorageError::Closed(_))
    ));
    assert!(matches!(
        node.set(tenant, "a", b"2"),
        Err(StorageError::Closed(_))
    ));
    assert_eq!(node.fatal.load(Ordering::SeqCst), 1);
}

#[test]
fn a_full_disk_refuses_cleanly_and_recovers_when_there_is_room() {
    let disk = MemDisk::new();
    let node = open(&disk, SMALL, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    disk.set_free_bytes(Some(0));
    let mut acknowledged = BTreeMap::new();
    let mut refused = 0;
    for n in 0..30_u8 {
        let (key, value) = (format!("k{n}"), noise(n.into(), 9_000));
        match node.set(tenant, &key, &value) {
            Ok(_) => assert!(acknowledged.insert(key, value).is_none() && refused == 0),
            Err(StorageError::Full { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && acknowledged.len() > 5);
    assert_eq!(node.fatal.load(Ordering::SeqCst), 0);
    disk.set_free_bytes(None);
    node.set(tenant, "after", b"1").unwrap();
    disk.set_free_bytes(Some(0));
    drop(node);
    disk.set_free_bytes(None);
    let again = open(&disk, SMALL, 2).unwrap();
    assert_eq!(again.value(tenant, "after"), Some(b"1".to_vec()));
    for (key, value) in acknowledged {
        assert_eq!(again.value(tenant, &key), Some(value));
    }
}

#[test]
fn a_disk_that_fills_inside_a_large_transaction_leaves_dead_parts_only() {
    let disk = MemDisk::new();
    let segment = 4 << 20;
    let node = open(&disk, segment, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    disk.set_free_bytes(Some(0));
    let value = noise(3, 700_000);
    let parts: Vec<_> = (0..9).map(|_| sets(&[("x", &value)])).collect();
    let error = node.commit(node.seal_parts(tenant, &parts)).unwrap_err();
    assert!(matches!(error, StorageError::Full { .. }), "{error}");
    assert_eq!(node.value(tenant, "x"), None);
    disk.set_free_bytes(None);
    // The dead parts lie directly before these in the tenant's chain.
    node.commit(node.seal_parts(tenant, &[sets(&[("y", b"1")])]))
        .unwrap();
    drop(node);
    let again = open(&disk, segment, 2).unwrap();
    assert_eq!(again.value(tenant, "x"), None);
    assert_eq!(again.value(tenant, "y"), Some(b"1".to_vec()));
}

#[test]
fn malformed_transactions_are_refused() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    let mut foreign = node.seal(tenant, sets(&[("a", b"1")]), true);
    foreign.tenant = TenantId([3; 16]);
    let mut empty = node.seal(tenant, sets(&[("a", b"1")]), true);
    empty.events.clear();
    for bad in [foreign, empty] {
        let error = node.commit(bad).unwrap_err();
        assert!(
            matches!(error, StorageError::Format(FormatError::Field { .. })),
            "{error}"
        );
    }
    let huge = node.seal(tenant, sets(&[("a", &noise(1, 2 << 20))]), true);
    let error = node.commit(huge).unwrap_err();
    assert!(matches!(error, StorageError::TooLarge { .. }), "{error}");
    node.set(tenant, "a", b"1").unwrap();
}

#[test]
fn after_closing_everything_is_refused() {
    let disk = MemDisk::new();
    let node = open(&disk, SEGMENT, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    node.node.close().unwrap();
    assert!(matches!(
        node.set(tenant, "a", b"1"),
        Err(StorageError::Closed(_))
    ));
    node.node.close().unwrap();
}

/// What one run of the workload was told.
struct Told {
    tenant: Option<TenantId>,
    acknowledged: u64,
    attempted: u64,
}

/// Transaction n sets "last" to n and two keys to the same noise; some are large.
fn workload(node: &TestNode) -> Told {
    let mut told = Told {
        tenant: node.new_tenant().ok(),
        acknowledged: 0,
        attempted: 0,
    };
    let Some(tenant) = told.tenant else {
        return told;
    };
    for n in 1..=12_u64 {
        told.attempted = n;
        let bytes = noise(n, 300 * n as usize);
        let last = n.to_le_bytes();
        let all = sets(&[("last", &last), ("left", &bytes), ("right", &bytes)]);
        let sealed = if n % 4 == 0 {
            node.seal_parts(
                tenant,
                &[
                    sets(&[("last", &last), ("left", &bytes)]),
                    sets(&[("right", &bytes)]),
                ],
            )
        } else {
            node.seal(tenant, all, n % 2 == 0)
        };
        match node.commit(sealed) {
            Ok(_) => told.acknowledged = n,
            Err(_) => break,
        }
    }
    told
}

/// Operations of a disk until the workload is done and closed.
fn operations_of_workload() -> u64 {
    let disk = MemDisk::new();
    let node = open(&disk, SMALL, 1).unwrap();
    workload(&node);
    drop(node);
    let count = disk.operations();
    assert!(count > 50, "{count}");
    count
}

fn check_survivor(node: &TestNode, told: &Told, what: &str) {
    let Some(tenant) = told.tenant else { return };
    let last = node
        .value(tenant, "last")
        .map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()));
    assert!(
        last >= told.acknowledged,
        "{what}: {last} survived, {} told",
        told.acknowledged
    );
    assert!(last <= told.attempted, "{what}: {last} was never attempted");
    let expected = (last > 0).then(|| noise(last, 300 * last as usize));
    assert_eq!(node.value(tenant, "left"), expected, "{what}: half applied");
    assert_eq!(
        node.value(tenant, "right"),
        expected,
        "{what}: half applied"
    );
}

#[test]
fn a_crash_at_every_operation_loses_nothing_and_halves_nothing() {
    let count = operations_of_workload();
    let mut torn = 0;
    for at in 1..=count {
        for seed in 0..4 {
            let disk = MemDisk::new();
            disk.inject(Fault::CrashAt(at));
            let told = match open(&disk, SMALL, 1) {
                Ok(node) => workload(&node),
                Err(_) => Told {
                    tenant: None,
                    acknowledged: 0,
                    attempted: 0,
                },
            };
            let what = format!("crash at operation {at}, seed {seed}");
            let after = disk.crash(seed ^ at << 8);
            let node = open(&after, SMALL, 2).unwrap_or_else(|e| panic!("{what}: {e}"));
            check_survivor(&node, &told, &what);
            torn += node.recovered.notes.len();
            // It goes on working, and a second opening finds the same.
            let tenant = node.new_tenant().unwrap();
            node.set(tenant, "new", b"1").unwrap();
            drop(node);
            let again = open(&after, SMALL, 3).unwrap_or_else(|e| panic!("{what}, again: {e}"));
            check_survivor(&again, &told, &what);
            assert_eq!(again.value(tenant, "new"), Some(b"1".to_vec()), "{what}");
        }
    }
    assert!(
        torn > 20,
        "the crashes should have torn more than {torn} blocks"
    );
}

#[test]
fn a_crash_while_recovering_from_a_crash_is_no_worse() {
    for at in 60..120_u64 {
        let disk = MemDisk::new();
        disk.inject(Fault::CrashAt(at));
        let Ok(node) = open(&disk, SMALL, 1) else {
            continue;
        };
        let told = workload(&node);
        drop(node);
        let mut disk = disk.crash(at);
        for again in 0..6 {
            disk.inject(Fault::CrashAt(disk.operations() + 1 + again));
            let _ = open(&disk, SMALL, 2).map(drop);
            disk = disk.crash(at * 31 + again);
        }
        let node = open(&disk, SMALL, 2).unwrap_or_else(|e| panic!("crash at {at}: {e}"));
        check_survivor(
            &node,
            &told,
            &format!("crash at {at}, then six while opening"),
        );
    }
}

/// Opens a log whose last process was killed or could not flush, cuts the power
/// soon after, and opens it once more: what the opening in between showed to
/// anybody must still be there.
fn check_killed_then_cut(killed: &MemDisk, told: &Told, cut_at: u64, seed: u64, what: &str) {
    killed.inject(Fault::CrashAt(killed.operations() + cut_at));
    let mut shown = Told { ..*told };
    let mut more = None;
    if let Ok(node) = open(killed, SMALL, 2) {
        check_survivor(&node, told, what);
        shown.acknowledged = last(&node, told);
        more = told
            .tenant
            .filter(|tenant| node.set(*tenant, "new", b"1").is_ok());
    }
    let after = killed.crash(seed);
    let node = open(&after, SMALL, 3).unwrap_or_else(|e| panic!("{what}: {e}"));
    check_survivor(&node, &shown, what);
    if let Some(tenant) = more {
        assert_eq!(node.value(tenant, "new"), Some(b"1".to_vec()), "{what}");
    }
}

fn last(node: &TestNode, told: &Told) -> u64 {
    let stored = told.tenant.and_then(|tenant| node.value(tenant, "last"));
    stored.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

/// The workload on a disk with this fault, and the disk as a kill leaves it.
fn killed_at(fault: Fault) -> (MemDisk, Told) {
    let disk = MemDisk::new();
    disk.inject(fault);
    let told = open(&disk, SMALL, 1).map_or(
        Told {
            tenant: None,
            acknowledged: 0,
            attempted: 0,
        },
        |node| workload(&node),
    );
    (disk.killed(), told)
}

#[test]
fn a_block_that_a_kill_left_unflushed_is_durable_before_it_counts() {
    for at in 1..=operations_of_workload() {
        for seed in 0..6 {
            let (disk, told) = killed_at(Fault::CrashAt(at));
            let cut_at = 1 + (at * 7 + seed * 5) % 24;
            let what = format!("killed at {at}, power cut {cut_at} later, seed {seed}");
            check_killed_then_cut(&disk, &told, cut_at, seed ^ at << 8, &what);
        }
    }
}

#[test]
fn a_block_whose_flush_failed_is_durable_before_it_counts() {
    let disk = MemDisk::new();
    workload(&open(&disk, SMALL, 1).unwrap());
    for at in 1..=disk.syncs() {
        for cut_at in 1..24 {
            for seed in 0..4 {
                let (disk, told) = killed_at(Fault::FailSync(at));
                let what = format!("flush {at} failed, power cut {cut_at} later, seed {seed}");
                check_killed_then_cut(&disk, &told, cut_at, seed * 31 + cut_at, &what);
            }
        }
    }
}

#[test]
fn a_flush_that_fails_again_and_again_is_no_worse() {
    for at in 1..40 {
        for seed in 0..8 {
            let (mut disk, told) = killed_at(Fault::FailSync(at));
            for again in 0..4 {
                disk.inject(Fault::FailSync(disk.syncs() + 1 + (seed + again) % 4));
                let _ = open(&disk, SMALL, 2).map(drop);
                disk = disk.killed();
            }
            let what = format!("flush {at} failed, then four of openings, seed {seed}");
            check_killed_then_cut(&disk, &told, 1 + seed * 3, seed, &what);
        }
    }
}

#[test]
fn the_name_of_a_segment_that_a_kill_left_unflushed_is_durable_before_it_counts() {
    for kept in 0..12 {
        let disk = MemDisk::new();
        let node = open(&disk, SMALL, 1).unwrap();
        let tenant = node.new_tenant().unwrap();
        // Making a segment ends with its name, the sixth operation, and the
        // barrier over that. Other commits take three.
        for n in 0.. {
            disk.clear_faults();
            disk.inject(Fault::CrashAt(disk.operations() + 6));
            let value = noise(n, 9_000);
            if node.set(tenant, &format!("k{n}"), &value).is_err() {
                break;
            }
        }
        drop(node);
        let killed = disk.killed();
        assert_eq!(segments(&killed).len(), 2);
        let node = open(&killed, SMALL, 2).unwrap();
        node.set(tenant, "new", b"1").unwrap();
        let again = open(&killed.crash(kept), SMALL, 3).unwrap();
        assert_eq!(again.value(tenant, "new"), Some(b"1".to_vec()), "{kept}");
    }
}

#[test]
fn a_segment_that_cannot_be_made_closes_the_log_for_good() {
    let disk = MemDisk::new();
    let node = open(&disk, SMALL, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    disk.create_dir(std::path::Path::new("/data/tmp")).unwrap();
    // The name that the next segment is made under is taken.
    let taken = std::path::Path::new("/data/tmp/segment-3.new");
    disk.open(taken, OpenMode::CreateNew).unwrap();
    let mut stored = 0;
    let error = loop {
        match node.set(tenant, &format!("k{stored}"), &noise(stored, 9_000)) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(stored > 5, "{stored}");
    let text = error.to_string();
    assert!(matches!(error, StorageError::Closed(_)), "{text}");
    assert!(text.contains("prepare a segment"), "{text}");
    assert_eq!(node.fatal.load(Ordering::SeqCst), 1);
    let later = node.set(tenant, "later", b"1").unwrap_err();
    assert!(matches!(later, StorageError::Closed(_)), "{later}");
    drop(node);
    let again = open(&disk, SMALL, 2).unwrap();
    // The one that failed is durable: only the room after it was not to be had.
    assert_eq!(again.sink.rows().len() as u64, stored + 1);
}
