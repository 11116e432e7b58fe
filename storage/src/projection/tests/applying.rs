//! What blocks do to the projection.

use super::fixture::*;
use crate::crypto::KeyRecord;
use crate::error::StorageError;
use crate::ids::{KeyId, KeyPurpose};
use crate::merkle::{Frontier, inclusion_proof, verify_inclusion};
use crate::projection::{Projection, csn};
use crate::txn::Space;

fn value(projection: &Projection, key: &str) -> Option<(u64, String)> {
    let key = physical(ALICE, 1, key);
    projection
        .snapshot()
        .get(Space::Rows, &key, |stored| {
            let (csn, value) = stored.split_first_chunk::<8>().unwrap();
            (
                u64::from_le_bytes(*csn),
                String::from_utf8(value.to_vec()).unwrap(),
            )
        })
        .unwrap()
}

fn past(projection: &Projection, key: &str) -> Vec<(u64, u64, String)> {
    let mut found = Vec::new();
    let key = physical(ALICE, 1, key);
    let collect = |version: crate::projection::PastVersion<'_>| {
        let value = String::from_utf8(version.value.to_vec()).unwrap();
        found.push((version.from, version.to, value));
        Ok(())
    };
    projection
        .snapshot()
        .history(Space::Rows, &key, collect)
        .unwrap();
    found
}

#[test]
fn versions_replace_each_other_and_stay_in_history() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    for change in [
        insert("k", "one"),
        update("k", "two"),
        delete("k"),
        insert("k", "three"),
    ] {
        projection
            .apply(&log.one(ALICE, rows(vec![change])))
            .unwrap();
    }
    projection.publish().unwrap();
    assert_eq!(value(&projection, "k"), Some((csn(4, 0), "three".into())));
    let expected = vec![
        (csn(1, 0), csn(2, 0), "one".into()),
        (csn(2, 0), csn(3, 0), "two".into()),
    ];
    assert_eq!(past(&projection, "k"), expected);
    assert_eq!(
        past(&projection, ""),
        vec![],
        "a key that is a prefix of another"
    );
}

#[test]
fn events_of_a_block_see_the_events_before_them() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let happenings = [
        insert("k", "a"),
        update("k", "b"),
        delete("k"),
        insert("k", "c"),
    ]
    .map(|change| Happening::Txn(ALICE, rows(vec![change])));
    projection.apply(&log.block(happenings.to_vec())).unwrap();
    projection.publish().unwrap();
    assert_eq!(value(&projection, "k"), Some((csn(1, 3), "c".into())));
    let expected = vec![
        (csn(1, 0), csn(1, 1), "a".into()),
        (csn(1, 1), csn(1, 2), "b".into()),
    ];
    assert_eq!(past(&projection, "k"), expected);
}

#[test]
fn changes_within_a_transaction_leave_no_history_of_each_other() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    projection
        .apply(&log.one(ALICE, rows(vec![insert("k", "old")])))
        .unwrap();
    let changes = vec![
        update("k", "x"),
        delete("k"),
        insert("k", "y"),
        update("k", "z"),
    ];
    projection.apply(&log.one(ALICE, rows(changes))).unwrap();
    projection.publish().unwrap();
    assert_eq!(value(&projection, "k"), Some((csn(2, 0), "z".into())));
    assert_eq!(
        past(&projection, "k"),
        vec![(csn(1, 0), csn(2, 0), "old".into())]
    );
}

#[test]
fn spaces_and_tenants_are_apart() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let streams = |mark: &str| {
        txn(vec![
            stream(Space::Rows, 1, vec![insert("k", format!("row {mark}"))]),
            stream(Space::Index, 1, vec![insert("k", format!("index {mark}"))]),
            stream(
                Space::Catalog,
                1,
                vec![insert("k", format!("catalog {mark}"))],
            ),
        ])
    };
    let happenings = vec![
        Happening::Txn(ALICE, streams("alice")),
        Happening::Txn(BOB, streams("bob")),
    ];
    projection.apply(&log.block(happenings)).unwrap();
    projection.publish().unwrap();
    let snapshot = projection.snapshot();
    for (tenant, mark, ordinal) in [(ALICE, "alice", 0), (BOB, "bob", 1)] {
        let key = physical(tenant, 1, "k");
        let get = |space| snapshot.get(space, &key, <[u8]>::to_vec).unwrap().unwrap();
        let head = csn(1, ordinal).to_le_bytes();
        assert_eq!(
            get(Space::Rows),
            [head.as_slice(), format!("row {mark}").as_bytes()].concat()
        );
        assert_eq!(get(Space::Index), format!("index {mark}").as_bytes());
        let catalog = [head.as_slice(), format!("catalog {mark}").as_bytes()].concat();
        assert_eq!(get(Space::Catalog), catalog);
        let mut scanned = Vec::new();
        let each = |key: &[u8], value: &[u8]| {
            scanned.push((key.to_vec(), value.to_vec()));
            Ok(())
        };
        snapshot.catalog_scan(tenant, each).unwrap();
        assert_eq!(scanned, vec![(key.clone(), catalog)]);
    }
}

