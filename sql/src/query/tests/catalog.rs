//! `catalog.txt`: queries of the system catalogs with PostgreSQL's answers.

use super::answers::{cases, check};
use super::fixture::clinic;

#[test]
fn the_catalogs_say_what_postgresqls_say() {
    let fixture = clinic();
    let cases = cases(include_str!("catalog.txt"));
    assert!(cases.len() > 45);
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
fn a_database_sees_no_other() {
    let fixture = clinic();
    assert_eq!(
        fixture.query("SELECT datname FROM pg_database").lines(),
        "clinic"
    );
}

#[test]
fn every_system_relation_can_be_read() {
    let fixture = clinic();
    let names = fixture.query(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'public'",
    );
    assert!(names.rows.len() > 80, "{}", names.rows.len());
    for row in &names.rows {
        let name = row.join("");
        let all = fixture.query(&format!("SELECT * FROM {name}"));
        let counted = fixture.query(&format!("SELECT count(*) FROM {name}"));
        assert_eq!(counted.lines(), all.rows.len().to_string(), "{name}");
    }
}

#[test]
fn a_table_is_never_hidden_by_its_own_schema() {
    let mut fixture = clinic();
    let integer = crate::types::PgType::Int4;
    fixture.table("pg_class", &[("mine", integer, true)], 1, &[], &[&["7"]]);
    // The system's relation is found first, the table by its schema.
    assert_eq!(
        fixture.query("SELECT mine FROM public.pg_class").lines(),
        "7"
    );
    assert!(fixture.error("SELECT mine FROM pg_class").is("42703"));
    let shown = fixture.query(
        "SELECT oid::regclass FROM pg_class WHERE relname = 'pg_class' ORDER BY relnamespace",
    );
    assert_eq!(shown.lines(), "pg_class\npublic.pg_class");
}

#[test]
fn names_of_nothing_are_refused_as_postgresql_refuses_them() {
    let fixture = clinic();
    for (sql, code) in [
        ("SELECT 'nothing'::regclass", "42P01"),
        ("SELECT 'nowhere.patient'::regclass", "3F000"),
        ("SELECT 'nothing'::regtype", "42704"),
        ("SELECT 'nothing'::regproc", "42883"),
        ("SELECT 'nothing'::regnamespace", "3F000"),
        ("SELECT 'nobody'::regrole", "42704"),
        ("SELECT 'a.'::regclass", "42602"),
        ("SELECT has_table_privilege('nothing', 'SELECT')", "42P01"),
        (
            "SELECT has_table_privilege('nobody', 'patient', 'SELECT')",
            "42704",
        ),
        (
            "SELECT pg_get_serial_sequence('patient', 'nothing')",
            "42703",
        ),
        ("SELECT * FROM pg_catalog.nothing", "42P01"),
        ("SELECT nothing FROM pg_class", "42703"),
    ] {
        assert!(
            fixture.error(sql).is(code),
            "{sql}: {:?}",
            fixture.error(sql)
        );
    }
}
