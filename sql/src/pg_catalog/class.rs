//! `pg_class`, and the views over it.

use super::facts::{FIRST_ROLE, Object, indexes_of};
use super::partition::bound_of;
use super::{Facts, Row, relation};
use crate::query::SEQUENCE_COLUMNS;
use crate::types::Datum;

/// Access method `heap`.
const HEAP: u32 = 2;
/// Access method `btree`.
const BTREE: u32 = 403;

/// A number of attributes as PostgreSQL keeps it.
pub(super) fn small(n: usize) -> Datum {
    Datum::Int2(i16::try_from(n).unwrap_or(i16::MAX))
}

/// Tables, indexes, views.
pub(super) fn pg_class(facts: &Facts<'_>) -> Vec<Row> {
    facts.objects().map(|object| row(facts, &object)).collect()
}

fn row(facts: &Facts<'_>, object: &Object<'_>) -> Row {
    let (kind, owner, am, attributes, has_index, rules) = match object {
        Object::Table(table) => (
            match (table.is_partitioned(), &table.materialized) {
                (true, _) => "p",
                (false, Some(_)) => "m",
                (false, None) => "r",
            },
            facts.owner(&table.owner),
            if table.is_partitioned() { 0 } else { HEAP },
            table.columns.len(),
            !indexes_of(table).is_empty(),
            table.materialized.is_some(),
        ),
        Object::Index(index) => (
            if index.table.is_partitioned() {
                "I"
            } else {
                "i"
            },
            facts.owner(&index.table.owner),
            BTREE,
            index.all_columns().len(),
            false,
            false,
        ),
        Object::View(view) => (
            "v",
            facts.owner(&view.owner),
            0,
            view.columns.len(),
            false,
            true,
        ),
        Object::Sequence(sequence) => (
            "S",
            facts.owner(&sequence.owner),
            0,
            SEQUENCE_COLUMNS.len(),
            false,
            false,
        ),
        Object::System(relation) => (
            relation.kind,
            FIRST_ROLE,
            if relation.kind == "r" { HEAP } else { 0 },
            relation.columns.len(),
            false,
            relation.kind == "v",
        ),
    };
    let checks = match object {
        Object::Table(table) => table.checks.len(),
        _ => 0,
    };
    let temporary = facts
        .schema_name(object.schema())
        .starts_with(crate::session::TEMPORARY);
    let (partition, bound, heirs) = match object {
        Object::Table(table) => (
            table.is_partition(),
            bound_of(facts, table).map_or(Datum::Null, Datum::Text),
            facts.catalog.has_children(table.oid),
        ),
        Object::Index(index) => (index.parent.is_some(), Datum::Null, false),
        _ => (false, Datum::Null, false),
    };
    let unlogged = match object {
        Object::Table(table) => table.unlogged,
        Object::Index(index) => index.table.unlogged,
        _ => false,
    };
    let persistence = match (temporary, unlogged) {
        (true, _) => "t",
        (false, true) => "u",
        (false, false) => "p",
    };
    let populated = match object {
        Object::Table(table) => table.materialized.as_ref().is_none_or(|m| m.populated),
        _ => true,
    };
    let identity = match object {
        Object::Table(_) => "d",
        _ => "n",
    };
    vec![
        ("oid", Datum::Oid(object.oid())),
        ("relname", Datum::text(object.name())),
        ("relnamespace", Datum::Oid(object.schema())),
        ("relowner", Datum::Oid(owner)),
        ("relam", Datum::Oid(am)),
        ("relfilenode", Datum::Oid(object.oid())),
        ("reltuples", Datum::Float4(-1.0)),
        ("relhasindex", Datum::Bool(has_index)),
        ("relchecks", small(checks)),
        ("relpersistence", Datum::text(persistence)),
        ("relkind", Datum::text(kind)),
        ("relnatts", small(attributes)),
        ("relhasrules", Datum::Bool(rules)),
        ("relispopulated", Datum::Bool(populated)),
        ("relreplident", Datum::text(identity)),
        ("relispartition", Datum::Bool(partition)),
        ("relpartbound", bound),
        ("relhassubclass", Datum::Bool(heirs)),
    ]
}

/// The tables of `pg_class`.
pub(super) fn pg_tables(facts: &Facts<'_>) -> Vec<Row> {
    let system = relation::all().iter().filter(|r| r.kind == "r").map(|r| {
        vec![
            ("schemaname", Datum::text(r.schema)),
            ("tablename", Datum::text(r.name)),
            ("tableowner", Datum::text(facts.first_role())),
        ]
    });
    let tables = facts.catalog.tables().filter(|t| t.materialized.is_none());
    let stored = tables.map(|table| {
        vec![
            ("schemaname", Datum::text(facts.schema_name(table.schema))),
            ("tablename", Datum::text(table.name.as_str())),
            ("tableowner", Datum::text(table.owner.as_str())),
            ("hasindexes", Datum::Bool(!indexes_of(table).is_empty())),
        ]
    });
    system.chain(stored).collect()
}
