#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use kimberlite_storage::{
    AppliedBlock, BlockWatch, Change, EventKind, Op, OpenedEvent, Space, StreamChanges, TenantId,
    Txn,
};
use proptest::prelude::*;

use super::{ColumnCache, ColumnKey, Found, Segment};
use crate::types::PgType;

const TENANT: TenantId = TenantId([7; 16]);
const STREAM: u64 = 5;
const COLUMNS: [ColumnKey; 2] = [(0, PgType::Int8), (1, PgType::Int8)];

/// What a stream holds: two columns a key.
type Rows = BTreeMap<Vec<u8>, [i64; 2]>;

/// A stream with all its states, and a cache that is told of its changes.
struct World {
    cache: ColumnCache,
    states: Vec<Rows>,
}

impl World {
    fn new(limit: usize) -> Self {
        let cache = ColumnCache::new(limit);
        cache.begin(0);
        Self {
            cache,
            states: vec![Rows::new()],
        }
    }

    /// Applies a block with one transaction.
    fn block(&mut self, changes: &[(u8, Option<i64>)], in_parts: bool) {
        let mut rows = self.states.last().unwrap().clone();
        let mut list = Vec::new();
        for (key, value) in changes {
            let op = match value {
                Some(value) => {
                    rows.insert(vec![*key], [*value, -*value]);
                    Op::Insert
                }
                None => {
                    rows.remove([*key].as_slice());
                    Op::Delete
                }
            };
            list.push(Change {
                op: op as i32,
                key: Bytes::copy_from_slice(&[*key]),
                ..Change::default()
            });
        }
        let streams = StreamChanges {
            stream: STREAM,
            space: Space::Rows as i32,
            changes: if in_parts { Vec::new() } else { list },
        };
        let txn = Txn {
            streams: vec![streams],
            part_count: u32::from(in_parts),
            ..Txn::default()
        };
        let event = OpenedEvent {
            ordinal: 0,
            tenant: TENANT,
            tenant_seq: 0,
            kind: EventKind::Txn,
            leaf: [0; 32],
            txn: Some(txn),
            key: None,
            control: None,
        };
        self.cache.applied(&AppliedBlock {
            index: self.states.len() as u64,
            hash: [0; 32],
            timestamp_us: 0,
            events: vec![event],
        });
        self.states.push(rows);
    }

    /// Scans as of a block with the given columns, `most` rows a segment; gives the
    /// rows and how many of them came from memory.
    fn scan(&self, at: usize, wanted: &[ColumnKey], most: usize) -> (Vec<Vec<i64>>, usize) {
        let state = &self.states[at];
        let (mut rows, mut kept) = (Vec::new(), 0);
        let mut start = Vec::new();
        loop {
            let keys = (start.as_slice(), None);
            let next = match self.cache.find((TENANT, STREAM), at as u64, keys, wanted) {
                Found::Columns {
                    end,
                    rows: count,
                    columns,
                } => {
                    for row in 0..count {
                        let value = |a: &ArrayRef| a.as_primitive::<Int64Type>().value(row);
                        rows.push(columns.iter().map(value).collect());
                    }
                    kept += count;
                    end
                }
                Found::NothingBefore(stop) => {
                    let (segment, read) = self.read(state, &start, stop.as_deref(), wanted, most);
                    rows.extend(read);
                    let end = segment.end.clone();
                    self.cache
                        .keep((TENANT, STREAM), at as u64, &start, segment);
                    end
                }
            };
            match next {
                Some(next) => start = next.into_vec(),
                None => return (rows, kept),
            }
        }
    }

    fn read(
        &self,
        state: &Rows,
        start: &[u8],
        stop: Option<&[u8]>,
        wanted: &[ColumnKey],
        most: usize,
    ) -> (Segment, Vec<Vec<i64>>) {
        let within: Vec<_> = state
            .range(start.to_vec()..)
            .take_while(|(key, _)| stop.is_none_or(|stop| key.as_slice() < stop))
            .take(most)
            .collect();
        let end = match within.last() {
            Some((key, _)) if within.len() == most => Some([key.as_slice(), &[0]].concat().into()),
            _ => stop.map(Into::into),
        };
        let read: Vec<Vec<i64>> = within
            .iter()
            .map(|(_, row)| wanted.iter().map(|(i, _)| row[*i]).collect())
            .collect();
        let columns = wanted
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let values = Int64Array::from_iter_values(read.iter().map(|row| row[i]));
                (*key, Arc::new(values) as ArrayRef)
            })
            .collect();
        let segment = Segment {
            end,
            rows: read.len(),
            columns,
        };
        (segment, read)
    }

    fn expected(&self, at: usize, wanted: &[ColumnKey]) -> Vec<Vec<i64>> {
        let columns = |row: &[i64; 2]| wanted.iter().map(|(i, _)| row[*i]).collect();
        self.states[at].values().map(columns).collect()
    }

    fn check(&self, at: usize, wanted: &[ColumnKey], most: usize) -> usize {
        let (rows, kept) = self.scan(at, wanted, most);
        assert_eq!(rows, self.expected(at, wanted), "as of block {at}");
        kept
    }
}

