//! Losing what was not flushed, or everything.

use super::fixture::*;
use crate::projection::{AppliedBlock, Projection, ProjectionOptions};

fn history_of_updates(count: u64) -> Vec<AppliedBlock> {
    let mut log = Log::default();
    let row = |n: u64, round: u64| format!("row {n} of round {round} {}", "x".repeat(200));
    let one = |round: u64| {
        let change = |n: u64| match round {
            0 => insert(n.to_be_bytes(), row(n, 0)),
            _ => update(n.to_be_bytes(), row(n, round)),
        };
        rows((0..50).map(change).collect())
    };
    (0..count).map(|round| log.one(ALICE, one(round))).collect()
}

fn hash(projection: &Projection) -> [u8; 32] {
    projection.publish().unwrap();
    projection.snapshot().content_hash().unwrap()
}

fn clean(blocks: &[AppliedBlock]) -> [u8; 32] {
    let (_dir, projection) = fresh();
    blocks
        .iter()
        .for_each(|block| projection.apply(block).unwrap());
    hash(&projection)
}

#[test]
fn after_a_crash_the_log_completes_what_was_not_flushed() {
    let blocks = history_of_updates(30);
    let expected = clean(&blocks);
    let (dir, projection) = fresh();
    let mut flushed = None;
    for (at, block) in blocks.iter().enumerate() {
        projection.apply(block).unwrap();
        if at % 7 == 3 {
            projection.flush().unwrap();
            flushed = projection.applied();
        }
        if at % 5 == 0 {
            let image = crash_image(&projection, dir.path());
            let crashed = open(image.path());
            assert_eq!(
                crashed.applied(),
                flushed,
                "exactly what was flushed is there"
            );
            let missing = blocks
                .iter()
                .skip(flushed.map_or(0, |(index, _)| index as usize));
            missing.for_each(|block| crashed.apply(block).unwrap());
            assert_eq!(hash(&crashed), expected);
        }
    }
}

#[test]
fn what_a_crash_would_replay_is_bounded() {
    let blocks = history_of_updates(30);
    let dir = tempfile::tempdir().unwrap();
    let options = ProjectionOptions {
        flush_after_bytes: 64 << 10,
        ..options()
    };
    let projection = Projection::open(dir.path(), &key(7), &options).unwrap();
    for block in &blocks {
        projection.apply(block).unwrap();
        let unflushed = projection.stats().unwrap().unflushed_bytes;
        assert!(unflushed < 64 << 10, "{unflushed} bytes unflushed");
    }
    let image = crash_image(&projection, dir.path());
    let (applied, _) = open(image.path()).applied().expect("it flushed by itself");
    // A block is about 25 KiB with its history: at most three since the flush.
    assert!(applied >= 26, "block {applied} of 30");
}

#[test]
fn a_destroyed_projection_is_rebuilt_with_equal_content() {
    let blocks = history_of_updates(20);
    let (dir, projection) = fresh();
    blocks
        .iter()
        .for_each(|block| projection.apply(block).unwrap());
    let before = hash(&projection);
    projection.flush().unwrap();
    drop(projection);
    Projection::destroy(dir.path()).unwrap();
    assert_eq!(files(dir.path()), Vec::<std::path::PathBuf>::new());
    Projection::destroy(dir.path()).unwrap();
    let rebuilt = open(dir.path());
    assert_eq!(rebuilt.applied(), None);
    blocks
        .iter()
        .for_each(|block| rebuilt.apply(block).unwrap());
    assert_eq!(hash(&rebuilt), before);
    let mut other = history_of_updates(20);
    other[7].events[0].txn.as_mut().unwrap().streams[0].changes[3].value = "changed".into();
    assert_ne!(clean(&other), before, "the hash covers history");
}

#[test]
fn a_read_only_projection_shows_what_was_flushed_and_takes_nothing() {
    let blocks = history_of_updates(3);
    let (dir, projection) = fresh();
    projection.apply(&blocks[0]).unwrap();
    projection.flush().unwrap();
    let expected = hash(&projection);
    projection.apply(&blocks[1]).unwrap();
    let image = crash_image(&projection, dir.path());
    let reader = Projection::open_read_only(image.path(), &key(7), &options()).unwrap();
    assert_eq!(reader.snapshot().content_hash().unwrap(), expected);
    assert!(matches!(
        reader.apply(&blocks[1]),
        Err(crate::StorageError::ReadOnly { .. })
    ));
    reader.flush().unwrap();
    drop(reader);
    assert_eq!(open(image.path()).applied(), Some((1, blocks[0].hash)));
    let nothing = tempfile::tempdir().unwrap();
    assert!(Projection::open_read_only(nothing.path(), &key(7), &options()).is_err());
    assert_eq!(files(nothing.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_projection_is_open_once() {
    let (dir, projection) = fresh();
    let second = Projection::open(dir.path(), &key(7), &options()).unwrap_err();
    assert!(matches!(second, crate::StorageError::Locked(_)), "{second}");
    projection.apply(&history_of_updates(1)[0]).unwrap();
}
