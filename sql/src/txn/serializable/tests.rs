//! Tests of the rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use kimberlite_storage::Space;

use super::super::layer::Entry;
use super::*;

const ROWS: StreamKey = StreamKey {
    space: Space::Rows,
    stream: 1,
};

fn written(key: &[u8]) -> Layer {
    let mut layer = Layer::default();
    layer.put(ROWS, key, Entry::update(vec![1], Vec::new()));
    layer
}

fn enter(graph: &mut Graph, snapshot: u64) -> Number {
    graph.enter(TransactionId(snapshot), snapshot, false)
}

#[test]
fn write_skew_costs_one_of_two() {
    let mut graph = Graph::default();
    let (a, b) = (enter(&mut graph, 1), enter(&mut graph, 1));
    let all = Read::Range(Span {
        start: b"",
        end: None,
    });
    graph.read(a, ROWS, all).unwrap();
    graph.read(b, ROWS, all).unwrap();
    graph.write(a, &written(b"x")).unwrap();
    graph.write(b, &written(b"y")).unwrap();
    graph.prepare(a).unwrap();
    graph.committed(a, 2);
    assert_eq!(graph.prepare(b).unwrap_err().sqlstate(), "40001");
    graph.rolled_back(b);
    assert_eq!(graph.len(), 0);
}

#[test]
fn one_conflict_harms_nobody() {
    let mut graph = Graph::default();
    let (a, b) = (enter(&mut graph, 1), enter(&mut graph, 1));
    graph.read(a, ROWS, Read::Point(b"x")).unwrap();
    graph.write(b, &written(b"x")).unwrap();
    graph.prepare(b).unwrap();
    graph.committed(b, 2);
    graph.write(a, &written(b"y")).unwrap();
    graph.prepare(a).unwrap();
    graph.committed(a, 3);
    assert_eq!(graph.len(), 0);
}

#[test]
fn a_reader_of_a_closed_day_gives_way() {
    // The batch reads the date and writes a receipt; the date is moved and that
    // commits; then a report reads both.
    let mut graph = Graph::default();
    let batch = enter(&mut graph, 1);
    graph.read(batch, ROWS, Read::Point(b"date")).unwrap();
    let closing = enter(&mut graph, 1);
    graph.write(closing, &written(b"date")).unwrap();
    graph.prepare(closing).unwrap();
    graph.committed(closing, 2);
    let report = graph.enter(TransactionId(9), 2, true);
    graph.read(report, ROWS, Read::Point(b"date")).unwrap();
    graph.read(report, ROWS, Read::Point(b"receipt")).unwrap();
    // The batch is a pivot now, and the one that it conflicts out to is done.
    let late = graph.write(batch, &written(b"receipt"));
    assert_eq!(late.unwrap_err().sqlstate(), "40001");
}

#[test]
fn many_keys_become_the_whole_stream() {
    let mut graph = Graph::default();
    let (a, b) = (enter(&mut graph, 1), enter(&mut graph, 1));
    for key in 0..5_000_u32 {
        graph
            .read(a, ROWS, Read::Point(&key.to_be_bytes()))
            .unwrap();
    }
    graph.read(b, ROWS, Read::Point(b"other")).unwrap();
    graph.write(b, &written(b"never read")).unwrap();
    graph.write(a, &written(b"other")).unwrap();
    graph.prepare(a).unwrap();
    graph.committed(a, 2);
    assert!(graph.prepare(b).is_err());
}

#[test]
fn those_who_only_read_become_safe() {
    let mut graph = Graph::default();
    let writer = enter(&mut graph, 1);
    let reader = graph.enter(TransactionId(7), 1, true);
    assert_eq!(graph.is_safe(reader), None);
    assert_eq!(graph.awaited(TransactionId(7)), [TransactionId(1)]);
    graph.prepare(writer).unwrap();
    graph.committed(writer, 2);
    assert_eq!(graph.is_safe(reader), Some(true));
}

#[test]
fn emptying_a_table_writes_all_its_rows() {
    let mut graph = Graph::default();
    let (a, b) = (enter(&mut graph, 1), enter(&mut graph, 1));
    graph.read(a, ROWS, Read::Point(b"x")).unwrap();
    graph.read(b, ROWS, Read::Point(b"y")).unwrap();
    graph.write(b, &written(b"x")).unwrap();
    graph.write_all(a, &[ROWS]).unwrap();
    graph.prepare(a).unwrap();
    graph.committed(a, 2);
    assert_eq!(graph.prepare(b).unwrap_err().sqlstate(), "40001");
}

#[test]
fn a_key_that_was_read_and_then_taken_is_a_conflict() {
    let mut graph = Graph::default();
    let (a, b) = (enter(&mut graph, 1), enter(&mut graph, 1));
    for me in [a, b] {
        graph.read(me, ROWS, Read::Point(b"x")).unwrap();
    }
    graph.write(a, &written(b"x")).unwrap();
    graph.prepare(a).unwrap();
    graph.committed(a, 2);
    let taken = graph.would_write(b, ROWS, b"x");
    assert_eq!(taken.unwrap_err().sqlstate(), "40001");
    // Who knows of it already only meets a duplicate.
    let c = enter(&mut graph, 2);
    graph.would_write(c, ROWS, b"x").unwrap();
}
