//! `answers.txt`: queries with PostgreSQL's answers.

use super::fixture::{Fixture, clinic};

pub(super) struct Case<'a> {
    sql: &'a str,
    names: &'a str,
    types: &'a str,
    rows: Vec<&'a str>,
}

pub(super) fn cases(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(sql) = line.strip_prefix("> ") {
            cases.push(Case {
                sql,
                names: "",
                types: "",
                rows: Vec::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(names) = line.strip_prefix(": ") {
            case.names = names;
        } else if let Some(types) = line.strip_prefix("= ") {
            case.types = types;
        } else if !line.is_empty() && !line.starts_with(['#', '!']) {
            case.rows.push(line);
        }
    }
    cases
}

pub(super) fn check(fixture: &Fixture, case: &Case<'_>) -> Result<(), String> {
    let answer = fixture
        .try_query(case.sql, Vec::new())
        .map_err(|e| format!("{}\n    {e:?}", case.sql))?;
    let rows = case.rows.join("\n");
    let ours = [
        answer.names.join(","),
        answer.types.join(","),
        answer.lines(),
    ];
    let theirs = [case.names.to_owned(), case.types.to_owned(), rows];
    if ours == theirs {
        return Ok(());
    }
    let mut report = case.sql.to_owned();
    for (a, b) in ours.iter().zip(&theirs) {
        if a != b {
            report.push_str(&format!("\n    ours   {a}\n    theirs {b}"));
        }
    }
    Err(report)
}

#[test]
fn answers_are_postgresqls() {
    let fixture = clinic();
    // Another file of cases can be tried by hand.
    let given = std::env::var("KIMBERLITE_ANSWERS")
        .map(|path| std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|_| include_str!("answers.txt").to_owned());
    let cases = cases(&given);
    assert!(cases.len() > 70);
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
fn functions_of_the_session_know_it() {
    let mut fixture = clinic();
    fixture.zone = chrono_tz::Tz::Europe__Oslo;
    let answer = fixture.query(
        "SELECT now(), current_date, current_user, current_database(), current_schema(), pg_backend_pid(), \
         version(), current_setting('search_path'), localtimestamp, now()::text",
    );
    assert_eq!(
        answer.lines(),
        "2024-05-17 14:34:56.789+02|2024-05-17|alice|clinic|public|42|\
         PostgreSQL 15.0 (Kimberlite)|\"$user\", public|2024-05-17 14:34:56.789|2024-05-17 14:34:56.789+02"
    );
    assert_eq!(
        answer.names,
        [
            "now",
            "current_date",
            "current_user",
            "current_database",
            "current_schema",
            "pg_backend_pid",
            "version",
            "current_setting",
            "localtimestamp",
            "now"
        ]
    );
}

#[test]
fn a_random_uuid_is_new_for_every_row() {
    let fixture = clinic();
    let answer = fixture
        .query("SELECT count(DISTINCT u) FROM (SELECT gen_random_uuid() AS u FROM patient) s");
    assert_eq!(answer.lines(), "4");
}
