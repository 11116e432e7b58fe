//! Indexes and constraints as SQL text.

use std::sync::Arc;

use super::expression::Printer;
use super::facts::{Index, Object};
use super::lookup::relation_name;
use super::{Facts, foreign_key};
use crate::catalog::{CheckConstraint, TableDescriptor};
use crate::query::quote_ident;

/// Names of columns of the index's table, in a list.
fn names(index: &Index<'_>, attnums: &[u16]) -> String {
    let names: Vec<String> = attnums
        .iter()
        .filter_map(|n| index.table.attribute(*n))
        .map(|c| quote_ident(&c.name))
        .collect();
    names.join(", ")
}

/// ` INCLUDE (…)`, if there is anything to include.
fn include(index: &Index<'_>) -> String {
    match index.include() {
        [] => String::new(),
        included => format!(" INCLUDE ({})", names(index, included)),
    }
}

/// The columns of the key with their orders, as far as these are unusual.
fn ordered_columns(index: &Index<'_>) -> String {
    let columns: Vec<String> = index
        .column_names()
        .into_iter()
        .enumerate()
        .map(|(position, name)| {
            let order = index.order(position);
            let suffix = match (order.descending, order.nulls_first) {
                (false, false) => "",
                (false, true) => " NULLS FIRST",
                (true, true) => " DESC",
                (true, false) => " DESC NULLS LAST",
            };
            format!("{}{suffix}", quote_ident(name))
        })
        .collect();
    columns.join(", ")
}

/// `CREATE INDEX …`; `pretty` leaves out the schema of a table that is found
/// without.
pub(super) fn definition_of(facts: &Facts<'_>, index: &Index<'_>, pretty: bool) -> String {
    let table = if pretty {
        relation_name(facts, index.table.oid)
    } else {
        let schema = quote_ident(facts.schema_name(index.table.schema));
        format!("{schema}.{}", quote_ident(&index.table.name))
    };
    format!(
        "CREATE {}INDEX {} ON {table} USING btree ({}){}{}",
        if index.unique { "UNIQUE " } else { "" },
        quote_ident(index.name),
        ordered_columns(index),
        include(index),
        if index.nulls_not_distinct() {
            " NULLS NOT DISTINCT"
        } else {
            ""
        },
    )
}

/// What `pg_get_indexdef` gives; `None` when there is no such index.
pub(crate) fn index_definition(facts: &Facts<'_>, oid: u32, pretty: bool) -> Option<String> {
    match facts.object(oid)? {
        Object::Index(index) => Some(definition_of(facts, &index, pretty)),
        _ => None,
    }
}

/// The key column at `position`, counted from 1; `None` when there is no such
/// index, empty when there is no such column.
pub(crate) fn index_column(facts: &Facts<'_>, oid: u32, position: i32) -> Option<String> {
    let Object::Index(index) = facts.object(oid)? else {
        return None;
    };
    let position = usize::try_from(position).ok()?.checked_sub(1)?;
    let column = index
        .all_columns()
        .get(position)
        .and_then(|n| index.table.attribute(*n));
    Some(column.map_or_else(String::new, |c| quote_ident(&c.name)))
}

/// All CHECK constraints, each with its table.
pub(super) fn checks<'a>(
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Arc<TableDescriptor>, &'a CheckConstraint)> + use<'a> {
    let tables = facts.catalog.tables();
    tables.flat_map(|table| table.checks.iter().map(move |check| (table, check)))
}

/// A CHECK constraint as SQL.
pub(super) fn check_definition(
    table: &TableDescriptor,
    check: &CheckConstraint,
    pretty: bool,
) -> String {
    let shown = Printer { table, pretty }.show(&check.expression);
    let inherit = if check.no_inherit { " NO INHERIT" } else { "" };
    let valid = if check.validated { "" } else { " NOT VALID" };
    format!("CHECK ({shown}){inherit}{valid}")
}

/// What `pg_get_constraintdef` gives; `None` when there is no such constraint.
pub(crate) fn constraint_definition(facts: &Facts<'_>, oid: u32, pretty: bool) -> Option<String> {
    if let Some((table, check)) = checks(facts).find(|(_, check)| check.oid == oid) {
        return Some(check_definition(table, check, pretty));
    }
    if let Some((table, key)) = foreign_key::all(facts).find(|(_, key)| key.oid == oid) {
        return Some(foreign_key::definition(facts, table, key));
    }
    let index = facts.constraints().find(|index| index.oid == oid)?;
    let kind = if index.primary {
        "PRIMARY KEY"
    } else if index.nulls_not_distinct() {
        "UNIQUE NULLS NOT DISTINCT"
    } else {
        "UNIQUE"
    };
    let columns = names(&index, index.columns);
    Some(format!("{kind} ({columns}){}", include(&index)))
}
