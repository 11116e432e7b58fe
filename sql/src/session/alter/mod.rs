//! ALTER TABLE.
//!
//! The operations of a statement are carried out one after the other, each on
//! what the ones before made: its changes are the transaction's before the next
//! one begins. Their order is PostgreSQL's: first what drops, then types, columns,
//! keys, foreign keys, and what is about single columns.

mod column;
mod constraint;
mod identity;
mod index;
mod retype;
pub(super) mod timing;

pub(super) use column::rename as rename_column;

use std::sync::Arc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ObjectName, Owner, RenameTableNameKind,
    TableConstraint,
};

use super::Session;
use super::objects::{SequenceChange, ViewChange, check_alteration};
use super::parse_alter_column::carried_change;
use super::partitions::{Spreading, refuse_in_family};
use super::rewrite::{self, Rebuilding};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, QualifiedName, RelationEntry, TableDescriptor,
    fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::derived::{BoundDerived, Derived, has_derived};
use crate::exec::table::TableInfo;
use crate::txn::{Layer, LockMode, ReadView};
use crate::types::Datum;

/// A table being altered.
pub(super) struct Alteration {
    pub(super) catalog: Catalog,
    /// As it is so far.
    pub(super) table: TableDescriptor,
    /// Rows and index entries written on the way.
    pub(super) layer: Layer,
    /// Sequences of new columns.
    pub(super) sequences: Vec<CatalogChange>,
}

/// Which operations come first.
fn pass(operation: &AlterTableOperation) -> u8 {
    match operation {
        AlterTableOperation::DropColumn { .. }
        | AlterTableOperation::DropConstraint { .. }
        | AlterTableOperation::AlterColumn {
            op: AlterColumnOperation::DropNotNull | AlterColumnOperation::DropDefault,
            ..
        } => 0,
        AlterTableOperation::AlterColumn {
            op: AlterColumnOperation::SetDataType { .. },
            ..
        } => 1,
        AlterTableOperation::AddColumn { .. } => 2,
        AlterTableOperation::AddConstraint {
            constraint: TableConstraint::ForeignKey(_),
            ..
        } => 5,
        AlterTableOperation::AddConstraint {
            constraint: TableConstraint::Check(_),
            ..
        } => 4,
        AlterTableOperation::AddConstraint { .. } => 3,
        _ => 6,
    }
}

/// How the table is locked: by the operation that needs most. Whatever gives the
/// table new streams or changes how its rows are read needs it alone.
fn lock_mode(operations: &[AlterTableOperation]) -> LockMode {
    let modes = operations.iter().map(|operation| match operation {
        AlterTableOperation::AddConstraint {
            constraint: TableConstraint::ForeignKey(_),
            ..
        } => LockMode::ShareRowExclusive,
        AlterTableOperation::ValidateConstraint { .. } => LockMode::ShareUpdateExclusive,
        _ => LockMode::AccessExclusive,
    });
    modes
        .max_by_key(|mode| *mode as u8)
        .unwrap_or(LockMode::AccessExclusive)
}

