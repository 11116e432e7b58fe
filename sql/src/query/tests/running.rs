//! What happens while a query runs: parameters, own changes, limits, stopping.

use std::sync::Arc;

use super::fixture::{Fixture, clinic};
use crate::cancel::CancelReason;
use crate::query::{RowOverride, StoredRow};
use crate::txn::{Entry, Layer, StreamKey};
use crate::types::{Datum, Numeric, PgType, RowLayout};

#[test]
fn parameters_take_the_type_of_their_place() {
    let fixture = clinic();
    let plan = fixture
        .plan("SELECT name, $3 FROM patient WHERE id = $1 AND weight > $2 AND born < $4::date LIMIT $5")
        .unwrap();
    assert_eq!(
        plan.parameter_types(),
        [
            PgType::Int4,
            PgType::Numeric(None),
            PgType::Text,
            PgType::Date,
            PgType::Int8
        ]
    );
    let params = vec![
        Datum::Int4(2),
        Datum::Numeric(Numeric::parse("80").unwrap()),
        Datum::text("x"),
        Datum::Date(0),
        Datum::Int8(1),
    ];
    let run = fixture.run_of(fixture.view(&[]), params);
    assert_eq!(fixture.answer(&plan, run).unwrap().lines(), "Bob|x");
    let run = fixture.run_of(fixture.view(&[]), vec![Datum::Null; 5]);
    assert_eq!(fixture.answer(&plan, run).unwrap().lines(), "");
}

#[test]
fn a_declared_parameter_type_wins() {
    let fixture = clinic();
    let mut context = fixture.context();
    context.param_types = vec![Some(PgType::Int8)];
    let plan = fixture
        .plan_in("SELECT id FROM patient WHERE id = $1", &context)
        .unwrap();
    assert_eq!(plan.parameter_types(), [PgType::Int8]);
    let run = fixture.run_of(fixture.view(&[]), vec![Datum::Int8(3)]);
    assert_eq!(fixture.answer(&plan, run).unwrap().lines(), "3");
}

#[test]
fn too_few_parameters_are_refused() {
    let fixture = clinic();
    let error = fixture.try_query("SELECT $1::int", Vec::new()).unwrap_err();
    assert_eq!(error.sqlstate(), "08P01");
}

fn row(fixture: &Fixture, name: &str) -> Vec<u8> {
    let patient = fixture
        .catalog
        .tables()
        .find(|t| t.name == "patient")
        .unwrap();
    RowLayout::new(&patient.attribute_types())
        .unwrap()
        .encode(&[
            Datum::Int4(2),
            Datum::text(name),
            Datum::Null,
            Datum::Null,
            Datum::text("Oslo"),
        ])
        .unwrap()
}

fn patient_rows(fixture: &Fixture) -> (u32, StreamKey) {
    let patient = fixture
        .catalog
        .tables()
        .find(|t| t.name == "patient")
        .unwrap();
    let stream = StreamKey {
        space: kimberlite_storage::Space::Rows,
        stream: patient.stream,
    };
    (patient.oid, stream)
}

fn key(id: i32) -> Vec<u8> {
    let mut key = Vec::new();
    crate::types::key::encode(&Datum::Int4(id), &mut key).unwrap();
    key
}

#[test]
fn a_query_sees_the_changes_of_its_own_transaction() {
    let fixture = clinic();
    let (_, stream) = patient_rows(&fixture);
    let mut first = Layer::default();
    first.put(
        stream,
        &key(2),
        Entry::update(row(&fixture, "Robert"), vec![2]),
    );
    first.put(stream, &key(4), Entry::delete());
    let mut second = Layer::default();
    second.put(stream, &key(3), Entry::delete());
    let plan = fixture
        .plan("SELECT id, name FROM patient ORDER BY id")
        .unwrap();
    let view = fixture.view(&[Arc::new(first), Arc::new(second)]);
    let answer = fixture
        .answer(&plan, fixture.run_of(view, Vec::new()))
        .unwrap();
    assert_eq!(answer.lines(), "1|Ann\n2|Robert");
    let answer = fixture.query("SELECT count(*) FROM patient");
    assert_eq!(answer.lines(), "4", "others do not");
}

/// The second patient as a row of its own.
fn new_patient(fixture: &Fixture, stored: Vec<u8>) -> RowOverride {
    let mut tables = fixture.catalog.tables();
    RowOverride::first(vec![StoredRow {
        table: tables.find(|t| t.name == "patient").unwrap().oid,
        key: key(2),
        csn: 77,
        stored,
    }])
}

#[test]
fn an_override_stands_in_for_the_table() {
    let fixture = clinic();
    let mut context = fixture.context();
    context.hidden = crate::query::Hidden::First;
    let plan = fixture
        .plan_in(
            "SELECT p.__key, p.__csn, p.__row, p.name || '!' FROM patient p WHERE p.city = 'Oslo' \
             AND p.id IN (SELECT patient FROM visit)",
            &context,
        )
        .unwrap();
    let mut run = fixture.run_of(fixture.view(&[]), Vec::new());
    let stored = row(&fixture, "New");
    run.replace = Some(new_patient(&fixture, stored.clone()));
    let batch = fixture.block_on(async {
        let mut stream = plan.execute(run).await.unwrap();
        stream.next().await.unwrap().unwrap()
    });
    use arrow::array::AsArray;
    assert_eq!(batch.num_rows(), 1);
    assert_eq!(batch.column(0).as_binary::<i32>().value(0), key(2));
    assert_eq!(
        batch
            .column(1)
            .as_primitive::<arrow::datatypes::UInt64Type>()
            .value(0),
        77
    );
    assert_eq!(batch.column(2).as_binary::<i32>().value(0), stored);
    assert_eq!(batch.column(3).as_string_view().value(0), "New!");
}

