//! Histories with an anomaly planted in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
use super::*;

fn append(key: u64, value: u64) -> Op {
    Op::Append { key, value }
}

fn read(key: u64, list: &[u64]) -> Op {
    Op::Read {
        key,
        list: list.to_vec(),
    }
}

fn done(ops: &[Op]) -> Transaction {
    Transaction {
        ops: ops.to_vec(),
        outcome: Outcome::Committed,
    }
}

fn undone(ops: &[Op]) -> Transaction {
    Transaction {
        ops: ops.to_vec(),
        outcome: Outcome::RolledBack,
    }
}

fn kinds(history: &[Transaction]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = check(history).iter().map(|a| a.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn a_serial_history_is_clean() {
    let history = [
        done(&[append(1, 10), read(1, &[10])]),
        done(&[read(1, &[10]), append(2, 20)]),
        undone(&[append(1, 99)]),
        done(&[append(1, 11), append(2, 21)]),
        done(&[read(1, &[10, 11]), read(2, &[20, 21]), read(3, &[])]),
    ];
    assert_eq!(kinds(&history), []);
}

#[test]
fn writes_in_a_cycle_are_g0() {
    let history = [
        done(&[append(1, 10), append(2, 20)]),
        done(&[append(1, 11), append(2, 21)]),
        done(&[read(1, &[10, 11]), read(2, &[21, 20])]),
    ];
    assert_eq!(kinds(&history), [Kind::G0]);
}

#[test]
fn what_was_rolled_back_must_not_be_read() {
    let history = [
        undone(&[append(1, 10)]),
        done(&[read(1, &[10])]),
        done(&[read(1, &[])]),
    ];
    assert!(kinds(&history).contains(&Kind::G1a));
}

#[test]
fn the_middle_of_a_transaction_must_not_be_read() {
    let history = [
        done(&[append(1, 10), append(1, 11)]),
        done(&[read(1, &[10])]),
        done(&[read(1, &[10, 11])]),
    ];
    assert!(kinds(&history).contains(&Kind::G1b));
}

#[test]
fn reading_each_other_is_g1c() {
    let history = [
        done(&[append(1, 10), read(2, &[20])]),
        done(&[append(2, 20), read(1, &[10])]),
        done(&[read(1, &[10]), read(2, &[20])]),
    ];
    assert_eq!(kinds(&history), [Kind::G1c]);
}

#[test]
fn read_skew_is_g_single() {
    let history = [
        done(&[append(1, 10), append(2, 20)]),
        done(&[read(1, &[]), read(2, &[20])]),
        done(&[read(1, &[10]), read(2, &[20])]),
    ];
    assert_eq!(kinds(&history), [Kind::GSingle]);
}

#[test]
fn a_lost_update_is_g_single() {
    let history = [
        done(&[read(1, &[]), append(1, 10)]),
        done(&[read(1, &[]), append(1, 11)]),
        done(&[read(1, &[10, 11])]),
    ];
    assert_eq!(kinds(&history), [Kind::GSingle]);
}

#[test]
fn long_forks_are_no_cycle_of_one_snapshot() {
    // Two readers see two writers in different orders.
    let history = [
        done(&[append(1, 10)]),
        done(&[append(2, 20)]),
        done(&[read(1, &[10]), read(2, &[])]),
        done(&[read(1, &[]), read(2, &[20])]),
        done(&[read(1, &[10]), read(2, &[20])]),
    ];
    assert_eq!(kinds(&history), [Kind::GNonadjacent]);
    assert!(Level::RepeatableRead.forbids(Kind::GNonadjacent));
}

#[test]
fn write_skew_is_g2() {
    let history = [
        done(&[read(1, &[]), read(2, &[]), append(1, 10)]),
        done(&[read(1, &[]), read(2, &[]), append(2, 20)]),
        done(&[read(1, &[10]), read(2, &[20])]),
    ];
    assert_eq!(kinds(&history), [Kind::G2Item]);
    assert!(!Level::RepeatableRead.forbids(Kind::G2Item));
    assert!(Level::Serializable.forbids(Kind::G2Item));
}

#[test]
fn a_reader_completes_the_anomaly_of_one_that_only_reads() {
    // Deposit, then a withdrawal with an old snapshot; the reader sees one of them.
    let history = [
        done(&[append(1, 10)]),
        done(&[read(1, &[]), read(2, &[]), append(2, 20)]),
        done(&[read(1, &[10]), read(2, &[])]),
        done(&[read(1, &[10]), read(2, &[20])]),
    ];
    assert_eq!(kinds(&history), [Kind::G2Item]);
}

#[test]
fn lists_that_no_order_explains_are_seen() {
    let end = |list: &[u64]| done(&[read(1, list)]);
    let wrote = |value| done(&[append(1, value)]);
    let cases: [(Kind, Vec<Transaction>); 4] = [
        (Kind::Garbage, vec![end(&[5])]),
        (Kind::Twice, vec![wrote(10), end(&[10, 10])]),
        (Kind::Lost, vec![wrote(10), wrote(11), end(&[11])]),
        (
            Kind::NoOrder,
            vec![wrote(10), wrote(11), end(&[10, 11]), end(&[11])],
        ),
    ];
    for (kind, history) in cases {
        assert!(kinds(&history).contains(&kind), "{kind:?}");
    }
    let blind = [done(&[append(1, 10), read(1, &[])]), end(&[10])];
    assert_eq!(kinds(&blind), [Kind::OwnWrites]);
}

#[test]
fn what_is_open_counts_when_it_was_seen() {
    let open = Transaction {
        ops: vec![append(1, 10)],
        outcome: Outcome::Open,
    };
    let unseen = [open.clone(), done(&[read(1, &[])])];
    assert_eq!(kinds(&unseen), []);
    let seen = [open, done(&[read(1, &[])]), done(&[read(1, &[10])])];
    assert_eq!(kinds(&seen), []);
}

#[test]
fn a_seed_makes_the_same_workload_again() {
    for number in 0..500 {
        let planned = plan(7, number);
        assert_eq!(planned, plan(7, number));
        assert!(!planned.statements.is_empty());
    }
    assert_ne!(
        (0..50).map(|n| plan(7, n)).collect::<Vec<_>>(),
        (0..50).map(|n| plan(8, n)).collect::<Vec<_>>()
    );
}