#[test]
fn index_entries_come_and_go_without_history() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let index = |changes| txn(vec![stream(Space::Index, 2, changes)]);
    projection
        .apply(&log.one(ALICE, index(vec![insert("a", ""), insert("b", "")])))
        .unwrap();
    projection
        .apply(&log.one(ALICE, index(vec![delete("a"), insert("c", "")])))
        .unwrap();
    projection.publish().unwrap();
    let keys: Vec<_> = all(&projection, Space::Index)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, vec![physical(ALICE, 2, "b"), physical(ALICE, 2, "c")]);
}

#[test]
fn an_applied_block_is_skipped_and_others_are_refused() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    let first = log.one(ALICE, rows(vec![insert("k", "1")]));
    let second = log.one(ALICE, rows(vec![update("k", "2")]));
    let third = log.one(ALICE, rows(vec![update("k", "3")]));
    let gap = projection.apply(&second).unwrap_err().to_string();
    assert!(
        gap.contains("block 2 cannot be applied after block 0"),
        "{gap}"
    );
    projection.apply(&first).unwrap();
    projection.apply(&second).unwrap();
    projection.publish().unwrap();
    let before = projection.snapshot().content_hash().unwrap();
    projection.apply(&first).unwrap();
    projection.apply(&second).unwrap();
    projection.publish().unwrap();
    assert_eq!(projection.snapshot().content_hash().unwrap(), before);
    assert_eq!(projection.applied(), Some((2, second.hash)));
    let mut other = second.clone();
    other.hash = [9; 32];
    let other = projection.apply(&other).unwrap_err().to_string();
    assert!(other.contains("another history"), "{other}");
    drop(projection);
    let reopened = open(dir.path());
    assert_eq!(reopened.applied(), Some((2, second.hash)));
    assert_eq!(reopened.snapshot().content_hash().unwrap(), before);
    reopened.apply(&third).unwrap();
    reopened.publish().unwrap();
    assert_eq!(value(&reopened, "k"), Some((csn(3, 0), "3".into())));
}

#[test]
fn an_event_out_of_its_tenants_order_is_refused_and_changes_nothing() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    projection
        .apply(&log.one(ALICE, rows(vec![insert("k", "1")])))
        .unwrap();
    projection.publish().unwrap();
    let before = projection.snapshot().content_hash().unwrap();
    let mut block = log.one(ALICE, rows(vec![update("k", "2")]));
    block.events[0].tenant_seq = 5;
    let error = projection.apply(&block).unwrap_err();
    assert!(matches!(error, StorageError::Projection(_)), "{error}");
    projection.publish().unwrap();
    assert_eq!(projection.snapshot().content_hash().unwrap(), before);
    block.events[0].tenant_seq = 1;
    projection.apply(&block).unwrap();
}

#[test]
fn codes_that_are_not_known_are_refused() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let mut block = log.one(ALICE, rows(vec![insert("k", "1")]));
    block.events[0].txn.as_mut().unwrap().streams[0].space = 9;
    assert!(matches!(
        projection.apply(&block),
        Err(StorageError::Format(_))
    ));
    block.events[0].txn.as_mut().unwrap().streams[0].space = 1;
    block.events[0].txn.as_mut().unwrap().streams[0].changes[0].op = -4;
    assert!(matches!(
        projection.apply(&block),
        Err(StorageError::Format(_))
    ));
    assert_eq!(projection.applied(), None);
}

#[test]
fn key_records_are_kept_and_given_back() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    let record = |epoch, wrapped: &[u8]| KeyRecord {
        tenant: ALICE.0.to_vec(),
        key_id: KeyId::new(KeyPurpose::Data, epoch).0,
        wrapped_by: KeyId::new(KeyPurpose::Wrapping, 1).0,
        wrapped: wrapped.to_vec(),
    };
    let records = vec![record(1, b"first"), record(2, b"second")];
    let happenings = records.iter().cloned().map(Happening::Key).collect();
    projection.apply(&log.block(happenings)).unwrap();
    drop(projection);
    assert_eq!(open(dir.path()).snapshot().key_records().unwrap(), records);
}

