//! Temporary relations: they live in a schema of their session, which goes with it.
//!
//! Their rows are in the log like all others, sealed; what is temporary is the name.

use sqlparser::ast::ObjectName;

use super::super::Session;
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, ObjectKind, OnCommit, QualifiedName, SchemaDescriptor,
};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

/// How the schemas of temporary relations begin.
pub(crate) const TEMPORARY: &str = "pg_temp_";

/// Where something new goes.
pub(in super::super) struct Place {
    pub(in super::super) schema: u32,
    pub(in super::super) name: String,
}

impl Session {
    fn temporary_name(&self) -> String {
        format!("{TEMPORARY}{}", self.backend_pid)
    }

    /// Where a new relation goes; makes the session's temporary schema when it is to
    /// be temporary and there is none yet.
    ///
    /// # Errors
    /// 42P16 for a temporary relation in another schema; 3F000.
    pub(in super::super) async fn place_for(
        &mut self,
        name: &ObjectName,
        temporary: bool,
        catalog: &mut Catalog,
    ) -> Result<Place, SqlError> {
        let written = QualifiedName::from_ast(name, &self.database)?;
        let own = self.temporary_name();
        let in_own = written
            .schema
            .as_ref()
            .is_some_and(|schema| schema == "pg_temp" || *schema == own);
        if !temporary && !in_own {
            let (schema, name) = self.creation_schema(name, catalog)?;
            return Ok(Place { schema, name });
        }
        if written.schema.is_some() && !in_own {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                "cannot create temporary relation in non-temporary schema",
            ));
        }
        Ok(Place {
            schema: self.temporary_schema(catalog).await?,
            name: written.name,
        })
    }

    /// The session's temporary schema, made when it is not there.
    async fn temporary_schema(&mut self, catalog: &mut Catalog) -> Result<u32, SqlError> {
        let name = self.temporary_name();
        let left_over = self.engine.first_temporary(self.tenant);
        let mine = self.settings.temporary_schema() == Some(name.as_str());
        let gone: Vec<u32> = catalog
            .schemas()
            .filter(|s| s.name.starts_with(TEMPORARY))
            .filter(|s| left_over || (s.name == name && !mine))
            .map(|s| s.oid)
            .collect();
        for schema in gone {
            self.remove_schema(schema, catalog).await?;
        }
        self.settings_mut().use_temporary_schema(&name);
        if let Some(schema) = catalog.schema(&name) {
            return Ok(schema.oid);
        }
        let oid = catalog.allocate_oid();
        let schema = SchemaDescriptor {
            oid,
            name,
            owner: self.user.clone(),
        };
        self.change_now(
            catalog,
            vec![CatalogChange::Put(CatalogEntry::Schema(schema))],
        )?;
        Ok(oid)
    }

    /// Makes changes the transaction's at once, and goes on with what is then there.
    fn change_now(
        &mut self,
        catalog: &mut Catalog,
        changes: Vec<CatalogChange>,
    ) -> Result<(), SqlError> {
        self.change_catalog(catalog.clone(), changes, Layer::default())?;
        *catalog = self.catalog()?.as_ref().clone();
        Ok(())
    }

    /// Removes a schema with everything in it, without a word.
    async fn remove_schema(&mut self, oid: u32, catalog: &mut Catalog) -> Result<(), SqlError> {
        let mut objects = vec![ObjectKind::Schema(oid)];
        let inside = catalog.dependents_of(&objects, self.settings.search_path());
        objects.extend(inside.iter().map(|d| d.object));
        let changes = self.remove_objects(catalog, &objects).await?;
        self.change_now(catalog, changes)
    }

    /// Drops the session's temporary relations, in the open transaction.
    pub(in super::super) async fn discard_temporary(&mut self) -> Result<(), SqlError> {
        let name = self.temporary_name();
        if self.settings.temporary_schema().is_none() || self.catalog()?.schema(&name).is_none() {
            return Ok(());
        }
        let mut catalog = self.catalog_to_change("DISCARD TEMP").await?;
        let Some(oid) = catalog.schema(&name).map(|s| s.oid) else {
            return Ok(());
        };
        self.remove_schema(oid, &mut catalog).await
    }

    /// Drops the session's temporary relations when it ends.
    pub(in super::super) async fn end_temporary(&mut self) {
        self.cancel.reset();
        // Whatever the session chose for its transactions, this one writes.
        let writable = self.transaction().and_then(|txn| txn.set_read_only(false));
        let dropped = match writable {
            Ok(()) => self.discard_temporary().await,
            Err(error) => Err(error),
        };
        let ended = match dropped {
            Ok(()) => self.commit_open().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            // The next server start or the next session of this number tidies up.
            tracing::warn!(%error, "temporary relations were left behind");
        }
    }

    /// Does what ON COMMIT says of the session's temporary tables.
    pub(in super::super) async fn commit_temporary(&mut self) -> Result<(), SqlError> {
        let name = self.temporary_name();
        let open = self.txn.as_ref().is_some_and(|txn| txn.has_changes());
        if !open || self.settings.temporary_schema().is_none() {
            return Ok(());
        }
        let catalog = self.catalog()?;
        let Some(schema) = catalog.schema(&name).map(|s| s.oid) else {
            return Ok(());
        };
        let tables: Vec<_> = catalog
            .tables()
            .filter(|t| t.schema == schema && t.on_commit.is_some())
            .cloned()
            .collect();
        if tables.is_empty() {
            return Ok(());
        }
        let mut catalog = self.catalog_to_change("COMMIT").await?;
        for table in tables {
            self.lock_table(table.oid, LockMode::AccessExclusive)
                .await?;
            let changes = match table.on_commit {
                Some(OnCommit::Drop) => {
                    let mut objects = vec![ObjectKind::Relation(table.oid)];
                    let more = catalog.dependents_of(&objects, self.settings.search_path());
                    objects.extend(more.iter().map(|d| d.object));
                    self.remove_objects(&mut catalog, &objects).await?
                }
                _ => {
                    let mut table = table.as_ref().clone();
                    table.stream = catalog.allocate_stream();
                    for index in &mut table.indexes {
                        index.stream = catalog.allocate_stream();
                    }
                    vec![CatalogChange::Put(CatalogEntry::Table(Box::new(table)))]
                }
            };
            self.change_now(&mut catalog, changes)?;
        }
        Ok(())
    }
}
