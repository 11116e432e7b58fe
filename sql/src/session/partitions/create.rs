//! CREATE TABLE of partitioned tables, partitions and heirs.

use std::sync::Arc;

use sqlparser::ast::{ColumnOption, CreateTable, ObjectName};

use super::super::Session;
use super::bound::{Reading, check_overlap};
use super::key;
use crate::catalog::{Catalog, CatalogChange, CatalogEntry, QualifiedName, TableDescriptor};
use crate::error::{SqlError, state};
use crate::txn::LockMode;

pub(in super::super) use crate::exec::family::inherited::Inherited;

fn wrong_kind(message: impl Into<String>) -> SqlError {
    SqlError::new(state::WRONG_OBJECT_TYPE, message)
}

/// Refuses families that are too deep.
///
/// # Errors
/// 54001.
pub(super) fn refuse_deep(
    parent: u32,
    child: Option<u32>,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    match catalog.is_too_deep(parent, child) {
        false => Ok(()),
        true => Err(
            SqlError::new(state::STATEMENT_TOO_COMPLEX, "tables are nested too deeply")
                .hint("Partitions and heirs can be 64 deep."),
        ),
    }
}

impl Session {
    /// What a new table has from the parents that its statement names.
    pub(in super::super) async fn inherited(
        &mut self,
        create: &CreateTable,
        schema: u32,
        name: &str,
        catalog: &mut Catalog,
    ) -> Result<Inherited, SqlError> {
        if create.inherits.is_some() && create.partition_by.is_some() {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                "cannot create partitioned table as inheritance child",
            ));
        }
        if let Some(parent) = &create.partition_of {
            return self
                .partition_of(parent, create, (schema, name), catalog)
                .await;
        }
        let mut inherited = Inherited::default();
        let mut notices = Vec::new();
        for parent in create.inherits.iter().flatten() {
            let parent = self.parent_named(parent, catalog)?;
            if parent.is_partitioned() {
                return Err(wrong_kind(format!(
                    "cannot inherit from partitioned table \"{}\"",
                    parent.name
                )));
            }
            if parent.is_partition() {
                return Err(wrong_kind(format!(
                    "cannot inherit from partition \"{}\"",
                    parent.name
                )));
            }
            self.refuse_temporary(&parent, schema, "inherit from", catalog)?;
            refuse_deep(parent.oid, None, catalog)?;
            if inherited.parents.contains(&parent.oid) {
                return Err(SqlError::new(
                    state::DUPLICATE_TABLE,
                    format!(
                        "relation \"{}\" would be inherited from more than once",
                        parent.name
                    ),
                ));
            }
            self.lock_table(parent.oid, LockMode::ShareUpdateExclusive)
                .await?;
            inherited.parents.push(parent.oid);
            inherited.add_columns(&parent, &mut notices)?;
            inherited.add_checks(&parent, catalog)?;
        }
        for notice in notices {
            self.notice(notice);
        }
        Ok(inherited)
    }

    /// A table that is to be a parent.
    pub(super) fn parent_named(
        &self,
        name: &ObjectName,
        catalog: &Catalog,
    ) -> Result<Arc<TableDescriptor>, SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        catalog.table(&name, self.settings.search_path()).cloned()
    }

    /// A permanent table has no temporary parent, a temporary one no permanent
    /// partition.
    pub(super) fn refuse_temporary(
        &self,
        parent: &TableDescriptor,
        schema: u32,
        verb: &str,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let temporary = |schema: u32| {
            let schema = catalog.schema_by_oid(schema);
            schema.is_some_and(|s| s.name.starts_with(super::super::TEMPORARY))
        };
        let (above, below) = (temporary(parent.schema), temporary(schema));
        if above && !below {
            let message = match verb {
                "inherit from" => {
                    format!("cannot inherit from temporary relation \"{}\"", parent.name)
                }
                _ => format!(
                    "cannot create a permanent relation as partition of temporary relation \"{}\"",
                    parent.name
                ),
            };
            return Err(wrong_kind(message));
        }
        if below && !above && verb != "inherit from" {
            return Err(wrong_kind(format!(
                "cannot create a temporary relation as partition of permanent relation \"{}\"",
                parent.name
            )));
        }
        Ok(())
    }

    async fn partition_of(
        &mut self,
        parent: &ObjectName,
        create: &CreateTable,
        (schema, name): (u32, &str),
        catalog: &mut Catalog,
    ) -> Result<Inherited, SqlError> {
        let parent = self.parent_named(parent, catalog)?;
        let Some(by) = parent.family.partition_by.clone() else {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                format!("\"{}\" is not partitioned", parent.name),
            ));
        };
        let identity = create
            .columns
            .iter()
            .flat_map(|c| &c.options)
            .any(|option| {
                matches!(
                    &option.option,
                    ColumnOption::Generated {
                        generation_expr: None,
                        ..
                    }
                )
            });
        if identity {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "identity columns are not supported on partitions",
            ));
        }
        self.refuse_temporary(&parent, schema, "partition", catalog)?;
        refuse_deep(parent.oid, None, catalog)?;
        let said = create
            .for_values
            .as_ref()
            .ok_or_else(|| SqlError::new(state::SYNTAX_ERROR, "syntax error at end of input"))?;
        self.lock_table(parent.oid, LockMode::ShareUpdateExclusive)
            .await?;
        let mut inherited = Inherited {
            parents: vec![parent.oid],
            ..Inherited::default()
        };
        inherited.add_columns(&parent, &mut Vec::new())?;
        inherited.add_checks(&parent, catalog)?;
        let (planning, session) = (self.planning()?, self.session_info()?);
        let reading = Reading {
            planning: &planning,
            session: &session,
        };
        let bound = reading.bound(said, &parent, &by)?;
        check_overlap(name, &bound, &parent, &by, catalog)?;
        inherited.bound = Some(bound);
        Ok(inherited)
    }

    /// Gives a new table its partition key.
    ///
    /// # Errors
    /// 42P17 and the like for keys that cannot be.
    pub(in super::super) fn settle_partition_key(
        &mut self,
        create: &CreateTable,
        table: &mut TableDescriptor,
    ) -> Result<(), SqlError> {
        let Some(expr) = &create.partition_by else {
            return Ok(());
        };
        let planning = self.planning()?;
        table.family.partition_by = Some(key::partition_by(expr, table, &planning)?);
        super::indexes::check_unique(table)
    }

    /// Gives a new partition what its parent has besides columns and CHECK
    /// constraints.
    ///
    /// # Errors
    /// What the parts of keys may fail with; 23514 for rows of the default partition.
    pub(in super::super) async fn settle_partition(
        &mut self,
        table: &mut TableDescriptor,
        catalog: &mut Catalog,
    ) -> Result<(), SqlError> {
        let parent = table
            .family
            .parents
            .first()
            .filter(|_| table.is_partition());
        let Some(parent) = parent.and_then(|oid| catalog.table_by_oid(*oid)).cloned() else {
            return Ok(());
        };
        super::indexes::add_parts(&parent, table, catalog)?;
        super::indexes::add_foreign_keys(&parent, table, catalog)?;
        let entry = CatalogEntry::Table(Box::new(table.clone()));
        catalog.apply(&CatalogChange::Put(entry));
        self.check_default_contents(&parent, table, catalog).await
    }
}
