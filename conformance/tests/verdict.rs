//! What counts as the same answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kimberlite_conformance::verdict::{Class, Verdict, judge};
use kimberlite_conformance::wire::{Answer, Column, Outcome, Report, ResultSet};

fn rows(name: &str, values: &[&str]) -> Outcome {
    Outcome::Answered(Answer {
        results: vec![ResultSet {
            columns: Some(vec![Column {
                name: name.to_owned(),
                type_oid: 25,
            }]),
            rows: values.iter().map(|v| vec![Some((*v).to_owned())]).collect(),
            tag: format!("SELECT {}", values.len()),
        }],
        ..Answer::default()
    })
}

fn error(sqlstate: &str) -> Outcome {
    Outcome::Answered(Answer {
        error: Some(Report {
            sqlstate: sqlstate.to_owned(),
            message: "no \"a\" in 12".to_owned(),
            ..Report::default()
        }),
        ..Answer::default()
    })
}

fn class(statement: &str, postgres: &Outcome, ours: &Outcome) -> Option<Class> {
    match judge(statement, postgres, ours) {
        Verdict::Miss(class, _) => Some(class),
        _ => None,
    }
}

#[test]
fn rows_may_change_places_only_where_no_order_was_asked_for() {
    let (a, b) = (rows("x", &["1", "2"]), rows("x", &["2", "1"]));
    assert_eq!(judge("SELECT x FROM t", &a, &a), Verdict::Same);
    assert_eq!(judge("SELECT x FROM t", &a, &b), Verdict::Unordered);
    let inner = "SELECT x FROM (SELECT 1 ORDER BY 1) t";
    assert_eq!(judge(inner, &a, &b), Verdict::Unordered);
    assert_eq!(
        class("SELECT x FROM t ORDER BY x", &a, &b),
        Some(Class::Order)
    );
    assert_eq!(
        class("SELECT x", &a, &rows("x", &["1", "1"])),
        Some(Class::Wrong)
    );
    assert_eq!(
        class("SELECT x", &a, &rows("y", &["1", "2"])),
        Some(Class::Wrong)
    );
    assert_eq!(
        class("EXPLAIN SELECT x", &a, &rows("x", &["1"])),
        Some(Class::Plan)
    );
}

#[test]
fn errors_count_by_class() {
    let answer = rows("x", &["1"]);
    for (postgres, ours, wanted) in [
        (error("22003"), error("22012"), None),
        (error("22003"), error("42601"), Some(Class::OtherError)),
        (error("22003"), error("0A000"), Some(Class::OtherError)),
        (error("22003"), answer.clone(), Some(Class::Accepted)),
        (answer.clone(), error("0A000"), Some(Class::NotSupported)),
        (answer.clone(), error("42883"), Some(Class::Error)),
        (answer.clone(), error("XX000"), Some(Class::Internal)),
        (error("22003"), error("XX000"), Some(Class::Internal)),
        (error("XX000"), error("XX000"), None),
        (answer.clone(), Outcome::Timeout, Some(Class::Timeout)),
        (
            answer.clone(),
            Outcome::Lost("gone".into()),
            Some(Class::Disconnect),
        ),
    ] {
        assert_eq!(
            class("SELECT x", &postgres, &ours),
            wanted,
            "{postgres:?} {ours:?}"
        );
    }
}

#[test]
fn equal_reasons_are_equal_texts() {
    let Verdict::Miss(_, reason) = judge("SELECT x", &rows("x", &[]), &error("42883")) else {
        panic!("no miss");
    };
    assert_eq!(reason, "42883 no \"…\" in #");
}