#[test]
fn what_did_not_change_comes_from_memory() {
    let mut world = World::new(1 << 20);
    let all: Vec<_> = (0..100).map(|k| (k, Some(i64::from(k)))).collect();
    world.block(&all, false);
    // The first look only begins the watch of what may have changed before it.
    assert_eq!(world.check(1, &COLUMNS, 10), 0);
    assert_eq!(world.check(1, &COLUMNS, 10), 100);
    world.block(&[(55, Some(1000))], false);
    assert_eq!(world.check(2, &COLUMNS, 10), 90);
    assert_eq!(world.check(2, &COLUMNS, 10), 100);
    // An older snapshot does not see what was read later.
    assert_eq!(world.check(1, &COLUMNS, 10), 90);
}

#[test]
fn columns_are_added_to_those_that_are_there() {
    let mut world = World::new(1 << 20);
    let all: Vec<_> = (0..20).map(|k| (k, Some(i64::from(k)))).collect();
    world.block(&all, false);
    world.check(1, &COLUMNS[..1], 7);
    assert_eq!(world.check(1, &COLUMNS[1..], 7), 0);
    assert_eq!(world.check(1, &COLUMNS, 7), 20);
}

#[test]
fn a_transaction_in_parts_changes_everything() {
    let mut world = World::new(1 << 20);
    world.block(&[(1, Some(1)), (2, Some(2))], false);
    world.check(1, &COLUMNS, 10);
    world.block(&[(3, Some(3))], true);
    assert_eq!(world.check(2, &COLUMNS, 10), 0);
}

#[test]
fn the_room_is_bounded() {
    let limit = 4_096;
    let mut world = World::new(limit);
    let all: Vec<_> = (0..=255).map(|k| (k, Some(i64::from(k)))).collect();
    world.block(&all, false);
    world.check(1, &COLUMNS, 8);
    let kept = world.check(1, &COLUMNS, 8);
    assert!(kept > 0 && kept < 256, "{kept}");
    assert!(world.cache.bytes() <= limit);
    // Another table takes the room of the one that was read longest ago.
    let other = (TENANT, STREAM + 1);
    let keys = ([].as_slice(), None);
    assert!(matches!(
        world.cache.find(other, 1, keys, &COLUMNS),
        Found::NothingBefore(None)
    ));
    let (segment, _) = world.read(&world.states[1], &[], None, &COLUMNS, 8);
    world.cache.keep(other, 1, &[], segment);
    assert!(matches!(
        world.cache.find(other, 1, keys, &COLUMNS),
        Found::Columns { rows: 8, .. }
    ));
    assert!(world.cache.bytes() <= limit);
}

#[test]
fn nothing_is_kept_before_changes_are_told_of() {
    let cache = ColumnCache::new(1 << 20);
    let world = World::new(1 << 20);
    let (segment, _) = world.read(&world.states[0], &[], None, &COLUMNS, 8);
    let keys = ([].as_slice(), None);
    for _ in 0..2 {
        let found = cache.find((TENANT, STREAM), 0, keys, &COLUMNS);
        assert!(matches!(found, Found::NothingBefore(None)));
        cache.keep((TENANT, STREAM), 0, &[], segment.clone());
    }
}

/// What a test does next.
#[derive(Debug, Clone)]
enum Step {
    Block(Vec<(u8, Option<i64>)>, bool),
    /// How many blocks back, which columns, how many rows a segment.
    Scan(usize, u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..40_u8, proptest::option::weighted(0.7, -9..9_i64));
    prop_oneof![
        1 => (proptest::collection::vec(change, 0..6), proptest::bool::weighted(0.1))
            .prop_map(|(changes, in_parts)| Step::Block(changes, in_parts)),
        2 => (0..4_usize, 1..4_u8, 1..9_usize)
            .prop_map(|(back, columns, most)| Step::Scan(back, columns, most)),
    ]
}

proptest! {
    #[test]
    fn a_scan_shows_its_snapshot(
        steps in proptest::collection::vec(step(), 1..60),
        limit in prop_oneof![Just(1_usize << 20), Just(3_000)],
    ) {
        let mut world = World::new(limit);
        for step in steps {
            match step {
                Step::Block(changes, in_parts) => world.block(&changes, in_parts),
                Step::Scan(back, columns, most) => {
                    let at = (world.states.len() - 1).saturating_sub(back);
                    let wanted: Vec<_> = COLUMNS
                        .into_iter()
                        .filter(|(i, _)| columns & (1 << i) != 0)
                        .collect();
                    world.check(at, &wanted, most);
                    prop_assert!(world.cache.bytes() <= limit);
                }
            }
        }
    }
}
