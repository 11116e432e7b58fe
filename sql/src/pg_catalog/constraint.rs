//! `pg_constraint` and `pg_depend`.

use super::definition::checks;
use super::index::numbers;
use super::{Facts, Row, foreign_key};
use crate::types::Datum;

/// Keys, foreign keys and CHECK constraints.
pub(super) fn pg_constraint(facts: &Facts<'_>) -> Vec<Row> {
    let keys = facts.constraints().map(|index| {
        let parent = parent_of(facts, index.parent);
        vec![
            ("oid", Datum::Oid(index.oid)),
            ("conname", Datum::text(index.name)),
            ("connamespace", Datum::Oid(index.table.schema)),
            (
                "contype",
                Datum::text(if index.primary { "p" } else { "u" }),
            ),
            ("condeferrable", Datum::Bool(index.timing().0)),
            ("condeferred", Datum::Bool(index.timing().1)),
            ("convalidated", Datum::Bool(true)),
            ("conrelid", Datum::Oid(index.table.oid)),
            ("conindid", Datum::Oid(index.oid)),
            ("confupdtype", Datum::text(" ")),
            ("confdeltype", Datum::text(" ")),
            ("confmatchtype", Datum::text(" ")),
            ("conislocal", Datum::Bool(parent == 0)),
            ("coninhcount", Datum::Int4(i32::from(parent != 0))),
            ("conparentid", Datum::Oid(parent)),
            (
                "connoinherit",
                Datum::Bool(!index.table.is_partitioned() && !index.table.is_partition()),
            ),
            ("conkey", numbers(index.columns)),
        ]
    });
    let checks = checks(facts).map(|(table, check)| {
        vec![
            ("oid", Datum::Oid(check.oid)),
            ("conname", Datum::text(check.name.as_str())),
            ("connamespace", Datum::Oid(table.schema)),
            ("contype", Datum::text("c")),
            ("convalidated", Datum::Bool(check.validated)),
            ("conrelid", Datum::Oid(table.oid)),
            ("confupdtype", Datum::text(" ")),
            ("confdeltype", Datum::text(" ")),
            ("confmatchtype", Datum::text(" ")),
            ("conislocal", Datum::Bool(!check.heritage.not_local)),
            (
                "coninhcount",
                Datum::Int4(i32::from(check.heritage.parents)),
            ),
            ("connoinherit", Datum::Bool(check.no_inherit)),
            ("conkey", numbers(&check.columns)),
            ("conbin", Datum::text(check.expression.as_str())),
        ]
    });
    keys.chain(foreign_key::pg_constraint(facts))
        .chain(checks)
        .collect()
}

/// The constraint of the partitioned table that a key is a part of; 0 for none.
fn parent_of(facts: &Facts<'_>, parent: Option<u32>) -> u32 {
    let mut constraints = facts.constraints();
    let above = parent.filter(|oid| constraints.any(|index| index.oid == *oid));
    above.unwrap_or(0)
}

/// Object identifier of `pg_class`.
const PG_CLASS: u32 = 1_259;
/// Object identifier of `pg_constraint`.
const PG_CONSTRAINT: u32 = 2_606;

/// What belongs to what: the index of a constraint to it, and a constraint or an
/// index to the columns of its key.
pub(super) fn pg_depend(facts: &Facts<'_>) -> Vec<Row> {
    let row = |of: (u32, u32), on: (u32, u32, u16), kind: &str| {
        vec![
            ("classid", Datum::Oid(of.0)),
            ("objid", Datum::Oid(of.1)),
            ("refclassid", Datum::Oid(on.0)),
            ("refobjid", Datum::Oid(on.1)),
            ("refobjsubid", Datum::Int4(i32::from(on.2))),
            ("deptype", Datum::text(kind)),
        ]
    };
    let mut rows = Vec::new();
    for index in facts.indexes() {
        let owner = if index.constraint {
            rows.push(row(
                (PG_CLASS, index.oid),
                (PG_CONSTRAINT, index.oid, 0),
                "i",
            ));
            PG_CONSTRAINT
        } else {
            PG_CLASS
        };
        let computed = index.own.iter().flat_map(|own| own.computed());
        let named = computed.flat_map(|part| &part.columns);
        for attnum in index.columns.iter().chain(named).filter(|n| **n > 0) {
            let on = (PG_CLASS, index.table.oid, *attnum);
            rows.push(row((owner, index.oid), on, "a"));
        }
    }
    for (table, check) in checks(facts) {
        for attnum in &check.columns {
            let of = (PG_CONSTRAINT, check.oid);
            rows.push(row(of, (PG_CLASS, table.oid, *attnum), "a"));
        }
    }
    for (table, key) in foreign_key::all(facts) {
        let of = (PG_CONSTRAINT, key.oid);
        for attnum in &key.columns {
            rows.push(row(of, (PG_CLASS, table.oid, *attnum), "a"));
        }
        for attnum in &key.referenced_columns {
            rows.push(row(of, (PG_CLASS, key.referenced, *attnum), "n"));
        }
        rows.push(row(of, (PG_CLASS, key.index, 0), "n"));
    }
    for sequence in facts.catalog.sequences() {
        let kind = if sequence.identity { "i" } else { "a" };
        if let Some((table, attnum)) = sequence.owned_by {
            rows.push(row(
                (PG_CLASS, sequence.oid),
                (PG_CLASS, table, attnum),
                kind,
            ));
        }
    }
    rows
}
