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

/// An expression of a table as error details show it.
pub(crate) fn shown_expression(table: &TableDescriptor, text: &str) -> String {
    let printer = Printer {
        facts: None,
        table,
        pretty: true,
    };
    in_key(printer, text)
}

/// An expression as a part of a key: in parentheses unless it is a call.
fn in_key(printer: Printer<'_>, text: &str) -> String {
    let shown = printer.show(text);
    let call = crate::session::parse_expression(text)
        .is_ok_and(|expr| matches!(expr, sqlparser::ast::Expr::Function(_)));
    if call { shown } else { format!("({shown})") }
}

/// The parts of the key, then the columns that are carried along.
fn parts(facts: &Facts<'_>, index: &Index<'_>, pretty: bool) -> Vec<String> {
    let mut expressions = index.expressions().iter();
    let printer = Printer {
        facts: Some(facts),
        table: index.table,
        pretty,
    };
    index
        .all_columns()
        .iter()
        .map(|attnum| match index.table.attribute(*attnum) {
            Some(column) => quote_ident(&column.name),
            None => expressions
                .next()
                .map_or_else(String::new, |part| in_key(printer, &part.text)),
        })
        .collect()
}

/// The parts of the key with their orders, as far as these are unusual.
fn ordered_columns(facts: &Facts<'_>, index: &Index<'_>, pretty: bool) -> String {
    let columns: Vec<String> = parts(facts, index, pretty)
        .into_iter()
        .take(index.columns.len())
        .enumerate()
        .map(|(position, name)| {
            let order = index.order(position);
            let suffix = match (order.descending, order.nulls_first) {
                (false, false) => "",
                (false, true) => " NULLS FIRST",
                (true, true) => " DESC",
                (true, false) => " DESC NULLS LAST",
            };
            format!("{name}{suffix}")
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
        "CREATE {}INDEX {} ON {table} USING btree ({}){}{}{}",
        if index.unique { "UNIQUE " } else { "" },
        quote_ident(index.name),
        ordered_columns(facts, index, pretty),
        include(index),
        if index.nulls_not_distinct() {
            " NULLS NOT DISTINCT"
        } else {
            ""
        },
        condition(facts, index, pretty),
    )
}

/// ` WHERE …`, if the index is partial.
fn condition(facts: &Facts<'_>, index: &Index<'_>, pretty: bool) -> String {
    let printer = Printer {
        facts: Some(facts),
        table: index.table,
        pretty,
    };
    index.predicate().map_or_else(String::new, |part| {
        format!(" WHERE {}", printer.show(&part.text))
    })
}

/// The expressions of an index, and its condition, as `pg_index` has them.
pub(super) fn index_expressions(
    facts: &Facts<'_>,
    index: &Index<'_>,
) -> (Option<String>, Option<String>) {
    let printer = Printer {
        facts: Some(facts),
        table: index.table,
        pretty: false,
    };
    let shown: Vec<String> = index
        .expressions()
        .iter()
        .map(|part| printer.show(&part.text))
        .collect();
    let condition = index.predicate().map(|part| printer.show(&part.text));
    (Some(shown.join(", ")).filter(|s| !s.is_empty()), condition)
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
pub(crate) fn index_column(
    facts: &Facts<'_>,
    oid: u32,
    position: i32,
    pretty: bool,
) -> Option<String> {
    let Object::Index(index) = facts.object(oid)? else {
        return None;
    };
    let position = usize::try_from(position).ok()?.checked_sub(1)?;
    Some(
        parts(facts, &index, pretty)
            .get(position)
            .cloned()
            .unwrap_or_default(),
    )
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
    facts: &Facts<'_>,
    table: &TableDescriptor,
    check: &CheckConstraint,
    pretty: bool,
) -> String {
    let shown = Printer {
        facts: Some(facts),
        table,
        pretty,
    }
    .show(&check.expression);
    let inherit = if check.no_inherit { " NO INHERIT" } else { "" };
    let valid = if check.validated { "" } else { " NOT VALID" };
    format!("CHECK ({shown}){inherit}{valid}")
}

/// What `pg_get_constraintdef` gives; `None` when there is no such constraint.
pub(crate) fn constraint_definition(facts: &Facts<'_>, oid: u32, pretty: bool) -> Option<String> {
    if let Some((table, check)) = checks(facts).find(|(_, check)| check.oid == oid) {
        return Some(check_definition(facts, table, check, pretty));
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
    let timing = match index.timing() {
        (_, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        (false, false) => "",
    };
    Some(format!("{kind} ({columns}){}{timing}", include(&index)))
}
