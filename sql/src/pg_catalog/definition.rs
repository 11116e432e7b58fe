//! Indexes and constraints as SQL text.

use super::Facts;
use super::facts::{Index, Object};
use super::lookup::relation_name;
use crate::query::quote_ident;

fn columns(index: &Index<'_>) -> String {
    let names: Vec<String> = index.column_names().into_iter().map(quote_ident).collect();
    names.join(", ")
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
        "CREATE {}INDEX {} ON {table} USING btree ({})",
        if index.unique { "UNIQUE " } else { "" },
        quote_ident(index.name),
        columns(index),
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
    let names = index.column_names();
    let position = usize::try_from(position).ok()?.checked_sub(1)?;
    Some(
        names
            .get(position)
            .map_or_else(String::new, |n| quote_ident(n)),
    )
}

/// What `pg_get_constraintdef` gives; `None` when there is no such constraint.
pub(crate) fn constraint_definition(facts: &Facts<'_>, oid: u32) -> Option<String> {
    let index = facts.constraints().find(|index| index.oid == oid)?;
    let kind = if index.primary {
        "PRIMARY KEY"
    } else {
        "UNIQUE"
    };
    Some(format!("{kind} ({})", columns(&index)))
}
