//! Statements that differ in their literals alone run on one plan, and answer as they
//! do when each is read and planned by itself.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{Raw, query, shown};

/// Made before the statements that are compared.
const TABLES: &[&str] = &[
    "CREATE TABLE t (id int PRIMARY KEY, n numeric(6,2), big bigint, small smallint,
       v varchar(4), s text NOT NULL DEFAULT 'none', c char(3), d date, f real, b bool)",
    "CREATE TABLE k (name varchar(8) PRIMARY KEY, at timestamptz DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE \"T\" (id int PRIMARY KEY, s text)",
    "CREATE SCHEMA other",
    "CREATE TABLE other.t (id int PRIMARY KEY, s text)",
    "INSERT INTO other.t VALUES (1, 'elsewhere')",
];

/// Pairs of one shape, and what comes between them.
const STATEMENTS: &[&str] = &[
    "INSERT INTO t (id, n, big) VALUES (1, 5, 7)",
    "INSERT INTO t (id, n, big) VALUES (2, -5, -7);",
    "INSERT INTO t (id, n, big) VALUES (3, 12345, 7)",
    "INSERT INTO t (id, n, big) VALUES (3, 1, 9000000000)",
    "INSERT INTO t (id, n, big) VALUES (1, 1, 1)",
    "INSERT INTO t (id, n, big) VALUES (9000000000, 1, 1)",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (4, 'abcd', 'it''s', 'x', '2020-02-29', '1.5', 'yes')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (5, 'abcd ', '', 'x  ', 'infinity', 'NaN', 'f')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (6, 'abcde', '', 'x', '2020-02-29', '1', 't')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (6, 'abc', '', 'wxyz', '2020-02-29', '1', 't')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (6, 'abc', '', 'x', '2021-02-29', '1', 't')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (6, 'abc', '', 'x', '2021-02-28', '1e99', 't')",
    "INSERT INTO t (id, v, s, c, d, f, b) VALUES (6, 'abc', NULL, 'x', '2021-02-28', '1', 't')",
    "INSERT INTO t (id, s) VALUES (7, 'a'), (8, 'b')",
    "INSERT INTO t (id, s) VALUES (9, DEFAULT), (10, 'b')",
    "INSERT INTO t (id, s) VALUES (11, 5), (12, 'b')",
    "INSERT INTO t (id, s) VALUES ('13', 5), ('fourteen', 'b')",
    "SELECT * FROM t WHERE id = 1",
    "SELECT * FROM t WHERE id = 4",
    "SELECT * FROM t WHERE id = 404",
    "SELECT * FROM t WHERE id = -1",
    "SELECT * FROM t WHERE id = '5'",
    "SELECT * FROM t WHERE id = 'five'",
    "SELECT * FROM t WHERE id = ' 5 '",
    "SELECT * FROM t WHERE id = 5000000000",
    "SELECT v, t.s AS name FROM t WHERE 5 = id",
    "SELECT nothing FROM t WHERE id = 5",
    "SELECT s FROM nowhere WHERE id = 5",
    "UPDATE t SET big = big + 5, n = n - 2 WHERE id = 1",
    "UPDATE t SET big = big + -5, n = n - -2 WHERE id = 1",
    "UPDATE t SET big = big * 9000000000, n = n + 1 WHERE id = 1",
    "UPDATE t SET big = big * 9000000000, n = n + 1 WHERE id = 1",
    "UPDATE t SET big = 5 + 1 WHERE id = 1",
    "UPDATE t SET big = 9000000000 + 1 WHERE id = 1",
    "SELECT big FROM t WHERE id = 1",
    "UPDATE t SET big = 2147483647 + 1 WHERE id = 1",
    "UPDATE t SET n = n / 0 WHERE id = 1",
    "UPDATE t SET n = n / 3 WHERE id = 1",
    "UPDATE t SET small = 40000 WHERE id = 1",
    "UPDATE t SET small = 4000 WHERE id = 1",
    "UPDATE t SET small = small + 32767 WHERE id = 1",
    "UPDATE t SET s = 'x', v = 'y' WHERE id = 2",
    "UPDATE t SET s = 'x', v = 'yyyyy' WHERE id = 2",
    "UPDATE t SET v = 5 WHERE id = 2",
    "UPDATE t SET v = 55555 WHERE id = 2",
    "UPDATE t SET s = NULL WHERE id = 2",
    "UPDATE t SET b = 1 WHERE id = 2",
    "INSERT INTO k VALUES ('a', '2020-01-01 00:00+00')",
    "INSERT INTO k VALUES ('b', '2020-01-01 12:00')",
    "SET timezone = 'Asia/Tokyo'",
    "INSERT INTO k VALUES ('c', '2020-01-01 12:00')",
    "SELECT * FROM k WHERE name = 'b'",
    "SELECT * FROM k WHERE name = 'c'",
    "SELECT * FROM k WHERE name = 'much longer than it may be'",
    "SELECT * FROM k WHERE name = 'b '",
    "SET datestyle = 'SQL, DMY'",
    "UPDATE t SET d = '01/02/2021' WHERE id = 4",
    "SET datestyle = 'ISO, MDY'",
    "UPDATE t SET d = '01/02/2021' WHERE id = 5",
    "SELECT d FROM t WHERE id = 4",
    "SELECT d FROM t WHERE id = 5",
    "BEGIN",
    "DELETE FROM t WHERE id = 7",
    "SELECT s FROM t WHERE id = 7",
    "ROLLBACK",
    "SELECT s FROM t WHERE id = 7",
    "begin",
    "DELETE FROM t WHERE id = 7",
    "SELECT nothing FROM t WHERE id = 5",
    "DELETE FROM t WHERE id = 8",
    "end",
    "SELECT s FROM t WHERE id = 7",
    "COMMIT",
    "SET search_path = other",
    "SELECT s FROM t WHERE id = 1",
    "INSERT INTO t (id, s) VALUES (7, 'a'), (8, 'b')",
    "RESET search_path",
    "SELECT s FROM t WHERE id = 1",
    "ALTER TABLE t DROP COLUMN c",
    "SELECT * FROM t WHERE id = 1",
    "ALTER TABLE t ALTER COLUMN id TYPE bigint",
    "SELECT * FROM t WHERE id = 1",
    "INSERT INTO t (id, s) VALUES (5000000000, 'a')",
    "SELECT s FROM t WHERE id = 5000000000",
    "ALTER TABLE t RENAME TO renamed",
    "SELECT s FROM t WHERE id = 1",
    "SELECT id, s FROM renamed WHERE id = 1",
    "CREATE TEMPORARY TABLE renamed (id int PRIMARY KEY, s text)",
    "SELECT id, s FROM renamed WHERE id = 1",
    "SET default_transaction_read_only = on",
    "UPDATE other.t SET s = 'x' WHERE id = 1",
    "RESET default_transaction_read_only",
    "UPDATE other.t SET s = 'x' WHERE id = 1",
    "SELECT s FROM other.t WHERE id = 1",
    "SELECT a.s FROM other.t a WHERE a.id = 1; SELECT 1",
    "SELECT s FROM t a WHERE id = 1 LIMIT 1",
    "SELECT s, 5 FROM other.t WHERE id = 1",
    "SELECT id FROM \"T\" WHERE id = 1",
];

