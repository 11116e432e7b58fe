//! What is seen of a stored table in FROM: carried as a catalog part before its name.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor};

use super::names::quoted;
use crate::catalog::{MARKED_CATALOG, fold_identifier};
use crate::error::SqlError;

/// The column that says which table a row is in.
pub(crate) const TABLE_OID: &str = "tableoid";

/// What is seen of a table besides its columns and rows, or not seen of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The columns that changes and locks need, and the number that tells this table
    /// from others that show them.
    pub(crate) hidden: Option<usize>,
    /// The column `tableoid`.
    pub(crate) tableoid: bool,
    /// Rows of the table itself alone, not of those that inherit from it.
    pub(crate) only: bool,
}

impl Shown {
    /// Reads it from a catalog part; nothing for the name of a database.
    pub(super) fn read(catalog: &str) -> Option<Self> {
        let marks = catalog.strip_prefix(MARKED_CATALOG)?;
        let digits = marks.trim_end_matches(['t', 'o']);
        Some(Self {
            hidden: digits.parse().ok(),
            tableoid: marks.ends_with('t') || marks.contains("to"),
            only: marks.contains('o'),
        })
    }

    fn written(self) -> String {
        let number = self.hidden.map_or_else(String::new, |n| n.to_string());
        let tableoid = if self.tableoid { "t" } else { "" };
        let only = if self.only { "o" } else { "" };
        format!("{MARKED_CATALOG}{number}{tableoid}{only}")
    }

    /// Changes what is seen of a table in FROM, which keeps the name it goes by.
    ///
    /// # Errors
    /// 0A000 for a name of an unusual kind.
    pub(super) fn change(
        factor: &mut TableFactor,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), SqlError> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return Ok(());
        };
        let Some(ObjectNamePart::Identifier(table)) = name.0.last().cloned() else {
            return Err(SqlError::unsupported(format!("table name {name}")));
        };
        let mut shown = match name.0.first() {
            Some(ObjectNamePart::Identifier(first)) => Self::read(&first.value).unwrap_or_default(),
            _ => Self::default(),
        };
        change(&mut shown);
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
        let parts: [Ident; 3] = [quoted(shown.written()), schema, table];
        *name = ObjectName(parts.map(ObjectNamePart::Identifier).to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for hidden in [None, Some(0), Some(12)] {
            for (tableoid, only) in [(false, false), (true, false), (false, true), (true, true)] {
                let shown = Shown {
                    hidden,
                    tableoid,
                    only,
                };
                assert_eq!(Shown::read(&shown.written()), Some(shown));
            }
        }
        assert_eq!(Shown::read("postgres"), None);
    }
}
