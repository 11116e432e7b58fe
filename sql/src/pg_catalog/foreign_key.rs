//! Foreign keys in `pg_constraint` and `information_schema`.

use std::fmt::Write;
use std::sync::Arc;

use super::facts::indexes_of;
use super::index::numbers;
use super::lookup::relation_name;
use super::{Facts, Row};
use crate::catalog::{ForeignKey, KeyAction, TableDescriptor};
use crate::query::quote_ident;
use crate::types::Datum;

/// All foreign keys, each with its table.
pub(super) fn all<'a>(
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Arc<TableDescriptor>, &'a ForeignKey)> + use<'a> {
    let tables = facts.catalog.tables();
    tables.flat_map(|table| table.foreign_keys.iter().map(move |key| (table, key)))
}

fn letter(action: KeyAction) -> Datum {
    Datum::text(match action {
        KeyAction::NoAction => "a",
        KeyAction::Restrict => "r",
        KeyAction::Cascade => "c",
        KeyAction::SetNull => "n",
        KeyAction::SetDefault => "d",
    })
}

/// An action as SQL has it.
fn words(action: KeyAction) -> &'static str {
    match action {
        KeyAction::NoAction => "NO ACTION",
        KeyAction::Restrict => "RESTRICT",
        KeyAction::Cascade => "CASCADE",
        KeyAction::SetNull => "SET NULL",
        KeyAction::SetDefault => "SET DEFAULT",
    }
}

/// The rows of `pg_constraint`.
pub(super) fn pg_constraint(facts: &Facts<'_>) -> impl Iterator<Item = Row> {
    all(facts).map(|(table, key)| {
        let mut row = vec![
            ("oid", Datum::Oid(key.oid)),
            ("conname", Datum::text(key.name.as_str())),
            ("connamespace", Datum::Oid(table.schema)),
            ("contype", Datum::text("f")),
            ("condeferrable", Datum::Bool(key.deferrable)),
            ("condeferred", Datum::Bool(key.deferred)),
            ("convalidated", Datum::Bool(key.validated)),
            ("conrelid", Datum::Oid(table.oid)),
            ("conindid", Datum::Oid(key.index)),
            ("confrelid", Datum::Oid(key.referenced)),
            ("confupdtype", letter(key.on_update)),
            ("confdeltype", letter(key.on_delete)),
            (
                "confmatchtype",
                Datum::text(if key.match_full { "f" } else { "s" }),
            ),
            ("conislocal", Datum::Bool(key.parent.is_none())),
            ("coninhcount", Datum::Int4(i32::from(key.parent.is_some()))),
            ("conparentid", Datum::Oid(key.parent.unwrap_or(0))),
            (
                "connoinherit",
                Datum::Bool(!table.is_partitioned() && !table.is_partition()),
            ),
            ("conkey", numbers(&key.columns)),
            ("confkey", numbers(&key.referenced_columns)),
        ];
        if !key.set_columns.is_empty() {
            row.push(("confdelsetcols", numbers(&key.set_columns)));
        }
        row
    })
}

fn names(table: &TableDescriptor, columns: &[u16]) -> String {
    let names: Vec<String> = columns
        .iter()
        .filter_map(|n| table.attribute(*n))
        .map(|c| quote_ident(&c.name))
        .collect();
    names.join(", ")
}

/// The constraint as SQL.
pub(super) fn definition(facts: &Facts<'_>, table: &TableDescriptor, key: &ForeignKey) -> String {
    let parent = facts.catalog.table_by_oid(key.referenced);
    let referenced = parent.map_or_else(String::new, |p| names(p, &key.referenced_columns));
    let mut text = format!(
        "FOREIGN KEY ({}) REFERENCES {}({referenced})",
        names(table, &key.columns),
        relation_name(facts, key.referenced),
    );
    if key.match_full {
        text.push_str(" MATCH FULL");
    }
    for (event, action) in [("UPDATE", key.on_update), ("DELETE", key.on_delete)] {
        if action != KeyAction::NoAction {
            // Writing to a string cannot fail.
            let _ = write!(text, " ON {event} {}", words(action));
        }
    }
    if !key.set_columns.is_empty() {
        let _ = write!(text, " ({})", names(table, &key.set_columns));
    }
    for (said, clause) in [
        (key.deferrable, " DEFERRABLE"),
        (key.deferred, " INITIALLY DEFERRED"),
        (!key.validated, " NOT VALID"),
    ] {
        if said {
            text.push_str(clause);
        }
    }
    text
}

/// The unique constraint that a foreign key rests on; a plain index is none.
fn unique_constraint<'a>(facts: &Facts<'a>, key: &ForeignKey) -> Option<(u32, &'a str)> {
    let parent = facts.catalog.table_by_oid(key.referenced)?;
    let mut indexes = indexes_of(parent).into_iter();
    let index = indexes.find(|i| i.oid == key.index && i.constraint)?;
    Some((parent.schema, index.name))
}

/// The rows of `referential_constraints`, but for the database.
pub(super) fn referential_constraints(
    facts: &Facts<'_>,
    place: impl Fn(&str, &str) -> Row,
    database: &Datum,
) -> Vec<Row> {
    all(facts)
        .map(|(table, key)| {
            let mut row = place(facts.schema_name(table.schema), &key.name);
            if let Some((schema, name)) = unique_constraint(facts, key) {
                row.push(("unique_constraint_catalog", database.clone()));
                let schema = facts.schema_name(schema);
                row.push(("unique_constraint_schema", Datum::text(schema)));
                row.push(("unique_constraint_name", Datum::text(name)));
            }
            let matched = if key.match_full { "FULL" } else { "NONE" };
            row.push(("match_option", Datum::text(matched)));
            row.push(("update_rule", Datum::text(words(key.on_update))));
            row.push(("delete_rule", Datum::text(words(key.on_delete))));
            row
        })
        .collect()
}

/// The place of each column of a foreign key in the key that it rests on, from 1.
pub(super) fn positions(facts: &Facts<'_>, key: &ForeignKey) -> Vec<usize> {
    let Some(parent) = facts.catalog.table_by_oid(key.referenced) else {
        return Vec::new();
    };
    let indexes = indexes_of(parent);
    let Some(index) = indexes.iter().find(|i| i.oid == key.index) else {
        return Vec::new();
    };
    key.referenced_columns
        .iter()
        .filter_map(|c| index.columns.iter().position(|i| i == c))
        .map(|at| at + 1)
        .collect()
}
