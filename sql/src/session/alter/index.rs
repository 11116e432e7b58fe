//! ALTER INDEX and ALTER TABLE … SET SCHEMA.

use sqlparser::ast::{AlterIndexOperation, Ident, ObjectName};

use super::super::Session;
use crate::catalog::{
    CatalogChange, CatalogEntry, QualifiedName, RelationEntry, SYSTEM_SCHEMAS, TableDescriptor,
    fold_identifier,
};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

impl Session {
    /// Gives an index another name, and the constraint that it belongs to.
    pub(in super::super) async fn alter_index(
        &mut self,
        name: &ObjectName,
        operation: &AlterIndexOperation,
    ) -> Result<String, SqlError> {
        let AlterIndexOperation::RenameIndex { index_name } = operation;
        let catalog = self.catalog_to_change("ALTER INDEX").await?;
        let name = QualifiedName::from_ast(name, &self.database)?;
        let new = QualifiedName::from_ast(index_name, &self.database)?.name;
        let missing = || {
            SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )
        };
        let oid = match catalog.find_relation(&name, self.settings.search_path()) {
            Some(RelationEntry::Index(oid)) => oid,
            Some(_) => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not an index", name.name),
                ));
            }
            None => return Err(missing()),
        };
        let table = catalog.tables().find(|t| t.index_name(oid).is_some());
        let table = table.map(|t| t.as_ref().clone());
        let mut table: TableDescriptor = table.ok_or_else(missing)?;
        if catalog.relation_exists(table.schema, &new) {
            return Err(SqlError::new(
                state::DUPLICATE_TABLE,
                format!("relation \"{new}\" already exists"),
            ));
        }
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        match &mut table.primary_key_name {
            Some((name, key)) if *key == oid => *name = new,
            _ => {
                if let Some(index) = table.indexes.iter_mut().find(|i| i.oid == oid) {
                    index.name = new;
                }
            }
        }
        let change = CatalogChange::Put(CatalogEntry::Table(Box::new(table)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("ALTER INDEX".to_owned())
    }

    /// Moves a table, with its indexes and constraints, to another schema.
    pub(in super::super) async fn set_table_schema(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        schema: &Ident,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER TABLE").await?;
        let name = QualifiedName::from_ast(name, &self.database)?;
        let found = catalog.find_table(&name, self.settings.search_path());
        if found.is_none() && if_exists {
            self.notice(format!(
                "relation \"{}\" does not exist, skipping",
                name.name
            ));
            return Ok("ALTER TABLE".to_owned());
        }
        let table = catalog.table(&name, self.settings.search_path())?;
        let mut table = table.as_ref().clone();
        let schema = fold_identifier(schema);
        if SYSTEM_SCHEMAS.iter().any(|(s, _)| *s == schema) {
            return Err(SqlError::unsupported("moving a table to a system schema"));
        }
        let target = catalog.schema(&schema).map(|s| s.oid).ok_or_else(|| {
            SqlError::new(
                state::INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            )
        })?;
        if target == table.schema {
            return Ok("ALTER TABLE".to_owned());
        }
        let names = std::iter::once(table.name.as_str())
            .chain(table.primary_key_name.iter().map(|(n, _)| n.as_str()))
            .chain(table.indexes.iter().map(|i| i.name.as_str()));
        for name in names {
            if catalog.relation_exists(target, name) {
                return Err(SqlError::new(
                    state::DUPLICATE_TABLE,
                    format!("relation \"{name}\" already exists in schema \"{schema}\""),
                ));
            }
        }
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        table.schema = target;
        let change = CatalogChange::Put(CatalogEntry::Table(Box::new(table)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("ALTER TABLE".to_owned())
    }
}
