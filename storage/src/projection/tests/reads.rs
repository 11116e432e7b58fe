//! Snapshots and scans.

use std::sync::atomic::{AtomicBool, Ordering};

use super::fixture::*;
use crate::projection::{Projection, ScanOptions, Snapshot, prefix_end};
use crate::txn::Space;

const FORWARD: ScanOptions = ScanOptions {
    reverse: false,
    fill_cache: true,
    readahead: 0,
};
const BACKWARD: ScanOptions = ScanOptions {
    reverse: true,
    fill_cache: false,
    readahead: 64 << 10,
};

/// Keys `00` to `99` of stream 1, with neighbours on both sides.
fn hundred() -> (tempfile::TempDir, Projection) {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    let numbered = (0..100)
        .map(|n| insert(format!("{n:02}"), format!("value {n}")))
        .collect();
    let streams = vec![
        stream(Space::Rows, 0, vec![insert("zz", "before")]),
        stream(Space::Rows, 1, numbered),
        stream(Space::Rows, 2, vec![insert("00", "after")]),
    ];
    projection.apply(&log.one(ALICE, txn(streams))).unwrap();
    projection.publish().unwrap();
    (dir, projection)
}

fn scanned(snapshot: &Snapshot, start: &[u8], end: &[u8], options: ScanOptions) -> Vec<String> {
    let mut scan = snapshot.scan(Space::Rows, start, end, options);
    let mut found = Vec::new();
    while let Some((key, stored)) = scan.next().unwrap() {
        let key = String::from_utf8_lossy(key.get(24..).unwrap()).into_owned();
        found.push(format!(
            "{key}={}",
            String::from_utf8_lossy(stored.get(8..).unwrap())
        ));
    }
    assert!(scan.next().unwrap().is_none(), "ended stays ended");
    found
}

fn numbers(range: impl Iterator<Item = u32>) -> Vec<String> {
    range.map(|n| format!("{n:02}=value {n}")).collect()
}

#[test]
fn scans_keep_to_their_range_in_both_directions() {
    let (_dir, projection) = hundred();
    for flushed in [false, true] {
        if flushed {
            projection.flush().unwrap();
        }
        let snapshot = projection.snapshot();
        let (from, to) = (physical(ALICE, 1, "10"), physical(ALICE, 1, "20"));
        assert_eq!(scanned(&snapshot, &from, &to, FORWARD), numbers(10..20));
        assert_eq!(
            scanned(&snapshot, &from, &to, BACKWARD),
            numbers((10..20).rev())
        );
        let prefix = physical(ALICE, 1, "");
        let end = prefix_end(&prefix);
        assert_eq!(scanned(&snapshot, &prefix, &end, FORWARD), numbers(0..100));
        assert_eq!(
            scanned(&snapshot, &prefix, &end, BACKWARD),
            numbers((0..100).rev())
        );
        assert_eq!(
            scanned(&snapshot, &to, &from, FORWARD),
            Vec::<String>::new()
        );
        assert_eq!(scanned(&snapshot, &[], &[], FORWARD).len(), 102);
        assert_eq!(
            scanned(&snapshot, &physical(ALICE, 2, ""), &[], FORWARD),
            ["00=after"]
        );
    }
}

#[test]
fn seeking_moves_a_scan_within_its_range() {
    let (_dir, projection) = hundred();
    let snapshot = projection.snapshot();
    let (from, to) = (physical(ALICE, 1, "10"), physical(ALICE, 1, "20"));
    let at = |entry: Option<crate::projection::Entry<'_>>| {
        entry.map(|(key, _)| String::from_utf8_lossy(key.get(24..).unwrap()).into_owned())
    };
    let mut scan = snapshot.scan(Space::Rows, &from, &to, FORWARD);
    scan.seek(&physical(ALICE, 1, "15"));
    assert_eq!(at(scan.next().unwrap()).as_deref(), Some("15"));
    assert_eq!(at(scan.next().unwrap()).as_deref(), Some("16"));
    scan.seek(&physical(ALICE, 1, "05"));
    assert_eq!(
        at(scan.next().unwrap()).as_deref(),
        Some("10"),
        "not before the range"
    );
    scan.seek(&physical(ALICE, 1, "95"));
    assert_eq!(at(scan.next().unwrap()), None, "not after the range");
    let mut back = snapshot.scan(Space::Rows, &from, &to, BACKWARD);
    back.seek(&physical(ALICE, 1, "15x"));
    assert_eq!(at(back.next().unwrap()).as_deref(), Some("15"));
    assert_eq!(at(back.next().unwrap()).as_deref(), Some("14"));
}

