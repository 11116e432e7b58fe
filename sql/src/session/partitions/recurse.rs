//! ALTER TABLE of tables with partitions or heirs: what happens to a table happens to
//! those below it. What happened is found by comparing its descriptors.

use sqlparser::ast::{AlterColumnOperation, AlterTableOperation, Ident};

use super::super::Session;
use super::super::alter::Alteration;
use super::indexes::{Boxed, check_unique};
use super::inherit::release;
use crate::catalog::{CheckConstraint, Column, Heritage, TableDescriptor};
use crate::error::{SqlError, state};
use crate::exec::family::inherited::check_for_child;
use crate::txn::LockMode;

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// What one statement does, and to how many tables.
#[derive(Clone, Copy)]
pub(in super::super) struct Spreading<'a> {
    pub(in super::super) operation: &'a AlterTableOperation,
    /// Whether it says ONLY: what is below only loses a parent's part.
    pub(in super::super) only: bool,
}

impl Session {
    /// Does to the tables below what an operation has done to a table; `before` is
    /// what that was.
    ///
    /// # Errors
    /// Whatever the operation may fail with there.
    pub(in super::super) fn spread_change<'a>(
        &'a mut self,
        before: TableDescriptor,
        spreading: Spreading<'a>,
    ) -> Boxed<'a, ()> {
        Box::pin(async move {
            let after = self.table_now(before.oid)?;
            check_unique(&after)?;
            let catalog = self.catalog()?;
            if *after == before || !catalog.has_children(before.oid) {
                return Ok(());
            }
            let children: Vec<u32> = catalog.children(before.oid).iter().map(|t| t.oid).collect();
            for child in children {
                self.lock_table(child, LockMode::AccessExclusive).await?;
                let now = self.table_now(child)?;
                self.no_pending_checks("ALTER TABLE", &now)?;
                let catalog = self.catalog()?.as_ref().clone();
                let mut a = Alteration::new(catalog, now.as_ref().clone());
                self.change_child(&before, &after, spreading, &mut a)
                    .await?;
                self.keep(&mut a)?;
                self.spread_change(now.as_ref().clone(), spreading).await?;
            }
            if !spreading.only {
                self.spread_keys(before.oid).await?;
            }
            Ok(())
        })
    }

    async fn change_child(
        &mut self,
        before: &TableDescriptor,
        after: &TableDescriptor,
        spreading: Spreading<'_>,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        for (old, new) in before.columns.iter().zip(&after.columns) {
            if !old.dropped {
                self.change_child_column(old, new, spreading, a).await?;
            }
        }
        if !spreading.only {
            for column in after.columns.iter().skip(before.columns.len()) {
                self.add_child_column(column, a)?;
                self.keep(a)?;
            }
        }
        self.change_child_checks(before, after, spreading.only, a)?;
        self.drop_parts(before, after, a).await
    }

    async fn change_child_column(
        &mut self,
        old: &Column,
        new: &Column,
        spreading: Spreading<'_>,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let name = quoted(&old.name);
        if new.dropped {
            let Some(own) = a
                .table
                .columns
                .iter_mut()
                .find(|c| !c.dropped && c.name == old.name)
            else {
                return Ok(());
            };
            let goes = own.heritage.parents <= 1 && own.heritage.not_local && !spreading.only;
            release(&mut own.heritage);
            if goes {
                let cascade = matches!(spreading.operation, AlterTableOperation::DropColumn { drop_behavior, .. }
                    if *drop_behavior == Some(sqlparser::ast::DropBehavior::Cascade));
                self.drop_column(&name, false, cascade, a).await?;
            }
            return Ok(());
        }
        if spreading.only {
            return Ok(());
        }
        if new.name != old.name {
            super::super::alter::rename_column(&name, &quoted(&new.name), &mut a.table)?;
        }
        let name = quoted(&new.name);
        if new.ty != old.ty
            && let AlterTableOperation::AlterColumn {
                op:
                    AlterColumnOperation::SetDataType {
                        data_type, using, ..
                    },
                ..
            } = spreading.operation
        {
            self.set_type(&name, data_type, using.as_ref(), a).await?;
        }
        if new.not_null && !old.not_null {
            self.alter_column(&name, &AlterColumnOperation::SetNotNull, a)?;
        }
        let own = a
            .table
            .columns
            .iter_mut()
            .find(|c| !c.dropped && c.name == new.name);
        let Some(own) = own else {
            return Ok(());
        };
        if !new.not_null && old.not_null {
            own.not_null = false;
        }
        if new.default != old.default && new.identity.is_none() && old.identity.is_none() {
            own.default.clone_from(&new.default);
        }
        Ok(())
    }

    /// Adds a column that a parent got.
    fn add_child_column(&mut self, column: &Column, a: &mut Alteration) -> Result<(), SqlError> {
        if column.dropped {
            return Ok(());
        }
        let child = a.table.name.clone();
        if let Some(own) = a
            .table
            .columns
            .iter_mut()
            .find(|c| !c.dropped && c.name == column.name)
        {
            if own.ty != column.ty {
                return Err(SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "child table \"{child}\" has different type for column \"{}\"",
                        column.name
                    ),
                ));
            }
            own.heritage.parents += 1;
            self.notice(format!(
                "merging definition of column \"{}\" for child \"{child}\"",
                column.name
            ));
            return Ok(());
        }
        let attnum = u16::try_from(a.table.columns.len() + 1).map_err(|_| {
            SqlError::new(
                state::TOO_MANY_COLUMNS,
                "tables can have at most 1600 columns",
            )
        })?;
        a.table.columns.push(Column {
            attnum,
            identity: None,
            default: column.default.clone().filter(|_| column.identity.is_none()),
            missing: None,
            heritage: Heritage::inherited(),
            ..column.clone()
        });
        self.set_missing(a)
    }

    fn change_child_checks(
        &mut self,
        before: &TableDescriptor,
        after: &TableDescriptor,
        only: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        for old in before.checks.iter().filter(|check| !check.no_inherit) {
            let now = after.checks.iter().find(|check| check.oid == old.oid);
            let own = a
                .table
                .checks
                .iter_mut()
                .find(|c| c.name == old.name && c.heritage.parents > 0);
            let Some(own) = own else {
                continue;
            };
            let Some(now) = now else {
                let goes = own.heritage.parents <= 1 && own.heritage.not_local && !only;
                release(&mut own.heritage);
                let oid = own.oid;
                if goes {
                    a.table.checks.retain(|check| check.oid != oid);
                }
                continue;
            };
            own.name.clone_from(&now.name);
            if now.validated && !own.validated {
                let oid = own.oid;
                self.check_rows(oid, a)?;
                for own in a.table.checks.iter_mut().filter(|check| check.oid == oid) {
                    own.validated = true;
                }
            }
        }
        let is_new = |check: &&CheckConstraint| before.checks.iter().all(|c| c.oid != check.oid);
        for check in after
            .checks
            .iter()
            .filter(|check| !check.no_inherit)
            .filter(is_new)
        {
            self.add_child_check(check, after, a)?;
        }
        Ok(())
    }

    fn add_child_check(
        &mut self,
        check: &CheckConstraint,
        parent: &TableDescriptor,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let partition = a.table.is_partition();
        let child = a.table.name.clone();
        if let Some(own) = a.table.checks.iter_mut().find(|c| c.name == check.name) {
            if own.expression != check.expression {
                return Err(SqlError::new(
                    state::DUPLICATE_OBJECT,
                    format!(
                        "constraint \"{}\" for relation \"{child}\" already exists",
                        check.name
                    ),
                ));
            }
            own.heritage.parents += 1;
            own.heritage.not_local |= partition;
            self.notice(format!(
                "merging constraint \"{}\" with inherited definition",
                check.name
            ));
            return Ok(());
        }
        crate::exec::foreign_key::define::taken(&a.table, &check.name)?;
        let oid = a.catalog.allocate_oid();
        let own = check_for_child(check, parent, &a.table, oid)?;
        a.table.checks.push(own);
        self.keep(a)?;
        match check.validated {
            true => self.check_rows(oid, a),
            false => Ok(()),
        }
    }

    /// Drops the parts of keys and foreign keys that a partitioned table has lost.
    async fn drop_parts(
        &mut self,
        before: &TableDescriptor,
        after: &TableDescriptor,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if !before.is_partitioned() {
            return Ok(());
        }
        let kept = |oid: u32| after.foreign_keys.iter().any(|key| key.oid == oid);
        a.table
            .foreign_keys
            .retain(|key| key.parent.is_none_or(kept));
        let kept = |oid: u32| after.indexes.iter().any(|index| index.oid == oid);
        a.table
            .indexes
            .retain(|index| index.parent.is_none_or(kept));
        for index in &mut a.table.indexes {
            let above = after.indexes.iter().find(|i| Some(i.oid) == index.parent);
            index.constraint |= above.is_some_and(|i| i.constraint);
        }
        let primary = after.primary_key_name.as_ref().map(|(_, oid)| *oid);
        if a.table
            .family
            .key_parent
            .is_some_and(|oid| primary != Some(oid))
        {
            a.table.family.key_parent = None;
            self.drop_primary_key(true, a).await?;
        }
        Ok(())
    }

    /// Drops the parts of an index of a partitioned table.
    ///
    /// # Errors
    /// Lock errors.
    pub(in super::super) fn drop_index_parts(&mut self, table: u32, index: u32) -> Boxed<'_, ()> {
        Box::pin(async move {
            let catalog = self.catalog()?;
            for child in catalog.children(table) {
                let part = child
                    .indexes
                    .iter()
                    .find(|i| i.parent == Some(index))
                    .map(|i| i.oid);
                let Some(part) = part else {
                    continue;
                };
                self.lock_table(child.oid, LockMode::AccessExclusive)
                    .await?;
                let mut changed = self.table_now(child.oid)?.as_ref().clone();
                changed.indexes.retain(|i| i.oid != part);
                self.keep_table(changed)?;
                self.drop_index_parts(child.oid, part).await?;
            }
            Ok(())
        })
    }
}
