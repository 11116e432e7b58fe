//! INHERIT and NO INHERIT.

use sqlparser::ast::ObjectName;

use super::super::Session;
use crate::catalog::{Heritage, TableDescriptor};
use crate::error::{SqlError, state};
use crate::txn::LockMode;

fn wrong_kind(message: impl Into<String>) -> SqlError {
    SqlError::new(state::WRONG_OBJECT_TYPE, message)
}

/// Makes a table with columns and constraints of its own an heir of `parent`.
///
/// # Errors
/// 42804 for what it has not, or has otherwise.
pub(super) fn merge_into(
    parent: &TableDescriptor,
    child: &mut TableDescriptor,
    partition: bool,
) -> Result<(), SqlError> {
    let mismatch = |message: String| Err(SqlError::new(state::DATATYPE_MISMATCH, message));
    if partition {
        let mut own = child.live_columns();
        if let Some(extra) = own.find(|c| parent.column(&c.name).is_none()) {
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "table \"{}\" contains column \"{}\" not found in parent \"{}\"",
                    child.name, extra.name, parent.name
                ),
            )
            .detail("The new partition may contain only the columns present in parent."));
        }
    }
    let name = child.name.clone();
    for column in parent.live_columns() {
        let own = child
            .columns
            .iter_mut()
            .find(|c| !c.dropped && c.name == column.name);
        let Some(own) = own else {
            return mismatch(format!("child table is missing column \"{}\"", column.name));
        };
        if own.ty != column.ty {
            return mismatch(format!(
                "child table \"{name}\" has different type for column \"{}\"",
                column.name
            ));
        }
        if column.not_null && !own.not_null {
            return mismatch(format!(
                "column \"{}\" in child table must be marked NOT NULL",
                column.name
            ));
        }
        own.heritage = Heritage {
            parents: own.heritage.parents + 1,
            not_local: own.heritage.not_local || partition,
        };
    }
    for check in parent.checks.iter().filter(|check| !check.no_inherit) {
        let Some(own) = child.checks.iter_mut().find(|c| c.name == check.name) else {
            return mismatch(format!(
                "child table is missing constraint \"{}\"",
                check.name
            ));
        };
        if own.expression != check.expression {
            return mismatch(format!(
                "child table \"{name}\" has different definition for check constraint \"{}\"",
                check.name
            ));
        }
        if own.no_inherit {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                format!(
                    "constraint \"{}\" conflicts with non-inherited constraint on child table \"{name}\"",
                    check.name
                ),
            ));
        }
        own.heritage = Heritage {
            parents: own.heritage.parents + 1,
            not_local: own.heritage.not_local || partition,
        };
    }
    Ok(())
}

impl Session {
    pub(super) async fn add_parent(
        &mut self,
        table: u32,
        parent: &ObjectName,
    ) -> Result<(), SqlError> {
        let child = self.table_now(table)?;
        if child.is_partition() {
            return Err(wrong_kind("cannot change inheritance of a partition"));
        }
        if child.is_partitioned() {
            return Err(wrong_kind("cannot change inheritance of partitioned table"));
        }
        let catalog = self.catalog()?.as_ref().clone();
        let parent = self.parent_named(parent, &catalog)?;
        self.lock_table(child.oid, LockMode::AccessExclusive)
            .await?;
        self.lock_table(parent.oid, LockMode::ShareUpdateExclusive)
            .await?;
        if parent.is_partitioned() {
            return Err(wrong_kind(format!(
                "cannot inherit from partitioned table \"{}\"",
                parent.name
            )));
        }
        if parent.is_partition() {
            return Err(wrong_kind("cannot inherit from a partition"));
        }
        self.refuse_temporary(&parent, child.schema, "inherit from", &catalog)?;
        super::create::refuse_deep(parent.oid, Some(child.oid), &catalog)?;
        if catalog
            .members(child.oid)
            .iter()
            .any(|t| t.oid == parent.oid)
        {
            return Err(
                SqlError::new(state::DUPLICATE_TABLE, "circular inheritance not allowed").detail(
                    format!(
                        "\"{}\" is already a child of \"{}\".",
                        parent.name, child.name
                    ),
                ),
            );
        }
        if child.family.parents.contains(&parent.oid) {
            return Err(SqlError::new(
                state::DUPLICATE_TABLE,
                format!(
                    "relation \"{}\" would be inherited from more than once",
                    parent.name
                ),
            ));
        }
        let mut changed = child.as_ref().clone();
        merge_into(&parent, &mut changed, false)?;
        changed.family.parents.push(parent.oid);
        self.keep_table(changed)
    }

    pub(super) async fn remove_parent(
        &mut self,
        table: u32,
        parent: &ObjectName,
    ) -> Result<(), SqlError> {
        let child = self.table_now(table)?;
        if child.is_partition() {
            return Err(wrong_kind("cannot change inheritance of a partition"));
        }
        let catalog = self.catalog()?.as_ref().clone();
        let parent = self.parent_named(parent, &catalog)?;
        self.lock_table(child.oid, LockMode::AccessExclusive)
            .await?;
        if !child.family.parents.contains(&parent.oid) {
            return Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!(
                    "relation \"{}\" is not a parent of relation \"{}\"",
                    parent.name, child.name
                ),
            ));
        }
        let mut changed = child.as_ref().clone();
        changed.family.parents.retain(|oid| *oid != parent.oid);
        for column in &mut changed.columns {
            if !column.dropped && parent.column(&column.name).is_some() {
                release(&mut column.heritage);
            }
        }
        for check in &mut changed.checks {
            let above = parent
                .checks
                .iter()
                .any(|c| c.name == check.name && !c.no_inherit);
            if above {
                release(&mut check.heritage);
            }
        }
        self.keep_table(changed)
    }
}

/// One parent less; what has none left is the table's own.
pub(super) fn release(heritage: &mut Heritage) {
    heritage.parents = heritage.parents.saturating_sub(1);
    if heritage.parents == 0 {
        heritage.not_local = false;
    }
}