impl Session {
    pub(super) async fn alter_table(&mut self, alter: &AlterTable) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER TABLE").await?;
        let name = QualifiedName::from_ast(&alter.name, &self.database)?;
        let found = catalog.find_relation(&name, self.settings.search_path());
        if let Some(RelationEntry::View(view)) = found {
            let change = ViewChange::of_table(&alter.operations, view)?;
            self.alter_view(&alter.name, alter.if_exists, &change)
                .await?;
            return Ok("ALTER TABLE".to_owned());
        }
        if let (Some(RelationEntry::Sequence(_)), [operation]) =
            (found, alter.operations.as_slice())
            && let Some(change) = SequenceChange::of_table(operation)
        {
            self.alter_sequence(&alter.name, false, &change).await?;
            return Ok("ALTER TABLE".to_owned());
        }
        if alter.if_exists
            && catalog
                .find_table(&name, self.settings.search_path())
                .is_none()
        {
            self.notice(format!(
                "relation \"{}\" does not exist, skipping",
                name.name
            ));
            return Ok("ALTER TABLE".to_owned());
        }
        let table = self.table_to_change(&alter.name, &catalog)?;
        check_alteration(&table, &alter.operations)?;
        self.no_pending_checks("ALTER TABLE", &table)?;
        let mode = lock_mode(&alter.operations);
        self.lock_table(table.oid, mode).await?;
        let mut alteration = Alteration::new(catalog, table);
        let mut operations: Vec<&AlterTableOperation> = alter.operations.iter().collect();
        operations.sort_by_key(|operation| pass(operation));
        for operation in operations {
            let before = alteration.table.clone();
            refuse_in_family(operation, &before, alter.only, &alteration.catalog)?;
            self.alter_one(operation, &mut alteration).await?;
            self.keep(&mut alteration)?;
            let spreading = Spreading {
                operation,
                only: alter.only,
            };
            self.spread_change(before, spreading).await?;
            alteration.catalog = self.catalog()?.as_ref().clone();
        }
        Ok("ALTER TABLE".to_owned())
    }

    /// Makes what was altered so far the transaction's.
    pub(super) fn keep(&mut self, a: &mut Alteration) -> Result<(), SqlError> {
        let entry = CatalogEntry::Table(Box::new(a.table.clone()));
        let layer = std::mem::take(&mut a.layer);
        let catalog = a.catalog.clone();
        let mut changes = std::mem::take(&mut a.sequences);
        changes.push(CatalogChange::Put(entry));
        self.change_catalog(catalog, changes, layer)?;
        a.catalog = self.catalog()?.as_ref().clone();
        Ok(())
    }

    async fn alter_one(
        &mut self,
        operation: &AlterTableOperation,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if let AlterTableOperation::AlterColumn { column_name, .. } = operation
            && let Some((column, change)) = carried_change(column_name)?
        {
            return self.change_column(&column, &change, a).await;
        }
        match operation {
            AlterTableOperation::AddColumn {
                if_not_exists,
                column_def,
                column_position: None,
                ..
            } => self.add_column(column_def, *if_not_exists, a).await,
            AlterTableOperation::DropColumn {
                column_names,
                if_exists,
                drop_behavior,
                ..
            } => {
                let cascade = *drop_behavior == Some(sqlparser::ast::DropBehavior::Cascade);
                for name in column_names {
                    self.drop_column(name, *if_exists, cascade, a).await?;
                }
                Ok(())
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => column::rename(old_column_name, new_column_name, &mut a.table),
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(name),
            } => self.rename_table(name, a),
            AlterTableOperation::AddConstraint {
                constraint,
                not_valid,
            } => self.add_constraint(constraint, *not_valid, a).await,
            AlterTableOperation::DropConstraint {
                if_exists,
                name,
                drop_behavior,
            } => {
                let cascade = *drop_behavior == Some(sqlparser::ast::DropBehavior::Cascade);
                self.drop_constraint(name, *if_exists, cascade, a).await
            }
            AlterTableOperation::ValidateConstraint { name } => {
                self.validate_constraint(name, a).await
            }
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                constraint::rename(old_name, new_name, a)
            }
            AlterTableOperation::AlterColumn {
                column_name,
                op:
                    AlterColumnOperation::SetDataType {
                        data_type, using, ..
                    },
            } => {
                self.set_type(column_name, data_type, using.as_ref(), a)
                    .await
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(column_name, op, a)
            }
            AlterTableOperation::OwnerTo { new_owner } => self.set_owner(new_owner, a),
            other => Err(SqlError::unsupported(format!("ALTER TABLE … {other}"))),
        }
    }

    /// What the table holds now.
    pub(super) fn current_rows(&mut self) -> Result<ReadView, SqlError> {
        let snapshot = self.engine.snapshot();
        Ok(self.transaction()?.newest_view(snapshot))
    }

    /// Writes the table again as it has become, under new streams; `change` makes
    /// rows of `old` rows of it.
    fn rebuild(
        &mut self,
        old: &TableInfo,
        a: &mut Alteration,
        change: &mut dyn FnMut(&mut Vec<Datum>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        a.table.stream = a.catalog.allocate_stream();
        for index in &mut a.table.indexes {
            index.stream = a.catalog.allocate_stream();
        }
        let new = Arc::new(a.table.clone());
        let derived = self.derived(&new)?;
        let view = self.current_rows()?;
        let (engine, cancel) = (self.engine.clone(), self.cancel.clone());
        let txn = self.transaction()?;
        let with = Rebuilding {
            catalog: &a.catalog,
            derived: &derived,
            view: &view,
            cancel: &cancel,
            next_number: &mut |rows| engine.next_row_number(txn, rows),
            change,
        };
        rewrite::rebuild(old, &new, &mut a.layer, with)
    }

    /// What is computed from the rows of a table.
    pub(super) fn derived(&mut self, table: &TableDescriptor) -> Result<BoundDerived, SqlError> {
        if !has_derived(table) {
            return Ok(BoundDerived::default());
        }
        let planning = self.planning()?;
        let session = self.session_info()?;
        Derived::plan(table, &planning)?.bind(&session)
    }

    fn stored_table(&self, a: &Alteration) -> Result<TableInfo, SqlError> {
        TableInfo::new(Arc::new(a.table.clone()))
    }

    fn set_owner(&mut self, owner: &Owner, a: &mut Alteration) -> Result<(), SqlError> {
        let name = match owner {
            Owner::Ident(name) => fold_identifier(name),
            _ => self.user.clone(),
        };
        if a.catalog.role(&name).is_none() {
            return Err(SqlError::new(
                state::UNDEFINED_OBJECT,
                format!("role \"{name}\" does not exist"),
            ));
        }
        a.table.owner = name;
        Ok(())
    }

    fn rename_table(&mut self, name: &ObjectName, a: &mut Alteration) -> Result<(), SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?.name;
        if a.catalog.relation_exists(a.table.schema, &name) {
            return Err(SqlError::new(
                state::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists"),
            ));
        }
        a.table.name = name;
        Ok(())
    }
}