fn session(setting: &str) -> (tempfile::TempDir, Server, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let mut raw = Raw::login(&server);
    for sql in TABLES.iter().chain([&setting]) {
        assert!(!raw.query(sql).starts_with("E("), "{sql}");
    }
    (dir, server, raw)
}

#[test]
fn shapes_answer_as_statements_do() {
    let (_dir, _server, mut shapes) = session("SET kimberlite.fast_path = on");
    let (_other_dir, _other_server, mut plain) = session("SET kimberlite.fast_path = off");
    for sql in STATEMENTS {
        shapes.send(&query(sql));
        plain.send(&query(sql));
        let (known, read) = (shapes.until_ready(), plain.until_ready());
        let say = |messages| (shown(messages), errors(messages));
        assert_eq!(say(&known), say(&read), "{sql}");
    }
}

/// Message, detail, hint and position of the errors.
fn errors(messages: &[support::raw::Message]) -> Vec<[Option<String>; 4]> {
    let errors = messages.iter().filter(|message| message.kind == b'E');
    errors
        .map(|error| [b'M', b'D', b'H', b'P'].map(|code| error.field(code)))
        .collect()
}

#[test]
fn the_activity_view_shows_the_statement_as_it_came() {
    let (_dir, server, mut raw) = session("SET kimberlite.fast_path = on");
    for id in [1, 2] {
        raw.query(&format!("INSERT INTO t (id) VALUES ({id});"));
    }
    let mut other = Raw::login(&server);
    let shown = other.query("SELECT query FROM pg_stat_activity WHERE query LIKE 'INSERT%'");
    assert!(
        shown.contains("D(INSERT INTO t (id) VALUES (2))"),
        "{shown}"
    );
}

#[test]
fn a_transaction_begins_when_it_is_told_to() {
    let (_dir, server, mut raw) = session("SET kimberlite.fast_path = on");
    let mut other = Raw::login(&server);
    for _ in 0..2 {
        raw.query("BEGIN");
        let before = other.query("SELECT clock_timestamp()");
        let after = raw.query("SELECT now()");
        assert!(after < before, "{after} is not before {before}");
        raw.query("COMMIT");
    }
}
