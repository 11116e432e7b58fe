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
