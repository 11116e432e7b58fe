//! ALTER TABLE.

use std::sync::Arc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, DropBehavior, Ident,
    RenameTableNameKind, TableConstraint,
};

use super::objects::ViewChange;
use super::rewrite::{self, contains_nulls, for_each_row};
use super::{POSTGRES_EPOCH_US, Session};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, ObjectKind, QualifiedName, RelationEntry,
    TableDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::ddl::{add_column, column_mut};
use crate::exec::expr::Values;
use crate::exec::insert::Defaults;
use crate::exec::keys::{KeyKind, KeyRequest, add_key, key_request};
use crate::exec::table::{TableInfo, datum_at, display};
use crate::txn::{Layer, LockMode, ReadView};
use crate::types::Datum;

/// A table being altered.
struct Alteration {
    catalog: Catalog,
    /// As it is so far.
    table: TableDescriptor,
    /// Rows and index entries written on the way.
    layer: Layer,
    /// What goes along with dropped columns.
    dropped: Vec<ObjectKind>,
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
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        let mut alteration = Alteration {
            catalog,
            table,
            layer: Layer::default(),
            dropped: Vec::new(),
        };
        for operation in &alter.operations {
            self.alter_one(operation, &mut alteration)?;
        }
        let mut changes = vec![CatalogChange::Put(CatalogEntry::Table(Box::new(
            alteration.table,
        )))];
        for object in alteration.dropped {
            if let ObjectKind::Relation(oid) = object {
                self.lock_table(oid, LockMode::AccessExclusive).await?;
            }
            changes.extend(alteration.catalog.removal(object));
        }
        self.change_catalog(alteration.catalog, changes, alteration.layer)?;
        Ok("ALTER TABLE".to_owned())
    }

    fn alter_one(
        &mut self,
        operation: &AlterTableOperation,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        match operation {
            AlterTableOperation::AddColumn {
                if_not_exists,
                column_def,
                column_position: None,
                ..
            } => self.add_column(column_def, *if_not_exists, a),
            AlterTableOperation::DropColumn {
                column_names,
                if_exists,
                drop_behavior,
                ..
            } => {
                let cascade = *drop_behavior == Some(DropBehavior::Cascade);
                column_names
                    .iter()
                    .try_for_each(|name| self.drop_column(name, *if_exists, cascade, a))
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => rename_column(old_column_name, new_column_name, &mut a.table),
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(name),
            } => self.rename_table(name, a),
            AlterTableOperation::AddConstraint {
                constraint,
                not_valid: false,
            } => self.add_constraint(constraint, a),
            AlterTableOperation::DropConstraint {
                if_exists, name, ..
            } => self.drop_constraint(name, *if_exists, a),
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(column_name, op, a)
            }
            other => Err(SqlError::unsupported(format!("ALTER TABLE … {other}"))),
        }
    }

    /// What the table holds now.
    fn current_rows(&mut self) -> Result<ReadView, SqlError> {
        let snapshot = self.engine.snapshot();
        Ok(self.transaction()?.newest_view(snapshot))
    }

    fn stored_table(&self, a: &Alteration) -> Result<TableInfo, SqlError> {
        TableInfo::new(Arc::new(a.table.clone()))
    }

    fn add_column(
        &mut self,
        definition: &ColumnDef,
        if_not_exists: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let name = fold_identifier(&definition.name);
        if a.table.column(&name).is_some() {
            if if_not_exists {
                self.notice(format!(
                    "column \"{name}\" of relation \"{}\" already exists, skipping",
                    a.table.name
                ));
                return Ok(());
            }
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" already exists",
                    a.table.name
                ),
            ));
        }
        let keys = add_column(&mut a.table, definition)?;
        Defaults::check(&a.table, &self.planning()?)?;
        self.set_missing(a)?;
        for key in keys {
            self.add_key(&key, a)?;
        }
        Ok(())
    }

    /// The value of the newest column in rows that are already there: its
    /// default, computed once.
    fn set_missing(&mut self, a: &mut Alteration) -> Result<(), SqlError> {
        let info = self.stored_table(a)?;
        let planning = self.planning()?;
        let session = self.session_info()?;
        let Some(column) = a.table.columns.last_mut() else {
            return Ok(());
        };
        let format = self.format();
        let started = self.txn.as_ref().map_or(0, |t| t.started_us());
        let values = Values {
            parameters: &[],
            row: &[],
            now_us: started - POSTGRES_EPOCH_US,
            format: &format,
        };
        let default = Defaults::of_column(&info, column.attnum, &planning)?;
        if default.is_volatile() {
            return Err(SqlError::unsupported("ADD COLUMN with a volatile default"));
        }
        let mut row = vec![Datum::Null; usize::from(column.attnum)];
        default
            .bind(Some(&session))?
            .fill(&mut row, &info, &values)?;
        let value = row.pop().unwrap_or(Datum::Null);
        if !value.is_null() {
            column.missing = Some(display(&value, column.ty));
            return Ok(());
        }
        if !column.not_null {
            return Ok(());
        }
        let (rows, attnum) = (info.rows, column.attnum);
        let view = self.current_rows()?;
        if view.scan(rows, &[], None, false).next()?.is_some() {
            return Err(contains_nulls(&a.table, attnum, &a.catalog));
        }
        Ok(())
    }

    fn drop_column(
        &mut self,
        name: &Ident,
        if_exists: bool,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let folded = fold_identifier(name);
        let Some(attnum) = a.table.column(&folded).map(|c| c.attnum) else {
            if if_exists {
                self.notice(format!(
                    "column \"{folded}\" of relation \"{}\" does not exist, skipping",
                    a.table.name
                ));
                return Ok(());
            }
            return column_mut(&mut a.table, name).map(|_| ());
        };
        if a.table.primary_key.contains(&attnum) {
            return Err(SqlError::unsupported(
                "dropping a column of the primary key",
            ));
        }
        let object = [ObjectKind::Column(a.table.oid, attnum)];
        let dependents = a
            .catalog
            .dependents_of(&object, self.settings.search_path());
        self.allow_cascade(&a.catalog, &object, &dependents, cascade)?;
        a.dropped.extend(dependents.iter().map(|d| d.object));
        a.table.indexes.retain(|i| !i.mentions(attnum));
        let column = column_mut(&mut a.table, name)?;
        column.dropped = true;
        column.not_null = false;
        column.default = None;
        column.missing = None;
        column.name = format!("........pg.dropped.{attnum}........");
        Ok(())
    }

    fn rename_table(
        &mut self,
        name: &sqlparser::ast::ObjectName,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
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

    fn add_constraint(
        &mut self,
        constraint: &TableConstraint,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let request = key_request(constraint)?;
        self.add_key(&request, a)
    }

    fn add_key(&mut self, request: &KeyRequest, a: &mut Alteration) -> Result<(), SqlError> {
        if !a.layer.is_empty() {
            return Err(SqlError::unsupported("several keys in one ALTER TABLE")
                .hint("Add them one statement at a time."));
        }
        let old = self.stored_table(a)?;
        add_key(&mut a.table, request, &mut a.catalog)?;
        let view = self.current_rows()?;
        if request.kind == KeyKind::PrimaryKey {
            a.table.stream = a.catalog.allocate_stream();
            for index in &mut a.table.indexes {
                index.stream = a.catalog.allocate_stream();
            }
            let new = Arc::new(a.table.clone());
            return rewrite::rekey(&old, &new, &a.catalog, &view, &mut a.layer, &self.cancel);
        }
        let info = self.stored_table(a)?;
        match info.desc.indexes.last() {
            Some(index) => {
                rewrite::build_index(&info, index, &a.catalog, &view, &mut a.layer, &self.cancel)
            }
            None => Ok(()),
        }
    }

    fn drop_constraint(
        &mut self,
        name: &Ident,
        if_exists: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let name = fold_identifier(name);
        if a.table
            .primary_key_name
            .as_ref()
            .is_some_and(|(n, _)| *n == name)
        {
            return Err(SqlError::unsupported("dropping a primary key"));
        }
        let before = a.table.indexes.len();
        a.table
            .indexes
            .retain(|i| !(i.constraint && i.name == name));
        if a.table.indexes.len() < before {
            return Ok(());
        }
        let message = format!(
            "constraint \"{name}\" of relation \"{}\" does not exist",
            a.table.name
        );
        if if_exists {
            self.notice(format!("{message}, skipping"));
            return Ok(());
        }
        Err(SqlError::new(state::UNDEFINED_OBJECT, message))
    }

    fn alter_column(
        &mut self,
        name: &Ident,
        op: &AlterColumnOperation,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        match op {
            AlterColumnOperation::SetDefault { value } => {
                column_mut(&mut a.table, name)?.default = Some(value.to_string());
                Defaults::check(&a.table, &self.planning()?)
            }
            AlterColumnOperation::DropDefault => {
                column_mut(&mut a.table, name)?.default = None;
                Ok(())
            }
            AlterColumnOperation::DropNotNull => {
                let attnum = column_mut(&mut a.table, name)?.attnum;
                if a.table.primary_key.contains(&attnum) {
                    return Err(SqlError::new(
                        state::INVALID_TABLE_DEFINITION,
                        format!("column \"{}\" is in a primary key", fold_identifier(name)),
                    ));
                }
                column_mut(&mut a.table, name)?.not_null = false;
                Ok(())
            }
            AlterColumnOperation::SetNotNull => {
                let attnum = column_mut(&mut a.table, name)?.attnum;
                let info = self.stored_table(a)?;
                let view = self.current_rows()?;
                for_each_row(&info, &view, &self.cancel, |_, _, row| {
                    if datum_at(&row, attnum).is_null() {
                        return Err(contains_nulls(&a.table, attnum, &a.catalog));
                    }
                    Ok(())
                })?;
                column_mut(&mut a.table, name)?.not_null = true;
                Ok(())
            }
            other => Err(SqlError::unsupported(format!("ALTER COLUMN … {other}"))),
        }
    }
}

fn rename_column(old: &Ident, new: &Ident, table: &mut TableDescriptor) -> Result<(), SqlError> {
    let new = fold_identifier(new);
    if table.column(&new).is_some() {
        return Err(SqlError::new(
            state::DUPLICATE_COLUMN,
            format!(
                "column \"{new}\" of relation \"{}\" already exists",
                table.name
            ),
        ));
    }
    column_mut(table, old)?.name = new;
    Ok(())
}
