//! CREATE, DROP and TRUNCATE.

use std::sync::Arc;

use sqlparser::ast::{CreateIndex, CreateTable, ObjectName, Statement};

use super::Session;
use super::objects::{TEMPORARY, new_state};
use super::rewrite;
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, QualifiedName, SYSTEM_SCHEMAS, TableDescriptor,
    fold_identifier,
};
use crate::engine::put_catalog_changes;
use crate::error::{SqlError, state};
use crate::exec::ddl::build_table;
use crate::exec::generated_column::define_generated;
use crate::exec::insert::{Defaults, refuse_any};
use crate::exec::keys::{KeyKind, KeyRequest, add_key};
use crate::exec::sequence_column::{SequenceRequest, take_sequences};
use crate::exec::sequence_name::bind_column;
use crate::exec::table::TableInfo;
use crate::txn::{Layer, LockKey, LockMode};

impl Session {
    pub(super) async fn ddl(&mut self, statement: &Statement) -> Result<String, SqlError> {
        match statement {
            Statement::CreateTable(create) => self.create_table(create).await,
            Statement::CreateIndex(create) => self.create_index(create).await,
            Statement::AlterTable(alter) => self.alter_table(alter).await,
            Statement::AlterIndex { name, operation } => self.alter_index(name, operation).await,
            Statement::Truncate(truncate) => self.truncate(truncate).await,
            Statement::CreateDatabase {
                db_name,
                if_not_exists,
                ..
            } => self.create_database(db_name, *if_not_exists).await,
            Statement::Drop {
                object_type,
                if_exists,
                names,
                cascade,
                ..
            } => {
                self.drop_objects(*object_type, *if_exists, names, *cascade)
                    .await
            }
            other => Err(SqlError::unsupported(feature(other))),
        }
    }

    /// The catalog, to be changed: locked against other DDL until the
    /// transaction ends.
    pub(super) async fn catalog_to_change(&mut self, what: &str) -> Result<Catalog, SqlError> {
        self.writable(what)?;
        self.lock(LockKey::catalog(self.tenant), LockMode::AccessExclusive)
            .await?;
        Ok(self.catalog()?.as_ref().clone())
    }

    /// Makes a changed catalog the transaction's, and records the changes.
    pub(super) fn change_catalog(
        &mut self,
        mut catalog: Catalog,
        mut changes: Vec<CatalogChange>,
        mut layer: Layer,
    ) -> Result<(), SqlError> {
        let before = self.catalog()?;
        if catalog.counters() != before.counters() {
            changes.push(CatalogChange::Put(CatalogEntry::Counters(
                catalog.counters(),
            )));
        }
        for change in &changes {
            catalog.apply(change);
        }
        for orphan in catalog.orphaned_comments() {
            catalog.apply(&orphan);
            changes.push(orphan);
        }
        catalog.set_version(self.engine.next_catalog_version());
        put_catalog_changes(&mut layer, &before, &changes)?;
        let txn = self.transaction()?;
        txn.push(layer)?;
        txn.set_own_catalog(Arc::new(catalog));
        Ok(())
    }

