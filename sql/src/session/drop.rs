//! DROP of indexes, schemas and databases.

use sqlparser::ast::{ObjectName, ObjectType};

use super::Session;
use super::objects::DroppedKind;
use super::partitions::index_above;
use crate::catalog::{CatalogChange, CatalogEntry, ObjectKind, QualifiedName};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockKey, LockMode};

impl Session {
    pub(super) async fn drop_objects(
        &mut self,
        object: ObjectType,
        if_exists: bool,
        names: &[ObjectName],
        cascade: bool,
    ) -> Result<String, SqlError> {
        if let Some(kind) = DroppedKind::of(object) {
            return self.drop_relations(kind, names, if_exists, cascade).await;
        }
        match object {
            ObjectType::Index => self.drop_indexes(names, if_exists, cascade).await,
            ObjectType::Schema => self.drop_schemas(names, if_exists, cascade).await,
            ObjectType::Database => self.drop_database(names, if_exists).await,
            other => Err(SqlError::unsupported(format!("DROP {other}"))),
        }
    }

    async fn drop_indexes(
        &mut self,
        names: &[ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("DROP INDEX").await?;
        let mut changes = Vec::new();
        let mut gone_from = Vec::new();
        for name in names {
            let name = QualifiedName::from_ast(name, &self.database)?;
            let found = catalog
                .find_index(&name, self.settings.search_path())
                .map(|(table, index)| (table.as_ref().clone(), index.clone()));
            let Some((mut table, index)) = found else {
                if if_exists {
                    self.notice(format!("index \"{}\" does not exist, skipping", name.name));
                    continue;
                }
                return Err(SqlError::new(
                    state::UNDEFINED_OBJECT,
                    format!("index \"{}\" does not exist", name.name),
                ));
            };
            if let Some(parent) = index.parent
                && let Some(above) =
                    index_above(&catalog, &table, parent, self.settings.search_path())
            {
                return Err(SqlError::new(
                    state::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!(
                        "cannot drop index {} because {above} requires it",
                        index.name
                    ),
                )
                .hint(format!("You can drop {above} instead.")));
            }
            if index.constraint {
                return Err(SqlError::new(
                    state::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!(
                        "cannot drop index {0} because constraint {0} on table {1} requires it",
                        index.name, table.name
                    ),
                )
                .hint(format!(
                    "You can drop constraint {} on table {} instead.",
                    index.name, table.name
                )));
            }
            self.no_pending_checks("DROP INDEX", &table)?;
            self.lock_table(table.oid, LockMode::AccessExclusive)
                .await?;
            let root = [ObjectKind::Index(table.oid, index.oid)];
            let dependents = catalog.dependents_of(&root, self.settings.search_path());
            self.allow_cascade(&catalog, &root, &dependents, cascade)?;
            let gone: Vec<ObjectKind> = dependents.iter().map(|d| d.object).collect();
            changes.extend(self.remove_objects(&mut catalog, &gone).await?);
            if let Some(newest) = catalog.table_by_oid(table.oid) {
                table = newest.as_ref().clone();
            }
            table.indexes.retain(|i| i.oid != index.oid);
            if table.is_partitioned() {
                gone_from.push((table.oid, index.oid));
            }
            let change = CatalogChange::Put(CatalogEntry::Table(Box::new(table)));
            catalog.apply(&change);
            changes.push(change);
        }
        self.change_catalog(catalog, changes, Layer::default())?;
        for (table, index) in gone_from {
            self.drop_index_parts(table, index).await?;
        }
        Ok("DROP INDEX".to_owned())
    }

    async fn drop_schemas(
        &mut self,
        names: &[ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("DROP SCHEMA").await?;
        let mut roots = Vec::new();
        for name in names {
            let name = QualifiedName::from_ast(name, &self.database)?.name;
            let Some(schema) = catalog.schema(&name).cloned() else {
                if if_exists {
                    self.notice(format!("schema \"{name}\" does not exist, skipping"));
                    continue;
                }
                return Err(SqlError::new(
                    state::INVALID_SCHEMA_NAME,
                    format!("schema \"{name}\" does not exist"),
                ));
            };
            roots.push(ObjectKind::Schema(schema.oid));
        }
        self.drop_with_dependents(catalog, &roots, cascade).await?;
        Ok("DROP SCHEMA".to_owned())
    }

    async fn drop_database(
        &mut self,
        names: &[ObjectName],
        if_exists: bool,
    ) -> Result<String, SqlError> {
        self.not_in_block("DROP DATABASE")?;
        self.writable("DROP DATABASE")?;
        let system = LockKey::catalog(kimberlite_storage::TenantId::SYSTEM);
        self.lock(system, LockMode::AccessExclusive).await?;
        for name in names {
            let name = QualifiedName::from_ast(name, &self.database)?.name;
            if name == self.database {
                return Err(SqlError::new(
                    state::OBJECT_IN_USE,
                    "cannot drop the currently open database",
                ));
            }
            if if_exists && self.engine.tenant(&name).is_err() {
                self.notice(format!("database \"{name}\" does not exist, skipping"));
                continue;
            }
            let engine = self.engine.clone();
            engine.drop_database(&name, &self.user).await?;
        }
        Ok("DROP DATABASE".to_owned())
    }
}
