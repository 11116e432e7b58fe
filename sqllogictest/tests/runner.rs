//! The runner against a real PostgreSQL: every reason class, both dialects,
//! files apart from each other, going on after an interruption.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use kimberlite_sqllogictest::run::{Options, find_files, run};
use kimberlite_sqllogictest::score::{Reason, Report};
use kimberlite_sqllogictest::scratch::Isolation;
use kimberlite_sqllogictest::session::{Answer, Session};
use kimberlite_sqllogictest::target::Target;
use support::{Postgres, run_texts};

const ALL_REASONS: &str = "\
statement ok
CREATE TABLE t (a int, b text)

statement count 2
INSERT INTO t VALUES (1, 'x'), (2, NULL)

statement count 1
DELETE FROM t WHERE a > 100

query IT
SELECT a, b FROM t ORDER BY a
----
1 x
2 y

query I
SELECT a, b FROM t ORDER BY a
----
1

statement ok
SELECT * FROM missing

statement ok
DO $$ BEGIN RAISE EXCEPTION 'no such thing here' USING ERRCODE = '0A000'; END $$

statement error
SELECT 1

statement error (42P01)
SELECT nothing FROM t

query error no such table
SELECT * FROM missing

statement error
DO $$ BEGIN RAISE EXCEPTION 'we are broken' USING ERRCODE = 'XX000'; END $$

statement ok
SELECT pg_sleep(600)

statement ok
SELECT pg_terminate_backend(pg_backend_pid())

system ok
echo hello

query IT
SELECT a, b FROM t ORDER BY a
----
1 x
2 NULL

statement error (42P01)
SELECT * FROM missing

query error relation .* does not exist
SELECT * FROM missing
";

fn reasons(report: &Report) -> Vec<(u32, Reason)> {
    report
        .files
        .iter()
        .flat_map(|f| f.misses.iter().map(|m| (m.line, m.reason)))
        .collect()
}

async fn value(url: &str, sql: &str) -> String {
    let target = Target::parse(url).unwrap();
    let mut session = Session::open(&target, Duration::from_secs(30))
        .await
        .unwrap();
    let answer = session.run(sql).await.unwrap();
    session.close().await;
    match answer {
        Answer::Rows { rows, .. } => rows[0][0].clone().unwrap(),
        Answer::Done(count) => panic!("no rows, count {count}"),
    }
}

const LEFT_BEHIND: &str = "SELECT count(*) FROM pg_database WHERE datname LIKE 'slt%'";

#[tokio::test]
async fn every_miss_has_its_reason_and_the_file_goes_on() {
    let postgres = Postgres::start(&[]);
    let options = Options {
        limit: Duration::from_secs(5),
        ..postgres.options()
    };
    let report = run_texts(options, &[("a.slt", ALL_REASONS)]).await;
    assert_eq!(
        reasons(&report),
        [
            (7, Reason::WrongResult),
            (10, Reason::WrongResult),
            (16, Reason::WrongResult),
            (21, Reason::Error),
            (24, Reason::NotSupported),
            (27, Reason::NoError),
            (30, Reason::WrongError),
            (33, Reason::WrongError),
            (36, Reason::Internal),
            (39, Reason::Timeout),
            (42, Reason::LostConnection),
            (45, Reason::NotRun),
        ]
    );
    assert_eq!((report.totals.records, report.totals.passed), (17, 5));
    let file = &report.files[0];
    assert_eq!(file.given_up, None);
    let wrong = &file.misses[1];
    assert_eq!(wrong.expected.as_deref(), Some("1 x\n2 y"));
    assert_eq!(wrong.actual.as_deref(), Some("1 x\n2 NULL"));
    assert_eq!(file.misses[3].sqlstate.as_deref(), Some("42P01"));
    assert_eq!(value(&postgres.url, LEFT_BEHIND).await, "0");
}