    /// The schema to create something in, and the bare name.
    pub(super) fn creation_schema(
        &self,
        name: &ObjectName,
        catalog: &Catalog,
    ) -> Result<(u32, String), SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        let found = match &name.schema {
            Some(schema) => {
                if SYSTEM_SCHEMAS.iter().any(|(s, _)| s == schema) {
                    return Err(SqlError::new(
                        state::INSUFFICIENT_PRIVILEGE,
                        format!("permission denied to create \"{name}\""),
                    )
                    .detail("System catalog modifications are currently disallowed."));
                }
                catalog.schema(schema)
            }
            None => self
                .settings
                .search_path()
                .iter()
                .filter(|schema| !schema.starts_with(TEMPORARY))
                .find_map(|schema| catalog.schema(schema)),
        };
        match (found, &name.schema) {
            (Some(schema), _) => Ok((schema.oid, name.name)),
            (None, Some(schema)) => Err(SqlError::new(
                state::INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            )),
            (None, None) => Err(SqlError::new(
                state::INVALID_SCHEMA_NAME,
                "no schema has been selected to create in",
            )),
        }
    }

    async fn create_table(&mut self, create: &CreateTable) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("CREATE TABLE").await?;
        let place = self
            .place_for(&create.name, create.temporary, &mut catalog)
            .await?;
        let (schema, name) = (place.schema, place.name);
        if catalog.relation_exists(schema, &name) {
            if create.if_not_exists {
                self.skipping(state::DUPLICATE_TABLE, &format!("relation \"{name}\""));
                return Ok("CREATE TABLE".to_owned());
            }
            return Err(already_exists("relation", &name, state::DUPLICATE_TABLE));
        }
        if catalog.type_exists(schema, &name) {
            return Err(already_exists("type", &name, state::DUPLICATE_OBJECT).hint(
                "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.",
            ));
        }
        let user = self.user.clone();
        let mut create = create.clone();
        let to_copy = self.expand_likes(&mut create, &catalog)?;
        for definition in &mut create.columns {
            bind_column(definition, &catalog, self.settings.search_path())?;
        }
        let inherited = self.inherited(&create, schema, &name, &mut catalog).await?;
        let requests = take_sequences(&mut create)?;
        let (mut table, asked) = build_table(
            &create,
            name,
            schema,
            &user,
            &mut catalog,
            inherited,
            self.settings.search_path(),
        )?;
        for notice in &asked.notices {
            self.notice(notice.clone());
        }
        let sequences = self.attach_sequences(requests, &mut table, &mut catalog)?;
        let planning = self.planning()?;
        define_generated(&mut table, &planning)?;
        Defaults::check(&table, &planning)?;
        for request in to_copy.keys()? {
            add_key(&mut table, &request, &mut catalog, Some(&planning))?;
        }
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        self.settle_partition_key(&create, &mut table)?;
        // Now it is known whether it is partitioned.
        define_generated(&mut table, &planning)?;
        if !asked.checks.is_empty() {
            let planning = self.planning()?;
            for check in &asked.checks {
                check.define(&mut table, &mut catalog, &planning)?;
            }
        }
        if !asked.foreign_keys.is_empty() {
            let entry = CatalogEntry::Table(Box::new(table.clone()));
            catalog.apply(&CatalogChange::Put(entry));
            self.add_foreign_keys(&mut table, &asked.foreign_keys, &mut catalog)
                .await?;
        }
        self.settle_partition(&mut table, &mut catalog).await?;
        let mut changes = sequences;
        changes.extend(to_copy.comments(&table, &mut catalog));
        changes.push(CatalogChange::Put(CatalogEntry::Table(Box::new(table))));
        self.change_catalog(catalog, changes, Layer::default())?;
        Ok("CREATE TABLE".to_owned())
    }

    /// Makes the sequences that columns of a table ask for.
    pub(super) fn attach_sequences(
        &self,
        requests: Vec<SequenceRequest>,
        table: &mut TableDescriptor,
        catalog: &mut Catalog,
    ) -> Result<Vec<CatalogChange>, SqlError> {
        let mut changes = Vec::with_capacity(requests.len());
        let mut taken = Vec::new();
        for request in requests {
            let state = |oid| new_state(&self.engine, oid);
            let sequence = request.attach(table, catalog, &taken, &state)?;
            taken.push(sequence.name.clone());
            let entry = CatalogEntry::Sequence(Box::new(sequence));
            changes.push(CatalogChange::Put(entry));
        }
        Ok(changes)
    }

    async fn create_index(&mut self, create: &CreateIndex) -> Result<String, SqlError> {
        let method = create
            .using
            .as_ref()
            .map(|m| m.to_string().to_ascii_lowercase());
        refuse_any(&[(
            method.is_some_and(|m| m != "btree"),
            "index methods other than btree",
        )])?;
        if create.concurrently {
            // Building an index never keeps readers out; writers wait either way.
            self.not_in_block("CREATE INDEX CONCURRENTLY")?;
        }
        let mut catalog = self.catalog_to_change("CREATE INDEX").await?;
        let mut name = create.table_name.clone();
        let only = super::only::take_only(&mut name);
        let mut table = self.table_to_change(&name, &catalog)?;
        refuse_any(&[
            (
                only && table.is_partitioned(),
                "CREATE INDEX ON ONLY a partitioned table",
            ),
            (
                create.concurrently && table.is_partitioned(),
                "CREATE INDEX CONCURRENTLY on a partitioned table",
            ),
        ])?;
        let kind = if create.unique {
            KeyKind::UniqueIndex
        } else {
            KeyKind::Index
        };
        let request = KeyRequest {
            name: match &create.name {
                Some(name) => Some(QualifiedName::from_ast(name, &self.database)?.name),
                None => None,
            },
            include: create.include.iter().map(fold_identifier).collect(),
            nulls_not_distinct: create.nulls_distinct == Some(false),
            predicate: create.predicate.clone(),
            ..KeyRequest::new(kind)
        }
        .with_columns(&create.columns)?;
        if let Some(name) = &request.name
            && create.if_not_exists
            && catalog.relation_exists(table.schema, name)
        {
            self.skipping(state::DUPLICATE_TABLE, &format!("relation \"{name}\""));
            return Ok("CREATE INDEX".to_owned());
        }
        self.lock_table(table.oid, LockMode::Share).await?;
        let planning = self.planning()?;
        add_key(&mut table, &request, &mut catalog, Some(&planning))?;
        let info = TableInfo::new(Arc::new(table.clone()))?;
        let derived = self.derived(&table)?;
        let mut layer = Layer::default();
        if let Some(index) = info.desc.indexes.last() {
            let snapshot = self.engine.snapshot();
            let view = self.transaction()?.newest_view(snapshot);
            rewrite::build_index(
                (&info, &derived),
                index,
                &catalog,
                &view,
                &mut layer,
                &self.cancel,
            )?;
        }
        let oid = table.oid;
        let change = CatalogChange::Put(CatalogEntry::Table(Box::new(table)));
        self.change_catalog(catalog, vec![change], layer)?;
        self.spread_keys(oid).await?;
        Ok("CREATE INDEX".to_owned())
    }

    /// A table's descriptor, to be changed.
    pub(super) fn table_to_change(
        &self,
        name: &ObjectName,
        catalog: &Catalog,
    ) -> Result<TableDescriptor, SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        let table = catalog.table(&name, self.settings.search_path())?;
        Ok(table.as_ref().clone())
    }

    async fn create_database(
        &mut self,
        name: &ObjectName,
        if_not_exists: bool,
    ) -> Result<String, SqlError> {
        self.not_in_block("CREATE DATABASE")?;
        self.writable("CREATE DATABASE")?;
        let name = QualifiedName::from_ast(name, &self.database)?.name;
        let system = LockKey::catalog(kimberlite_storage::TenantId::SYSTEM);
        self.lock(system, LockMode::AccessExclusive).await?;
        if if_not_exists && self.engine.tenant(&name).is_ok() {
            self.notice(format!("database \"{name}\" already exists, skipping"));
            return Ok("CREATE DATABASE".to_owned());
        }
        let role = self.catalog()?.role(&self.user).cloned();
        let scram = role.and_then(|role| role.scram.clone());
        let engine = self.engine.clone();
        engine.create_database(&name, &self.user, scram).await?;
        Ok("CREATE DATABASE".to_owned())
    }
}

fn already_exists(kind: &str, name: &str, sqlstate: &'static str) -> SqlError {
    SqlError::new(sqlstate, format!("{kind} \"{name}\" already exists"))
}

/// The first words of a statement: what it is called.
fn feature(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<&str> = text
        .split_whitespace()
        .take_while(|w| w.chars().all(|c| c.is_ascii_uppercase()))
        .take(4)
        .collect();
    if words.is_empty() {
        text
    } else {
        words.join(" ")
    }
}