#[test]
fn an_override_is_of_one_mention_of_the_table() {
    let fixture = clinic();
    let mut context = fixture.context();
    context.hidden = crate::query::Hidden::First;
    let plan = fixture
        .plan_in(
            "SELECT p.name, o.name, (SELECT count(*) FROM patient) FROM patient p, patient o \
             WHERE p.id = 2 AND o.id IN (1, 2) AND EXISTS (SELECT 1 FROM patient WHERE name = 'Cy')",
            &context,
        )
        .unwrap();
    let mut run = fixture.run_of(fixture.view(&[]), Vec::new());
    run.replace = Some(new_patient(&fixture, row(&fixture, "New")));
    let mut lines: Vec<String> = fixture
        .answer(&plan, run)
        .unwrap()
        .lines()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    assert_eq!(lines, ["New|Ann|4", "New|Bob|4"]);
}

#[test]
fn hidden_columns_are_hidden() {
    let fixture = clinic();
    let mut context = fixture.context();
    context.hidden = crate::query::Hidden::First;
    let plan = fixture
        .plan_in(
            "SELECT p.__csn FROM patient p WHERE p.id IN (SELECT s.id FROM (SELECT * FROM patient) s)",
            &context,
        )
        .unwrap();
    assert_eq!(plan.columns().len(), 1);
    assert_eq!(
        fixture.error("SELECT __csn FROM patient").sqlstate(),
        "42703"
    );
}

/// Enough rows for several chunks and two partitions.
fn many(fixture: &mut Fixture, rows: i32) {
    let desc = fixture.describe(
        "many",
        &[
            ("id", PgType::Int4, true),
            ("n", PgType::Int4, true),
            ("w", PgType::Text, true),
        ],
        1,
        &[],
    );
    for start in (0..rows).step_by(20_000) {
        let batch = (start..rows.min(start + 20_000))
            .map(|i| {
                vec![
                    Datum::Int4(i),
                    Datum::Int4(i % 1_000),
                    Datum::text(format!("word {i}")),
                ]
            })
            .collect();
        fixture.insert(&desc, batch);
    }
}

#[test]
fn a_large_scan_gives_every_row_once() {
    let mut fixture = Fixture::new();
    many(&mut fixture, 100_000);
    let answer =
        fixture.query("SELECT count(*), count(DISTINCT id), sum(id), min(w), max(n) FROM many");
    assert_eq!(answer.lines(), "100000|100000|4999950000|word 0|999");
    let answer = fixture.query("SELECT id FROM many ORDER BY id LIMIT 3 OFFSET 50000");
    assert_eq!(answer.lines(), "50000\n50001\n50002");
    let answer =
        fixture.query("SELECT count(*) FROM many WHERE id BETWEEN 10 AND 20 OR id = 99999");
    assert_eq!(answer.lines(), "12");
    let answer =
        fixture.query("SELECT id FROM many WHERE id IN (7, 70000, 7, 100001) ORDER BY id DESC");
    assert_eq!(answer.lines(), "70000\n7");
}

#[test]
fn a_cancelled_query_stops_with_57014() {
    let mut fixture = Fixture::new();
    many(&mut fixture, 30_000);
    let plan = fixture
        .plan("SELECT count(*) FROM many a, many b, many c WHERE a.n + b.n + c.n = -1")
        .unwrap();
    let run = fixture.run_of(fixture.view(&[]), Vec::new());
    let cancel = run.cancel.clone();
    let error = fixture.block_on(async {
        let mut stream = plan.execute(run).await.unwrap();
        cancel.cancel(CancelReason::User);
        stream.next().await.unwrap().unwrap_err()
    });
    assert_eq!(error.sqlstate(), "57014");
}

#[test]
fn literals_are_not_cut_to_the_length_of_the_column_they_meet() {
    let fixture = clinic();
    let answer = fixture.query(
        "SELECT count(*) FROM patient WHERE city = 'a city with a name of more than twenty letters'",
    );
    assert_eq!(answer.lines(), "0");
    assert_eq!(
        fixture
            .query("SELECT id FROM patient WHERE weight = 61.5 OR weight = '82.250'")
            .rows
            .len(),
        2
    );
    assert_eq!(
        fixture
            .query("SELECT id FROM patient WHERE weight = 61.501")
            .rows
            .len(),
        0
    );
}

/// Run by hand: `cargo test --release … scan_speed -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn scan_speed() {
    let mut fixture = Fixture::new();
    many(&mut fixture, 1_000_000);
    for sql in [
        "SELECT count(*) FROM many",
        "SELECT sum(n) FROM many",
        "SELECT n, sum(id) FROM many GROUP BY n",
        "SELECT max(w) FROM many",
        "SELECT count(*) FROM many WHERE n = 7",
    ] {
        for _ in 0..3 {
            let start = std::time::Instant::now();
            let rows = fixture.query(sql).rows.len();
            println!("{sql}: {rows} rows in {:?}", start.elapsed());
        }
    }
}
