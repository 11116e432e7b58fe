//! Which access path a query takes, and what EXPLAIN says about it.

use super::fixture::clinic;

fn scan(sql: &str) -> String {
    let fixture = clinic();
    let lines = fixture.plan(sql).unwrap().explain().unwrap();
    lines
        .iter()
        .filter(|line| line.contains("Scan"))
        .map(|line| {
            let line = line.trim().trim_start_matches("TableScan: ");
            line.split(" rows=").next().unwrap().to_owned()
        })
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn equality_on_the_key_reads_one_key() {
    assert_eq!(
        scan("SELECT name FROM patient WHERE id = 3"),
        "Index Scan using patient_pkey on patient ranges=1"
    );
    assert_eq!(
        scan("SELECT name FROM patient WHERE id IN (1, 3, 4)"),
        "Index Scan using patient_pkey on patient ranges=3"
    );
    assert_eq!(
        scan("SELECT name FROM patient WHERE id = 1 OR id = 2"),
        "Index Scan using patient_pkey on patient ranges=2"
    );
}

#[test]
fn a_prefix_and_a_range_read_a_range() {
    assert_eq!(
        scan("SELECT cost FROM visit WHERE patient = 1 AND at > '2024-02-01'"),
        "Index Scan using visit_pkey on visit ranges=1"
    );
    assert_eq!(
        scan("SELECT cost FROM visit WHERE patient BETWEEN 1 AND 3"),
        "Index Scan using visit_pkey on visit ranges=1"
    );
    assert_eq!(
        scan("SELECT cost FROM visit WHERE at > '2024-02-01'"),
        "Seq Scan on visit"
    );
}

#[test]
fn an_index_is_used_when_the_key_does_not_help() {
    assert_eq!(
        scan("SELECT id FROM patient WHERE city = 'Oslo'"),
        "Index Scan using patient_city on patient ranges=1"
    );
    assert_eq!(
        scan("SELECT id FROM patient WHERE name = 'Bob'"),
        "Index Scan using patient_name on patient ranges=1"
    );
    assert_eq!(
        scan("SELECT id FROM patient WHERE name = 'Bob' AND id = 2"),
        "Index Scan using patient_pkey on patient ranges=1"
    );
    assert_eq!(
        scan("SELECT id FROM patient WHERE lower(name) = 'bob'"),
        "Seq Scan on patient"
    );
}

#[test]
fn key_order_saves_the_sort() {
    let fixture = clinic();
    let explain = |sql: &str| fixture.plan(sql).unwrap().explain().unwrap().join("\n");
    assert!(!explain("SELECT patient, at FROM visit ORDER BY patient, at").contains("Sort"));
    assert!(explain("SELECT patient, at FROM visit ORDER BY at").contains("Sort"));
}

#[test]
fn an_impossible_condition_reads_nothing() {
    let fixture = clinic();
    assert_eq!(
        fixture
            .query("SELECT * FROM patient WHERE id = 1 AND id = 2")
            .rows
            .len(),
        0
    );
    assert_eq!(
        fixture
            .query("SELECT * FROM patient WHERE id > 3 AND id < 2")
            .rows
            .len(),
        0
    );
    assert_eq!(
        fixture
            .query("SELECT * FROM patient WHERE id = NULL")
            .rows
            .len(),
        0
    );
}

#[test]
fn row_locks_are_reported_and_not_ignored() {
    let fixture = clinic();
    let plan = fixture.plan("SELECT * FROM patient FOR UPDATE").unwrap();
    assert_eq!(plan.lock_clauses()[0].to_string(), "FOR UPDATE");
    let error = fixture.error("SELECT * FROM (SELECT * FROM patient FOR UPDATE) s");
    assert_eq!(error.sqlstate(), "0A000");
}

#[test]
fn result_columns_know_their_table() {
    let fixture = clinic();
    let plan = fixture
        .plan("SELECT name, city AS c, id + 1 FROM patient")
        .unwrap();
    let patient = fixture
        .catalog
        .tables()
        .find(|t| t.name == "patient")
        .unwrap();
    let origins: Vec<(u32, i16)> = plan
        .columns()
        .iter()
        .map(|c| (c.table_oid, c.attnum))
        .collect();
    assert_eq!(origins, [(patient.oid, 2), (patient.oid, 5), (0, 0)]);
    assert_eq!(plan.tables(), [patient.oid]);
}
