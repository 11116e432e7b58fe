//! Large transactions: ingestion must give what one batch would have given.

use super::fixture::*;
use crate::error::StorageError;
use crate::projection::{AppliedBlock, Projection, ProjectionOptions};
use crate::txn::{Space, StreamChanges, Txn};

/// Small enough that a part fills several chunks.
fn chunky() -> ProjectionOptions {
    ProjectionOptions {
        bulk_chunk_bytes: 2_000,
        ..options()
    }
}

/// A table of 300 rows, then a large transaction that inserts, updates, deletes
/// and comes back to its own rows, between two small ones in the same block.
struct Scene {
    before: AppliedBlock,
    parts: Vec<Txn>,
    close: Txn,
    block: AppliedBlock,
    after: AppliedBlock,
}

fn scene() -> Scene {
    let mut log = Log::default();
    let key = |n: u32| format!("{n:05}");
    let index = |n: u32| format!("by value/{n:05}");
    let initial = (0..300)
        .map(|n| insert(key(n * 2), format!("old {n}")))
        .collect();
    let entries = (0..300).map(|n| insert(index(n * 2), "")).collect();
    let before = log.one(
        ALICE,
        txn(vec![
            stream(Space::Rows, 1, initial),
            stream(Space::Index, 9, entries),
        ]),
    );
    let part = |range: std::ops::Range<u32>| -> Vec<StreamChanges> {
        let row = |n: u32| match n {
            _ if n % 2 == 1 => insert(key(n), format!("new {n}")),
            _ if n.is_multiple_of(3) => delete(key(n)),
            _ => update(key(n), format!("changed {n}")),
        };
        let entry = |n: u32| match n % 3 {
            0 => delete(index(n)),
            _ => insert(index(n), "x"),
        };
        let again = range.clone().filter(|n| n % 5 == 0);
        let rows = range
            .clone()
            .map(row)
            .chain(again.map(|n| insert(key(n), "again")))
            .collect();
        vec![
            stream(Space::Rows, 1, rows),
            stream(Space::Index, 9, range.map(entry).collect()),
            stream(Space::Catalog, 3, vec![insert("definition", "columns")]),
        ]
    };
    // The second comes back to the first's rows, in reverse order of keys.
    let parts = vec![txn(part(0..250)), txn(part(150..400)), txn(part(0..50))];
    let close = Txn {
        part_count: 3,
        ..rows(vec![update(key(1), "by the close"), delete(key(399))])
    };
    let happenings = vec![
        Happening::Txn(
            ALICE,
            rows(vec![update(key(0), "just before"), insert("zzz", "1")]),
        ),
        Happening::Txn(BOB, rows(vec![insert(key(0), "bob's")])),
        Happening::Txn(ALICE, close.clone()),
        Happening::Txn(
            ALICE,
            rows(vec![update(key(1), "just after"), delete(key(2))]),
        ),
    ];
    let block = log.block(happenings);
    let after = log.one(ALICE, rows(vec![update(key(1), "later")]));
    Scene {
        before,
        parts,
        close,
        block,
        after,
    }
}

/// The same block with the whole transaction in its closing event.
fn whole(scene: &Scene) -> AppliedBlock {
    let streams = scene
        .parts
        .iter()
        .chain([&scene.close])
        .flat_map(|part| part.streams.clone());
    let mut block = scene.block.clone();
    block.events[2].txn = Some(txn(streams.collect()));
    block
}

fn hash(projection: &Projection) -> [u8; 32] {
    projection.publish().unwrap();
    projection.snapshot().content_hash().unwrap()
}

fn expected(scene: &Scene) -> [[u8; 32]; 2] {
    let (_dir, projection) = fresh();
    projection.apply(&scene.before).unwrap();
    projection.apply(&whole(scene)).unwrap();
    let middle = hash(&projection);
    projection.apply(&scene.after).unwrap();
    [middle, hash(&projection)]
}

#[test]
fn ingesting_equals_one_batch() {
    let scene = scene();
    let [middle, end] = expected(&scene);
    for chunk_bytes in [500, 2_000, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let options = ProjectionOptions {
            bulk_chunk_bytes: chunk_bytes,
            ..options()
        };
        let projection = Projection::open(dir.path(), &key(7), &options).unwrap();
        projection.apply(&scene.before).unwrap();
        projection.publish().unwrap();
        let old = projection.snapshot();
        let old_hash = old.content_hash().unwrap();
        projection
            .apply_bulk(&scene.block, &mut Parts::of(scene.parts.clone()))
            .unwrap();
        assert_eq!(old.content_hash().unwrap(), old_hash, "a snapshot changed");
        assert_eq!(projection.snapshot().index(), 1, "published too early");
        assert_eq!(projection.pending_bulk(), None);
        assert_eq!(hash(&projection), middle, "chunks of {chunk_bytes}");
        // Applying it again must change nothing, nor must a restart.
        projection
            .apply_bulk(&scene.block, &mut Parts::of(Vec::new()))
            .unwrap();
        drop((projection, old));
        let projection = Projection::open(dir.path(), &key(7), &options).unwrap();
        assert_eq!(projection.applied(), Some((2, scene.block.hash)));
        projection.apply(&scene.after).unwrap();
        assert_eq!(hash(&projection), end);
        assert_eq!(
            files(&dir.path().join("ingest")),
            Vec::<std::path::PathBuf>::new()
        );
    }
}

