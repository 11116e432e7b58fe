//! Tables that show their hidden columns.

use sqlparser::ast::{ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins};

use super::super::names::quoted;
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// Catalog part of a table name that stands for "with hidden columns".
pub(in super::super) const HIDDEN_CATALOG: &str = "\u{1f}hidden";

/// Marks the tables of the outermost FROM as showing their hidden columns.
pub(super) fn show_hidden(table: &mut TableWithJoins) -> Result<(), SqlError> {
    show_hidden_in(&mut table.relation)?;
    for join in &mut table.joins {
        show_hidden_in(&mut join.relation)?;
    }
    Ok(())
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
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => show_hidden(table_with_joins),
        _ => Ok(()),
    }
}
