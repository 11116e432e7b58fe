//! What the projection's files give away.

use std::path::Path;

use super::fixture::*;
use crate::crypto::Key;
use crate::error::StorageError;
use crate::projection::{Projection, ProjectionOptions};
use crate::txn::{Space, Txn};

const MARKER: &str = "PlAnTeD-7f3a91c2";

fn contains(file: &Path, what: &[u8]) -> bool {
    std::fs::read(file)
        .unwrap()
        .windows(what.len())
        .any(|window| window == what)
}

fn with_marker(dir: &Path) -> Vec<String> {
    let relative = |file: &Path| file.strip_prefix(dir).unwrap().display().to_string();
    let found = files(dir)
        .into_iter()
        .filter(|file| contains(file, MARKER.as_bytes()));
    found.map(|file| relative(&file)).collect()
}

/// Rows, index entries and definitions that all hold the marker, in keys and in
/// values, at their start, middle and end.
fn marked(n: u32) -> Txn {
    let key = format!("{MARKER} key {n:06}");
    let value = format!("{MARKER} value {n} {MARKER}");
    txn(vec![
        stream(Space::Rows, 1, vec![insert(&key, &value)]),
        stream(Space::Index, 2, vec![insert(&key, &value)]),
        stream(Space::Catalog, 3, vec![insert(&key, &value)]),
    ])
}

#[test]
fn no_file_contains_what_was_stored() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    let mut apply = |range: std::ops::Range<u32>| {
        for n in range {
            projection.apply(&log.one(ALICE, marked(n))).unwrap();
        }
    };
    apply(0..400);
    projection.flush().unwrap();
    assert_eq!(
        with_marker(dir.path()),
        Vec::<String>::new(),
        "after a flush"
    );
    apply(400..500);
    let again = rows(
        (0..200)
            .map(|n| update(format!("{MARKER} key {n:06}"), MARKER))
            .collect(),
    );
    projection.apply(&log.one(ALICE, again)).unwrap();
    let part = rows(
        (0..200)
            .map(|n| insert(format!("{MARKER} {n}"), MARKER))
            .collect(),
    );
    let close = Txn {
        part_count: 1,
        ..rows(vec![])
    };
    let block = log.one(ALICE, close);
    projection
        .apply_bulk(&block, &mut Parts::of(vec![part]))
        .unwrap();
    assert_eq!(
        with_marker(dir.path()),
        Vec::<String>::new(),
        "after a bulk load"
    );
    for family in ["rows", "index", "catalog", "history"] {
        let db = &projection.inner.engine.db;
        let handle = db.cf_handle(family).unwrap();
        db.compact_range_cf(handle, None::<&[u8]>, None::<&[u8]>);
    }
    assert_eq!(
        with_marker(dir.path()),
        Vec::<String>::new(),
        "after compaction"
    );
    drop(projection);
    let reopened = open(dir.path());
    assert_eq!(
        with_marker(dir.path()),
        Vec::<String>::new(),
        "after reopening"
    );
    assert_eq!(all(&reopened, Space::Rows).len(), 700, "it was all stored");
    drop(reopened);
    let kinds = ["CURRENT", "MANIFEST", "OPTIONS", ".sst", "LOG"];
    for kind in kinds {
        let found = files(dir.path())
            .iter()
            .any(|file| file.to_string_lossy().contains(kind));
        assert!(found, "no {kind} was looked at");
    }
}

#[test]
fn every_file_but_the_text_log_begins_with_a_prefix_of_its_own() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    projection.apply(&log.one(ALICE, marked(1))).unwrap();
    projection.flush().unwrap();
    drop(projection);
    let mut nonces = Vec::new();
    for file in files(dir.path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).unwrap();
        // LOCK is empty; LOG is text, and the test above reads it.
        if name == "LOCK" || name.starts_with("LOG") {
            continue;
        }
        assert_eq!(bytes.get(..8), Some(b"KBLKENC1".as_slice()), "{name}");
        nonces.push(bytes.get(8..24).unwrap().to_vec());
    }
    let count = nonces.len();
    assert!(count >= 5, "{count} files");
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "nonces repeat");
}

#[test]
fn another_key_is_refused_by_name() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    projection.apply(&log.one(ALICE, marked(1))).unwrap();
    projection.publish().unwrap();
    let expected = projection.snapshot().content_hash().unwrap();
    drop(projection);
    let open_with = |key: &Key| Projection::open(dir.path(), key, &options());
    let error = open_with(&key(8)).unwrap_err();
    let StorageError::Projection(text) = &error else {
        panic!("{error}")
    };
    assert!(text.contains("another replica key"), "{text}");
    let right = open_with(&key(7)).unwrap();
    assert_eq!(
        right.snapshot().content_hash().unwrap(),
        expected,
        "nothing was harmed"
    );
}

/// Reads everything, or fails; never panics.
fn read_all(dir: &Path) -> Result<[u8; 32], StorageError> {
    Projection::open(dir, &key(7), &options())?
        .snapshot()
        .content_hash()
}

#[test]
fn damaged_files_give_errors_or_the_right_answer_never_another() {
    let dir = tempfile::tempdir().unwrap();
    let plain = ProjectionOptions {
        block_cache_bytes: 1 << 20,
        ..options()
    };
    let projection = Projection::open(dir.path(), &key(7), &plain).unwrap();
    let mut log = Log::default();
    for n in 0..200 {
        projection.apply(&log.one(ALICE, marked(n))).unwrap();
    }
    projection.flush().unwrap();
    projection.publish().unwrap();
    let expected = projection.snapshot().content_hash().unwrap();
    let image = || crash_image(&projection, dir.path());
    let names: Vec<_> = files(image().path())
        .into_iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("LO"))
        .collect();
    let (mut refused, mut tried) = (0, 0);
    let mut attempt = |name: &str, damage: &dyn Fn(&mut Vec<u8>)| {
        let image = image();
        let file = image.path().join("db").join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        tried += 1;
        match read_all(image.path()) {
            Ok(found) => assert_eq!(found, expected, "{name} was damaged and believed"),
            Err(_) => refused += 1,
        }
    };
    for name in &names {
        for cut in [0_usize, 10, 100, 4096, 4100] {
            attempt(name, &|bytes| bytes.truncate(cut));
        }
        for place in [0_usize, 12, 30, 4097, 4150, 4300] {
            attempt(name, &|bytes| {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 0x10;
                }
            });
        }
    }
    assert!(refused > tried / 2, "{refused} of {tried} refused");
}
