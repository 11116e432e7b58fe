//! What ALTER TABLE cannot do to a table with parents, or without those below it.

use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, ColumnOption, Ident, TableConstraint,
};

use crate::catalog::{Catalog, ObjectKind, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_TABLE_DEFINITION, message)
}

/// Refuses what cannot happen to a table with parents, or without those below it.
///
/// # Errors
/// 42P16, 42809 with PostgreSQL's words.
pub(in super::super) fn refuse(
    operation: &AlterTableOperation,
    table: &TableDescriptor,
    only: bool,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let alone = only && catalog.has_children(table.oid);
    match operation {
        AlterTableOperation::AddColumn { column_def, .. } => {
            let identity = column_def.options.iter().any(|option| {
                matches!(
                    &option.option,
                    ColumnOption::Generated {
                        generation_expr: None,
                        ..
                    }
                )
            });
            if identity && !only && catalog.has_children(table.oid) {
                return Err(invalid(
                    "cannot recursively add identity column to table that has child tables",
                ));
            }
            if table.is_partition() {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    "cannot add column to a partition",
                ));
            }
            refuse_alone(alone, "column must be added to child tables too")
        }
        AlterTableOperation::DropColumn { column_names, .. } => {
            for name in column_names {
                refuse_column(name, table, "drop")?;
            }
            let alone = alone && table.is_partitioned();
            let message =
                "cannot drop column from only the partitioned table when partitions exist";
            refuse_alone(alone, message)
        }
        AlterTableOperation::RenameColumn {
            old_column_name, ..
        } => {
            let name = fold_identifier(old_column_name);
            if is_inherited(table, &name) {
                return Err(invalid(format!(
                    "cannot rename inherited column \"{name}\""
                )));
            }
            let message =
                format!("inherited column \"{name}\" must be renamed in child tables too");
            refuse_alone(alone, &message)
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            refuse_column_change(column_name, op, table, alone, catalog)
        }
        AlterTableOperation::AddConstraint {
            constraint: TableConstraint::ForeignKey(key),
            not_valid,
        } if table.is_partitioned() => {
            let what = match (only, not_valid) {
                (true, _) => "cannot use ONLY for foreign key on",
                (false, true) => "cannot add NOT VALID foreign key on",
                (false, false) => return Ok(()),
            };
            Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!(
                    "{what} partitioned table \"{}\" referencing relation \"{}\"",
                    table.name, key.foreign_table
                ),
            ))
        }
        AlterTableOperation::AddConstraint { constraint, .. } => match constraint {
            TableConstraint::Check(check) if check.enforced != Some(true) => {
                refuse_alone(alone, "constraint must be added to child tables too")
            }
            _ => Ok(()),
        },
        AlterTableOperation::DropConstraint { name, .. } => {
            let name = fold_identifier(name);
            if inherits_constraint(table, &name) {
                return Err(invalid(format!(
                    "cannot drop inherited constraint \"{name}\" of relation \"{}\"",
                    table.name
                )));
            }
            let alone = alone && table.is_partitioned();
            let message =
                "cannot remove constraint from only the partitioned table when partitions exist";
            refuse_alone(alone, message)
        }
        AlterTableOperation::RenameConstraint { old_name, .. } => {
            let name = fold_identifier(old_name);
            if table
                .checks
                .iter()
                .any(|c| c.name == name && c.heritage.parents > 0)
            {
                return Err(invalid(format!(
                    "cannot rename inherited constraint \"{name}\""
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn refuse_alone(alone: bool, message: &str) -> Result<(), SqlError> {
    match alone {
        true => Err(invalid(message)),
        false => Ok(()),
    }
}

fn is_inherited(table: &TableDescriptor, name: &str) -> bool {
    table.column(name).is_some_and(|c| c.heritage.parents > 0)
}

fn refuse_column(name: &Ident, table: &TableDescriptor, verb: &str) -> Result<(), SqlError> {
    let name = fold_identifier(name);
    if is_inherited(table, &name) {
        return Err(invalid(format!(
            "cannot {verb} inherited column \"{name}\""
        )));
    }
    let attnum = table.column(&name).map(|c| c.attnum);
    let keys = table.family.partition_by.iter().flat_map(|by| &by.keys);
    for key in keys {
        if !attnum.is_some_and(|attnum| key.columns.contains(&attnum)) {
            continue;
        }
        return Err(invalid(format!(
            "cannot {verb} column \"{name}\" because it is part of the partition key of relation \"{}\"",
            table.name
        )));
    }
    Ok(())
}

fn refuse_column_change(
    column: &Ident,
    op: &AlterColumnOperation,
    table: &TableDescriptor,
    alone: bool,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let name = fold_identifier(column);
    match op {
        AlterColumnOperation::SetDataType { .. } => {
            refuse_column(column, table, "alter")?;
            let message =
                format!("type of inherited column \"{name}\" must be changed in child tables too");
            refuse_alone(alone, &message)
        }
        AlterColumnOperation::DropNotNull if table.is_partition() => {
            let parents = table.family.parents.iter();
            let mut above = parents.filter_map(|oid| catalog.table_by_oid(*oid));
            let marked = above.any(|t| t.column(&name).is_some_and(|c| c.not_null));
            match marked {
                true => Err(invalid(format!(
                    "column \"{name}\" is marked NOT NULL in parent table"
                ))),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn inherits_constraint(table: &TableDescriptor, name: &str) -> bool {
    let primary = table.primary_key_name.as_ref();
    table
        .checks
        .iter()
        .any(|c| c.name == name && c.heritage.parents > 0)
        || table
            .foreign_keys
            .iter()
            .any(|k| k.name == name && k.parent.is_some())
        || table
            .indexes
            .iter()
            .any(|i| i.name == name && i.parent.is_some())
        || (table.family.key_parent.is_some() && primary.is_some_and(|(n, _)| n == name))
}

/// The index that an index is a part of, if it is one.
pub(in super::super) fn index_above(
    catalog: &Catalog,
    table: &TableDescriptor,
    parent: u32,
    search_path: &[String],
) -> Option<String> {
    let above = table.family.parents.iter();
    let above = above.filter_map(|oid| catalog.table_by_oid(*oid));
    let found = above
        .filter(|t| t.index_name(parent).is_some())
        .map(|t| catalog.describe(ObjectKind::Index(t.oid, parent), search_path));
    found.into_iter().next()
}