#[test]
fn a_crash_between_chunks_is_harmless() {
    let scene = scene();
    let [middle, end] = expected(&scene);
    let dir = tempfile::tempdir().unwrap();
    let projection = Projection::open(dir.path(), &key(7), &chunky()).unwrap();
    projection.apply(&scene.before).unwrap();
    let mut images = Vec::new();
    let mut parts = Parts {
        parts: scene.parts.clone(),
        before: |_| {
            images.push(crash_image(&projection, dir.path()));
            Ok(())
        },
    };
    projection.apply_bulk(&scene.block, &mut parts).unwrap();
    drop(parts);
    assert_eq!(images.len(), 3);
    let mut bulk_rows_seen = Vec::new();
    for image in images {
        let crashed = Projection::open(image.path(), &key(7), &chunky()).unwrap();
        assert_eq!(
            crashed.applied(),
            Some((1, scene.before.hash)),
            "flushed before the load"
        );
        assert_eq!(crashed.pending_bulk(), Some((2, scene.block.hash)));
        bulk_rows_seen.push(all(&crashed, Space::Rows).len());
        let refused = crashed.publish().unwrap_err().to_string();
        assert!(refused.contains("applied in part"), "{refused}");
        let mut other = scene.block.clone();
        other.hash = [1; 32];
        let refused = crashed
            .apply_bulk(&other, &mut Parts::of(Vec::new()))
            .unwrap_err();
        assert!(refused.to_string().contains("another history"), "{refused}");
        crashed
            .apply_bulk(&scene.block, &mut Parts::of(scene.parts.clone()))
            .unwrap();
        assert_eq!(hash(&crashed), middle);
        crashed.apply(&scene.after).unwrap();
        assert_eq!(hash(&crashed), end);
    }
    bulk_rows_seen.dedup();
    assert!(
        bulk_rows_seen.len() > 1,
        "the images do show a load in progress: {bulk_rows_seen:?}"
    );
}

#[test]
fn a_load_that_cannot_read_its_parts_is_not_published_and_can_be_repeated() {
    let scene = scene();
    let [middle, _] = expected(&scene);
    let dir = tempfile::tempdir().unwrap();
    let projection = Projection::open(dir.path(), &key(7), &chunky()).unwrap();
    projection.apply(&scene.before).unwrap();
    projection.publish().unwrap();
    let mut parts = Parts {
        parts: scene.parts.clone(),
        before: |at| match at {
            2 => Err(StorageError::Closed("the log".into())),
            _ => Ok(()),
        },
    };
    let error = projection.apply_bulk(&scene.block, &mut parts).unwrap_err();
    assert!(matches!(error, StorageError::Closed(_)), "{error}");
    assert!(projection.publish().is_err());
    assert_eq!(projection.applied(), Some((1, scene.before.hash)));
    let missing = Parts::of(scene.parts[..2].to_vec());
    let error = projection
        .apply_bulk(&scene.block, &mut { missing })
        .unwrap_err()
        .to_string();
    assert!(error.contains("2 parts of a transaction in 3"), "{error}");
    projection
        .apply_bulk(&scene.block, &mut Parts::of(scene.parts))
        .unwrap();
    assert_eq!(hash(&projection), middle);
}

/// Stops a load before each of the files that it ingests, as a full disk would.
#[test]
fn a_load_may_end_between_any_two_files() {
    let scene = scene();
    let [middle, _] = expected(&scene);
    let options = ProjectionOptions {
        bulk_chunk_bytes: 8_000,
        ..options()
    };
    let mut stops = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let projection = Projection::open(dir.path(), &key(7), &options).unwrap();
        projection.apply(&scene.before).unwrap();
        // A directory where the file is to be.
        for family in ["history", "index", "catalog", "rows"] {
            let csn = crate::projection::csn(2, 2);
            let name = format!("{csn:016x}-{}-{family}.sst", stops + 1);
            std::fs::create_dir(dir.path().join("ingest").join(name)).unwrap();
        }
        let mut parts = Parts::of(scene.parts.clone());
        if projection.apply_bulk(&scene.block, &mut parts).is_ok() {
            break;
        }
        stops += 1;
        drop(projection);
        let projection = Projection::open(dir.path(), &key(7), &options).unwrap();
        assert_eq!(projection.pending_bulk(), Some((2, scene.block.hash)));
        projection.apply_bulk(&scene.block, &mut parts).unwrap();
        assert_eq!(hash(&projection), middle, "stopped before file {stops}");
    }
    assert!(stops >= 10, "{stops} files are several chunks");
}