#[tokio::test]
async fn sqlite_files_are_read_as_sqlite_means_them() {
    let postgres = Postgres::start(&[]);
    let text = "\
hash-threshold 8

statement ok
CREATE TABLE t1(a INTEGER, b INTEGER)

statement ok
INSERT INTO t1 VALUES(3, 10)

statement ok
INSERT INTO t1 VALUES(20, 1)

onlyif mysql # DIV for integer division:
query I rowsort label-1
SELECT a DIV 2 FROM t1
----
1
10

skipif mysql # not compatible
query I rowsort label-1
SELECT a / 2 FROM t1
----
1
10

query IIR valuesort
SELECT a, b, a * 0.5 FROM t1
----
1
1.500
10
10.000
20
3

query I rowsort label-1
SELECT b FROM t1
----
1
10

query I rowsort
SELECT a FROM t1
----
2 values hashing to 2f4a95ab1ac9ae6a3c0b2b1f9a4a37fb

query I rowsort label-1
SELECT a FROM t1
----
20
3

onlyif sqlite
halt

query R nosort
SELECT AVG(a) FROM t1
----
11.500

halt

query I nosort
SELECT 1
----
2
";
    let report = run_texts(postgres.options(), &[("a.test", text)]).await;
    // The invented hash, and a result that the label's other queries do not have.
    assert_eq!(
        reasons(&report),
        [(42, Reason::WrongResult), (47, Reason::WrongResult)]
    );
    assert_eq!((report.totals.records, report.totals.skipped), (9, 1));
}

#[tokio::test]
async fn variables_connections_includes_and_retries() {
    let postgres = Postgres::start(&[]);
    let included = "statement ok\nCREATE TABLE inc (a int)\n";
    let text = "\
include inc.part

let top, name
SELECT 41, 'z'

control substitution on

query IT
SELECT $top + 1, '${name}z'
----
42 zz

control substitution off

query T
SELECT '$top'
----
$top

statement ok
BEGIN

statement ok
INSERT INTO inc VALUES (1)

connection other
query I
SELECT count(*) FROM inc
----
0

statement ok
COMMIT

connection other
query I
SELECT count(*) FROM inc
----
1

statement ok
CREATE SEQUENCE s

query I retry 5 backoff 1ms
SELECT nextval('s')
----
3
";
    let report = run_texts(
        postgres.options(),
        &[("a.slt", text), ("inc.part", included)],
    )
    .await;
    assert_eq!(reasons(&report), []);
    assert_eq!((report.totals.files, report.totals.records), (1, 11));
}

#[tokio::test]
async fn files_have_places_of_their_own_in_both_ways() {
    let postgres = Postgres::start(&[]);
    let one = "statement ok\nCREATE TABLE same (a int)\n\nstatement ok\nINSERT INTO same VALUES (1)\n\nquery I\nSELECT count(*) FROM same\n----\n1\n";
    for isolation in [Isolation::Database, Isolation::Schema] {
        let options = Options {
            isolation,
            jobs: 3,
            ..postgres.options()
        };
        let report = run_texts(options, &[("a.slt", one), ("b.slt", one), ("c.slt", one)]).await;
        assert_eq!(reasons(&report), []);
        assert_eq!((report.totals.files, report.totals.passed), (3, 9));
    }
    assert_eq!(value(&postgres.url, LEFT_BEHIND).await, "0");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'slt%'";
    assert_eq!(value(&postgres.url, schemas).await, "0");
}

#[tokio::test]
async fn an_interrupted_run_goes_on_with_what_is_left() {
    let postgres = Postgres::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let options = Options {
        state: Some(file("state")),
        ..postgres.options()
    };
    let good = "statement ok\nSELECT 1\n";
    std::fs::write(file("a.slt"), good).unwrap();
    let first = run(find_files(&[file("a.slt")]).unwrap(), options.clone())
        .await
        .unwrap();
    assert!(first.is_clean());

    // If it ran again it would miss now.
    std::fs::write(file("a.slt"), "statement ok\nSELECT broken\n").unwrap();
    std::fs::write(file("b.slt"), good).unwrap();
    let files = find_files(&[folder.path().to_owned()]).unwrap();
    let second = run(files.clone(), options.clone()).await.unwrap();
    assert!(second.is_clean());
    assert_eq!(second.totals.files, 2);

    let fresh = Options {
        state: Some(file("other-state")),
        ..options
    };
    assert!(!run(files, fresh).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_broken_file_and_a_dead_server_are_said() {
    let postgres = Postgres::start(&[]);
    let texts = [
        ("a.slt", "statement maybe\nSELECT 1\n"),
        ("b.slt", "statement ok\nSELECT 1\n"),
    ];
    let report = run_texts(postgres.options(), &texts).await;
    assert!(!report.is_clean());
    let why = report.files[0].given_up.as_deref().unwrap();
    assert!(why.contains("a.slt:1"), "{why}");
    assert!(report.files[1].is_clean());

    let options = postgres.options();
    drop(postgres);
    let error = run(vec![PathBuf::from("x.slt")], options)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot connect"), "{error}");
}
