//! What a new table has from its parents.

use sqlparser::ast::DataType;

use crate::catalog::{
    Bound, Catalog, CheckConstraint, Column, Heritage, TableDescriptor, attribute_map, mapped,
};
use crate::error::{SqlError, state};
use crate::session::SAME_TYPE;

/// Columns and constraints that a new table starts with.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) columns: Vec<Column>,
    pub(crate) checks: Vec<CheckConstraint>,
    pub(crate) parents: Vec<u32>,
    /// The bound, for a partition.
    pub(crate) bound: Option<Bound>,
}

/// Whether a column's type is that of its parent's column.
pub(crate) fn is_same_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Custom(name, _) if name.0.last()
        .and_then(|part| part.as_ident())
        .is_some_and(|ident| ident.value == SAME_TYPE))
}

impl Inherited {
    /// Adds the columns of a parent. Notices are what is merged.
    ///
    /// # Errors
    /// 42804 when two parents have a column of one name and different types; 42611
    /// is for defaults that differ.
    pub(crate) fn add_columns(
        &mut self,
        parent: &TableDescriptor,
        notices: &mut Vec<String>,
    ) -> Result<(), SqlError> {
        for column in parent.live_columns() {
            let own = self.columns.iter_mut().find(|c| c.name == column.name);
            let Some(own) = own else {
                let attnum = u16::try_from(self.columns.len() + 1).unwrap_or(u16::MAX);
                self.columns.push(Column {
                    attnum,
                    missing: None,
                    identity: None,
                    // The values of an identity come from the parent alone.
                    default: column.default.clone().filter(|_| column.identity.is_none()),
                    heritage: Heritage::inherited(),
                    ..column.clone()
                });
                continue;
            };
            notices.push(format!(
                "merging multiple inherited definitions of column \"{}\"",
                column.name
            ));
            if own.ty != column.ty {
                return Err(SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!("inherited column \"{}\" has a type conflict", column.name),
                )
                .detail(format!(
                    "{} versus {}",
                    own.ty.sql_name(),
                    column.ty.sql_name()
                )));
            }
            own.not_null |= column.not_null;
            own.heritage.parents += 1;
            match (&own.default, &column.default) {
                (Some(a), Some(b)) if a != b => own.default = Some(CONFLICTING.to_owned()),
                (None, Some(other)) => own.default = Some(other.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the CHECK constraints of a parent.
    ///
    /// # Errors
    /// 42710 when two parents have different ones of one name.
    pub(crate) fn add_checks(
        &mut self,
        parent: &TableDescriptor,
        catalog: &mut Catalog,
    ) -> Result<(), SqlError> {
        for check in parent.checks.iter().filter(|check| !check.no_inherit) {
            if let Some(own) = self.checks.iter_mut().find(|c| c.name == check.name) {
                if own.expression != check.expression {
                    return Err(SqlError::new(
                        state::DUPLICATE_OBJECT,
                        format!(
                            "check constraint name \"{}\" appears multiple times but with different expressions",
                            check.name
                        ),
                    ));
                }
                own.heritage.parents += 1;
                continue;
            }
            let columns = check.columns.iter().filter_map(|n| parent.attribute(*n));
            let own = columns.filter_map(|c| self.columns.iter().find(|o| o.name == c.name));
            let columns = own.map(|c| c.attnum).collect();
            self.checks.push(CheckConstraint {
                oid: catalog.allocate_oid(),
                columns,
                heritage: Heritage::inherited(),
                validated: true,
                ..check.clone()
            });
        }
        Ok(())
    }
}

/// Stands for a default that two parents say differently.
const CONFLICTING: &str = "\u{1f}conflict";

/// Refuses a table whose parents disagree about a default, where it says none itself.
///
/// # Errors
/// 42611.
pub(crate) fn check_defaults(table: &TableDescriptor) -> Result<(), SqlError> {
    let conflict = |c: &&Column| c.default.as_deref() == Some(CONFLICTING);
    match table.live_columns().find(conflict) {
        None => Ok(()),
        Some(column) => Err(SqlError::new(
            state::INVALID_COLUMN_DEFINITION,
            format!(
                "column \"{}\" inherits conflicting default values",
                column.name
            ),
        )
        .hint("To resolve the conflict, specify a default explicitly.")),
    }
}

/// Merges the definition of a column into the inherited one of the same name.
///
/// # Errors
/// 42804 when the types differ.
pub(crate) fn merge_column(
    own: &mut Column,
    said: Column,
    is_partition: bool,
) -> Result<(), SqlError> {
    if own.ty != said.ty {
        return Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!("column \"{}\" has a type conflict", own.name),
        )
        .detail(format!(
            "{} versus {}",
            own.ty.sql_name(),
            said.ty.sql_name()
        )));
    }
    own.not_null |= said.not_null;
    if said.default.is_some() {
        own.default = said.default;
    }
    if said.identity.is_some() {
        own.identity = said.identity;
    }
    own.heritage.not_local = is_partition;
    Ok(())
}

/// A CHECK constraint of a parent as one of a child.
///
/// # Errors
/// XX001 when the child lacks a column.
pub(crate) fn check_for_child(
    check: &CheckConstraint,
    parent: &TableDescriptor,
    child: &TableDescriptor,
    oid: u32,
) -> Result<CheckConstraint, SqlError> {
    let map = attribute_map(parent, child);
    let columns = mapped(&map, &check.columns).ok_or_else(|| {
        SqlError::corrupted(format!(
            "table \"{}\" lacks a column of its parent",
            child.name
        ))
    })?;
    Ok(CheckConstraint {
        oid,
        columns,
        heritage: Heritage::inherited(),
        ..check.clone()
    })
}
