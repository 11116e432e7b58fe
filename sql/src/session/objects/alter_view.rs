//! ALTER VIEW.

use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, Expr, Ident, ObjectName, Owner, RenameTableNameKind,
};

use super::super::Session;
use super::ViewChange;
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, QualifiedName, RelationEntry, ViewDescriptor,
    fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::sequence_name::bind;
use crate::query::Place;
use crate::txn::{Layer, LockMode};

impl ViewChange {
    /// What an ALTER TABLE says of a view.
    ///
    /// # Errors
    /// 42809 for what only tables have.
    pub(in super::super) fn of_table(
        operations: &[AlterTableOperation],
        view: &ViewDescriptor,
    ) -> Result<Self, SqlError> {
        match operations {
            [
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::To(name),
                },
            ] => match name.0.as_slice() {
                [part] => part.as_ident().cloned().map(Self::Rename),
                _ => None,
            }
            .ok_or_else(|| SqlError::unsupported(format!("RENAME TO {name}"))),
            [
                AlterTableOperation::RenameColumn {
                    old_column_name,
                    new_column_name,
                },
            ] => Ok(Self::RenameColumn(
                old_column_name.clone(),
                new_column_name.clone(),
            )),
            [AlterTableOperation::AlterColumn { column_name, op }] => match op {
                AlterColumnOperation::SetDefault { value } => Ok(Self::Default(
                    column_name.clone(),
                    Some(Box::new(value.clone())),
                )),
                AlterColumnOperation::DropDefault => Ok(Self::Default(column_name.clone(), None)),
                _ => Err(not_for_views(view)),
            },
            [
                AlterTableOperation::OwnerTo {
                    new_owner: Owner::Ident(role),
                },
            ] => Ok(Self::Owner(role.clone())),
            _ => Err(not_for_views(view)),
        }
    }
}

fn not_for_views(view: &ViewDescriptor) -> SqlError {
    SqlError::new(
        state::WRONG_OBJECT_TYPE,
        format!(
            "this ALTER TABLE cannot be performed on relation \"{}\"",
            view.name
        ),
    )
    .detail("This operation is not supported for views.")
}

impl Session {
    pub(in super::super) async fn alter_view(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        change: &ViewChange,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER VIEW").await?;
        let name = QualifiedName::from_ast(name, &self.database)?;
        let mut view = match catalog.find_relation(&name, self.settings.search_path()) {
            Some(RelationEntry::View(view)) => view.as_ref().clone(),
            Some(_) => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a view", name.name),
                ));
            }
            None if if_exists => {
                self.notice(format!(
                    "relation \"{}\" does not exist, skipping",
                    name.name
                ));
                return Ok("ALTER VIEW".to_owned());
            }
            None => {
                return Err(SqlError::new(
                    state::UNDEFINED_TABLE,
                    format!("relation \"{name}\" does not exist"),
                ));
            }
        };
        self.lock_table(view.oid, LockMode::AccessExclusive).await?;
        if let ViewChange::Default(column, value) = change {
            self.set_view_default(&mut view, column, value.as_deref(), &catalog)?;
        } else {
            change_view(&mut view, change, &catalog)?;
        }
        let change = CatalogChange::Put(CatalogEntry::View(Box::new(view)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("ALTER VIEW".to_owned())
    }
}

impl Session {
    /// What changes through a view give one of its columns when they give it nothing.
    fn set_view_default(
        &mut self,
        view: &mut ViewDescriptor,
        column: &Ident,
        value: Option<&Expr>,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let name = fold_identifier(column);
        let text = match value {
            None => None,
            Some(value) => {
                let mut value = value.clone();
                bind(&mut value, catalog, self.settings.search_path())?;
                let planning = self.planning()?;
                let exprs = std::slice::from_ref(&value);
                planning.expressions(exprs, &[], Place::Default, &mut Vec::new())?;
                Some(value.to_string())
            }
        };
        match view.columns.iter_mut().find(|c| c.name == name) {
            Some(found) => {
                found.default = text;
                Ok(())
            }
            None => Err(SqlError::new(
                state::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    view.name
                ),
            )),
        }
    }
}

fn change_view(
    view: &mut ViewDescriptor,
    change: &ViewChange,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    match change {
        ViewChange::Rename(new) => {
            let new = fold_identifier(new);
            free_name(catalog, view.schema, &new)?;
            view.name = new;
        }
        ViewChange::RenameColumn(from, to) => rename_view_column(view, from, to)?,
        ViewChange::SetSchema(schema) => {
            view.schema = schema_for(catalog, schema, view.schema, &view.name)?;
        }
        ViewChange::Owner(role) => view.owner = known_role(catalog, role)?,
        // Planning it takes a session.
        ViewChange::Default(..) => {}
    }
    Ok(())
}

/// The schema that SET SCHEMA names, where there must be room for the name.
///
/// # Errors
/// 3F000, 42P07.
pub(super) fn schema_for(
    catalog: &Catalog,
    schema: &Ident,
    present: u32,
    name: &str,
) -> Result<u32, SqlError> {
    let schema = fold_identifier(schema);
    let found = catalog.schema(&schema).ok_or_else(|| {
        SqlError::new(
            state::INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
        )
    })?;
    if found.oid != present {
        free_name(catalog, found.oid, name)?;
    }
    Ok(found.oid)
}

/// The role that OWNER TO names.
///
/// # Errors
/// 42704.
pub(super) fn known_role(catalog: &Catalog, role: &Ident) -> Result<String, SqlError> {
    let name = fold_identifier(role);
    if catalog.role(&name).is_none() {
        return Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!("role \"{name}\" does not exist"),
        ));
    }
    Ok(name)
}

/// Checks that no relation of a schema has the name.
///
/// # Errors
/// 42P07.
pub(super) fn free_name(catalog: &Catalog, schema: u32, name: &str) -> Result<(), SqlError> {
    if catalog.relation_exists(schema, name) {
        return Err(SqlError::new(
            state::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        ));
    }
    Ok(())
}

/// Gives a column of a view another name.
fn rename_view_column(view: &mut ViewDescriptor, from: &Ident, to: &Ident) -> Result<(), SqlError> {
    let (from, to) = (fold_identifier(from), fold_identifier(to));
    if view.position(&to).is_some() {
        return Err(SqlError::new(
            state::DUPLICATE_COLUMN,
            format!(
                "column \"{to}\" of relation \"{}\" already exists",
                view.name
            ),
        ));
    }
    match view.columns.iter_mut().find(|c| c.name == from) {
        Some(column) => {
            column.name = to;
            Ok(())
        }
        None => Err(SqlError::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{from}\" does not exist"),
        )),
    }
}
