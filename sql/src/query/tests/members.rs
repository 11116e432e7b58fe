//! `members.txt`: IN and NOT IN of subqueries, with PostgreSQL's answers.

use super::answers::{cases, check};
use super::fixture::Fixture;
use crate::types::PgType;

/// `e` holds 1 to 4, `n` pairs of numbers some of which are NULL.
fn numbers() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.table(
        "e",
        &[("x", PgType::Int4, true)],
        1,
        &[],
        &[&["1"], &["2"], &["3"], &["4"]],
    );
    fixture.table(
        "n",
        &[
            ("k", PgType::Int4, true),
            ("a", PgType::Int4, false),
            ("b", PgType::Int4, false),
        ],
        1,
        &[],
        &[&["1", "1", "1"], &["2", "2", "∅"], &["3", "∅", "3"]],
    );
    fixture
}

/// What no join can say yet.
const REFUSED: &[&str] = &[
    "SELECT x, (SELECT 7 + max(c) FROM (SELECT count(*) AS c FROM n WHERE a = e.x) s WHERE c = 0) FROM e",
    "SELECT x, (SELECT c FROM (SELECT count(*) AS c FROM n WHERE a = e.x) s) FROM e",
    "SELECT x, (SELECT max(b) FROM n WHERE a = e.x LIMIT 1) FROM e",
    "SELECT x FROM e WHERE EXISTS (SELECT 1 FROM (SELECT count(*) FROM n WHERE a = e.x) s)",
    "SELECT x FROM e WHERE 0 IN (SELECT c FROM (SELECT count(*) AS c FROM n WHERE a = e.x) s)",
    "SELECT x FROM e WHERE (1, 2) NOT IN (SELECT a, b FROM n) ORDER BY x",
    "SELECT x FROM e WHERE (1, 2) IN (SELECT a, b FROM n) ORDER BY x",
    "SELECT count(*) FILTER (WHERE 9 NOT IN (SELECT a FROM n)), count(*) FILTER (WHERE x NOT IN (SELECT a FROM n)) FROM e",
    "SELECT x FROM e WHERE 9 NOT IN (SELECT e.x FROM n) ORDER BY x",
    "SELECT a FROM n WHERE 9 NOT IN (SELECT n.a FROM e) ORDER BY a",
    "SELECT a FROM n WHERE a NOT IN (SELECT n.b FROM e) ORDER BY a",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE e.x NOT IN (SELECT a FROM n))",
    "SELECT x FROM e WHERE (SELECT max(a) FROM n WHERE a = e.x) NOT IN (SELECT 2) ORDER BY x",
    "SELECT x NOT IN (SELECT a FROM n), count(*) FROM e GROUP BY 1 ORDER BY 1",
    "SELECT x FROM e WHERE x NOT IN (SELECT b FROM n WHERE a = e.x ORDER BY b LIMIT 1) ORDER BY x",
    "SELECT x FROM e WHERE (x IN (SELECT a FROM n)) IN (SELECT true) ORDER BY x",
    "SELECT x FROM e WHERE (x IN (SELECT a FROM n)) NOT IN (SELECT true) ORDER BY x",
    "SELECT x FROM e ORDER BY x NOT IN (SELECT a FROM n), x",
    "SELECT x FROM e WHERE x IN (SELECT a FROM n WHERE a = 1 AND x NOT IN (SELECT 5)) ORDER BY x",
    "SELECT x FROM e WHERE 0 NOT IN (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) > 0) ORDER BY x",
    "SELECT x FROM e WHERE 0 IN (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) = 0) ORDER BY x",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE e.x IN (SELECT a FROM n))",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE e.x + n.a NOT IN (SELECT a FROM n WHERE a IS NOT NULL))",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE e.x + n.a NOT IN (SELECT a FROM n))",
    "SELECT x FROM e WHERE EXISTS (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) = 0) ORDER BY x",
    "SELECT x FROM e WHERE 9 NOT IN (SELECT e.x) ORDER BY x",
    "SELECT x FROM e WHERE x IN (SELECT e.x) ORDER BY x",
    "SELECT x FROM e WHERE x NOT IN (SELECT e.x + 1) ORDER BY x",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE n.a = e.x AND e.x IN (SELECT a FROM n))",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE n.a = e.x AND e.x + n.a IN (SELECT a FROM n))",
    "SELECT count(*) FROM e WHERE EXISTS (SELECT 1 FROM n WHERE n.a = e.x AND e.x + n.a NOT IN (SELECT a FROM n WHERE a IS NOT NULL))",
    "SELECT count(*) FROM e WHERE e.x IN (SELECT n.a FROM n WHERE e.x IN (SELECT a FROM n))",
    "SELECT x, (SELECT count(*) FROM n WHERE n.a = e.x AND e.x IN (SELECT a FROM n)) FROM e ORDER BY x",
    "SELECT x, (SELECT max(a) FROM n WHERE e.x IN (SELECT a FROM n)) FROM e ORDER BY x",
    "SELECT x, (SELECT max(a) FROM n WHERE a = 1 AND e.x NOT IN (SELECT a FROM n WHERE a IS NOT NULL)) FROM e ORDER BY x",
    "SELECT x, (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) = 0) FROM e ORDER BY x",
    "SELECT x FROM e WHERE (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) = 0) = 0",
    "SELECT x, EXISTS (SELECT max(b) FROM n WHERE a = e.x), EXISTS (SELECT count(*) FROM n WHERE a = e.x HAVING count(*) = 0) FROM e ORDER BY x",
];

#[test]
fn membership_may_be_unknown() {
    let fixture = numbers();
    let cases = cases(include_str!("members.txt"));
    assert!(cases.len() > 140);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(&fixture, case).err())
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_not_right_is_refused() {
    let fixture = numbers();
    for query in REFUSED {
        let error = fixture.try_query(query, Vec::new()).unwrap_err();
        assert_eq!(error.sqlstate(), "0A000", "{query}: {error:?}");
    }
}