#[test]
fn every_event_is_a_leaf_of_its_tenants_tree() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let mut leaves = Vec::new();
    let mut expected = Frontier::new();
    for round in 0..40 {
        let mine = vec![Happening::Part(ALICE), Happening::Txn(BOB, rows(vec![]))];
        let block = log.block(if round % 3 == 0 {
            mine
        } else {
            vec![Happening::Part(ALICE)]
        });
        for event in block.events.iter().filter(|event| event.tenant == ALICE) {
            leaves.push(event.leaf);
            expected.append(event.leaf);
        }
        projection.apply(&block).unwrap();
    }
    projection.publish().unwrap();
    let snapshot = projection.snapshot();
    let frontier = snapshot.frontier(ALICE).unwrap();
    assert_eq!(frontier, expected);
    assert_eq!(snapshot.frontier(BOB).unwrap().size(), 14);
    let tree = snapshot.tree(ALICE);
    for (index, leaf) in leaves.iter().enumerate() {
        let index = index as u64;
        let proof = inclusion_proof(&tree, index, frontier.size()).unwrap();
        assert_eq!(
            proof,
            inclusion_proof(leaves.as_slice(), index, 40).unwrap()
        );
        assert!(verify_inclusion(leaf, index, 40, &proof, &frontier.root()));
    }
}

#[test]
fn closing_parts_takes_the_bulk_way() {
    let (_dir, projection) = fresh();
    let mut log = Log::default();
    let mut close = rows(vec![]);
    close.part_count = 1;
    let error = projection
        .apply(&log.one(ALICE, close))
        .unwrap_err()
        .to_string();
    assert!(error.contains("apply_bulk"), "{error}");
    assert_eq!(projection.applied(), None);
}

#[test]
fn changing_many_rows_at_once_keeps_their_history() {
    let number = |n: u32| format!("{n:03}");
    let many = |range: std::ops::Range<u32>, value: &str| -> Vec<_> {
        range.map(|n| update(number(n), value)).collect()
    };
    // Nothing, all, only the first or only the last of the keys exists already.
    for existing in [0..0, 0..100, 0..1, 99..100, 50..51] {
        let (_dir, projection) = fresh();
        let mut log = Log::default();
        let neighbours = vec![insert("!", "x"), insert("zzz", "x")];
        projection.apply(&log.one(ALICE, rows(neighbours))).unwrap();
        projection
            .apply(&log.one(ALICE, rows(many(existing.clone(), "old"))))
            .unwrap();
        projection
            .apply(&log.one(ALICE, rows(many(0..100, "new"))))
            .unwrap();
        projection.publish().unwrap();
        for n in 0..100 {
            assert_eq!(
                value(&projection, &number(n)),
                Some((csn(3, 0), "new".into()))
            );
            let expected = match existing.contains(&n) {
                true => vec![(csn(2, 0), csn(3, 0), "old".into())],
                false => vec![],
            };
            assert_eq!(
                past(&projection, &number(n)),
                expected,
                "key {n} of {existing:?}"
            );
        }
    }
}

#[test]
fn control_events_are_kept_by_their_place() {
    let (dir, projection) = fresh();
    let mut log = Log::default();
    let control = |body: &str| Happening::Control(body.into());
    projection
        .apply(&log.block(vec![control("one"), control("two")]))
        .unwrap();
    let other = log.one(ALICE, rows(vec![insert("k", "v")]));
    projection.apply(&other).unwrap();
    projection.publish().unwrap();
    let before = projection.snapshot().content_hash().unwrap();
    let third = log.block(vec![control("")]);
    projection.apply(&third).unwrap();
    // Again, as after a crash: nothing changes.
    projection.apply(&third).unwrap();
    projection.publish().unwrap();
    let expected = vec![
        (1, 0, b"one".to_vec()),
        (1, 1, b"two".to_vec()),
        (3, 0, Vec::new()),
    ];
    assert_eq!(projection.snapshot().controls().unwrap(), expected);
    assert_ne!(projection.snapshot().content_hash().unwrap(), before);
    projection.flush().unwrap();
    drop(projection);
    let again = open(dir.path());
    assert_eq!(again.snapshot().controls().unwrap(), expected);
}