#[test]
fn a_snapshot_does_not_change_and_outlives_the_projection() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let empty = projection.snapshot();
    assert_eq!((empty.index(), empty.block_hash()), (0, None));
    let first = log.one(ALICE, rows(vec![insert("a", "1"), insert("b", "1")]));
    projection.apply(&first).unwrap();
    assert_eq!(
        projection.snapshot().index(),
        0,
        "nothing is visible before it is published"
    );
    assert!(all(&projection, Space::Rows).is_empty());
    projection.publish().unwrap();
    let before = projection.snapshot();
    assert_eq!((before.index(), before.block_hash()), (1, Some(first.hash)));
    let changes = vec![update("a", "2"), delete("b"), insert("c", "2")];
    projection.apply(&log.one(ALICE, rows(changes))).unwrap();
    projection.publish().unwrap();
    let after = projection.snapshot();
    // Old versions must survive flush and compaction while somebody sees them.
    projection.flush().unwrap();
    for family in ["rows", "history"] {
        let db = &projection.inner.engine.db;
        let handle = db.cf_handle(family).unwrap();
        db.compact_range_cf(handle, None::<&[u8]>, None::<&[u8]>);
    }
    let key = |key: &str| physical(ALICE, 1, key);
    let (from, to) = (key(""), prefix_end(&key("")));
    drop(projection);
    let read = |snapshot: &Snapshot| scanned(snapshot, &from, &to, FORWARD);
    assert_eq!(read(&empty), Vec::<String>::new());
    assert_eq!(read(&before), ["a=1", "b=1"]);
    assert_eq!(read(&after), ["a=2", "c=2"]);
    assert!(
        before
            .get(Space::Rows, &key("b"), |_| ())
            .unwrap()
            .is_some()
    );
    assert!(after.get(Space::Rows, &key("b"), |_| ()).unwrap().is_none());
}

#[test]
fn an_owned_scan_may_move_to_another_thread() {
    let (_dir, projection) = hundred();
    let (from, to) = (physical(ALICE, 1, "10"), physical(ALICE, 1, "20"));
    let mut scan = projection
        .snapshot()
        .scan_owned(Space::Rows, &from, &to, FORWARD);
    drop(projection);
    assert_eq!(scan.snapshot().index(), 1);
    let counting = move || {
        let mut count = 0;
        while scan.next().unwrap().is_some() {
            count += 1;
        }
        count
    };
    assert_eq!(std::thread::spawn(counting).join().unwrap(), 10);
}

#[test]
fn many_keys_are_read_at_once_in_the_order_they_are_asked_for() {
    let (_dir, projection) = hundred();
    let snapshot = projection.snapshot();
    let keys: Vec<_> = ["42", "no", "07", "42"]
        .iter()
        .map(|key| physical(ALICE, 1, key))
        .collect();
    let mut found = Vec::new();
    let each = |at: usize, stored: Option<&[u8]>| {
        let value = stored.map(|stored| String::from_utf8_lossy(&stored[8..]).into_owned());
        found.push((at, value));
        Ok(())
    };
    let keys = keys.iter().map(Vec::as_slice);
    snapshot.multi_get(Space::Rows, keys, false, each).unwrap();
    let some = |value: &str| Some(value.to_owned());
    let expected = [some("value 42"), None, some("value 7"), some("value 42")];
    assert_eq!(found, expected.into_iter().enumerate().collect::<Vec<_>>());
}

#[test]
fn sizes_and_statistics_follow_the_data() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let noise = |n: u32| (0..50).map(move |at| (n.wrapping_mul(2_654_435_761) >> (at % 24)) as u8);
    let changes = (0..5_000)
        .map(|n: u32| insert(n.to_be_bytes(), noise(n).collect::<Vec<_>>()))
        .collect();
    projection.apply(&log.one(ALICE, rows(changes))).unwrap();
    projection.publish().unwrap();
    assert!(projection.stats().unwrap().unflushed_bytes > 250_000);
    projection.flush().unwrap();
    let stats = projection.stats().unwrap();
    assert_eq!(stats.unflushed_bytes, 0);
    let family = stats
        .families
        .iter()
        .find(|family| family.name == "rows")
        .unwrap();
    assert_eq!(family.keys, 5_000);
    let snapshot = projection.snapshot();
    let key = |n: u32| physical(ALICE, 1, n.to_be_bytes());
    let size = |from, to| snapshot.approximate_size(Space::Rows, &key(from), &key(to));
    let (whole, half) = (size(0, 5_000), size(0, 2_500));
    assert!(
        whole > 50_000 && whole <= family.table_bytes,
        "{whole} of {}",
        family.table_bytes
    );
    assert!(
        half > whole / 3 && half < whole * 2 / 3,
        "{half} of {whole}"
    );
    assert_eq!(size(6_000, 7_000), 0);
}

#[test]
fn readers_see_whole_blocks_while_one_applies() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let both = |n: u32| {
        let value = n.to_string();
        rows(vec![insert("left", &value), insert("right", &value)])
    };
    projection.apply(&log.one(ALICE, both(0))).unwrap();
    projection.publish().unwrap();
    let (left, right) = (physical(ALICE, 1, "left"), physical(ALICE, 1, "right"));
    let done = AtomicBool::new(false);
    /// Lets the readers end also when applying fails.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest = 0;
                while !done.load(Ordering::Acquire) {
                    let snapshot = projection.snapshot();
                    assert!(snapshot.index() >= newest, "time does not go back");
                    newest = snapshot.index();
                    let get = |key| {
                        snapshot
                            .get(Space::Rows, key, |stored| stored[8..].to_vec())
                            .unwrap()
                    };
                    let value = get(&left).unwrap();
                    assert_eq!(get(&right).unwrap(), value);
                    assert_eq!(value, (newest - 1).to_string().as_bytes());
                }
            });
        }
        for n in 1..500 {
            projection.apply(&log.one(ALICE, both(n))).unwrap();
            projection.publish().unwrap();
            if n % 100 == 0 {
                projection.flush().unwrap();
            }
        }
    });
}
