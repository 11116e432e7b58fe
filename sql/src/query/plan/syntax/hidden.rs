//! The table that shows its hidden columns.

use sqlparser::ast::{ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins};

use super::super::names::quoted;
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// Catalog part of a table name that stands for "with hidden columns".
pub(in super::super) const HIDDEN_CATALOG: &str = "\u{1f}hidden";

/// Marks the first table of a FROM as the one that shows its hidden columns: the
/// target of a change. Other mentions of the same table are just read.
pub(super) fn show_hidden(from: &mut [TableWithJoins]) -> Result<(), SqlError> {
    match from.first_mut() {
        Some(first) => show_hidden_in(&mut first.relation),
        None => Ok(()),
    }
}

fn show_hidden_in(factor: &mut TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let Some(ObjectNamePart::Identifier(table)) = name.0.last().cloned() else {
                return Err(SqlError::unsupported(format!("table name {name}")));
            };
            let schema = match name.0.len().checked_sub(2).and_then(|i| name.0.get(i)) {
                Some(ObjectNamePart::Identifier(schema)) => quoted(fold_identifier(schema)),
                _ => quoted(""),
            };
            if alias.is_none() {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: quoted(fold_identifier(&table)),
                    columns: Vec::new(),
                    at: None,
                });
            }
            *name = ObjectName(vec![
                ObjectNamePart::Identifier(quoted(HIDDEN_CATALOG)),
                ObjectNamePart::Identifier(schema),
                ObjectNamePart::Identifier(table),
            ]);
            Ok(())
        }
        _ => Ok(()),
    }
}
