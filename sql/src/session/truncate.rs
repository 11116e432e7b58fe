//! TRUNCATE.

use std::sync::Arc;

use sqlparser::ast::{CascadeOption, Truncate, TruncateIdentityOption, TruncateTableTarget};

use super::Session;
use super::objects::new_state;
use crate::catalog::{Catalog, CatalogChange, CatalogEntry, QualifiedName, TableDescriptor};
use crate::error::{SqlError, state};
use crate::exec::insert::refuse_any;
use crate::exec::table::TableInfo;
use crate::txn::{Layer, LockMode};

impl Session {
    /// Gives each table empty streams. The old rows stay in the log and in the
    /// history.
    pub(super) async fn truncate(&mut self, truncate: &Truncate) -> Result<String, SqlError> {
        refuse_any(&[
            (truncate.partitions.is_some(), "TRUNCATE … PARTITION"),
            (truncate.if_exists, "TRUNCATE IF EXISTS"),
        ])?;
        let mut catalog = self.catalog_to_change("TRUNCATE TABLE").await?;
        // To a serializable transaction it is a write like others.
        self.pin().await?;
        let mut tables: Vec<Arc<TableDescriptor>> = Vec::new();
        for TruncateTableTarget { name, only, .. } in &truncate.table_names {
            let name = QualifiedName::from_ast(name, &self.database)?;
            let table = catalog.table(&name, self.settings.search_path())?;
            if *only && table.is_partitioned() {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    "cannot truncate only a partitioned table",
                )
                .hint("Do not specify the ONLY keyword, or use TRUNCATE ONLY on the partitions directly."));
            }
            if table.materialized.is_some() {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a table", name.name),
                ));
            }
            add_members(&mut tables, table, *only, &catalog);
        }
        if truncate.cascade == Some(CascadeOption::Cascade) {
            self.add_referencing(&mut tables, &catalog);
        } else {
            refuse_referenced(&tables, &catalog)?;
        }
        let mut changes = Vec::new();
        if truncate.identity == Some(TruncateIdentityOption::Restart) {
            changes = self.restarted(&tables, &catalog).await?;
        }
        for table in tables {
            self.no_pending_checks("TRUNCATE", &table)?;
            self.lock_table(table.oid, LockMode::AccessExclusive)
                .await?;
            self.note_emptied(&table)?;
            let mut table = table.as_ref().clone();
            table.stream = catalog.allocate_stream();
            for index in &mut table.indexes {
                index.stream = catalog.allocate_stream();
            }
            changes.push(CatalogChange::Put(CatalogEntry::Table(Box::new(table))));
        }
        self.change_catalog(catalog, changes, Layer::default())?;
        Ok("TRUNCATE TABLE".to_owned())
    }

    /// The sequences that belong to columns of the tables, as they were at first.
    async fn restarted(
        &mut self,
        tables: &[Arc<TableDescriptor>],
        catalog: &Catalog,
    ) -> Result<Vec<CatalogChange>, SqlError> {
        let mut changes = Vec::new();
        let owned = |owner: &(u32, u16)| tables.iter().any(|t| t.oid == owner.0);
        for sequence in catalog.sequences() {
            if !sequence.owned_by.as_ref().is_some_and(owned) {
                continue;
            }
            self.lock_table(sequence.oid, LockMode::AccessExclusive)
                .await?;
            let mut sequence = sequence.as_ref().clone();
            sequence.state = new_state(&self.engine, sequence.oid);
            sequence.first = (sequence.options.start, false);
            let entry = CatalogEntry::Sequence(Box::new(sequence));
            changes.push(CatalogChange::Put(entry));
        }
        Ok(changes)
    }

    /// Tells serializable transactions that all rows of a table go.
    fn note_emptied(&mut self, table: &Arc<TableDescriptor>) -> Result<(), SqlError> {
        let Some(watched) = self.transaction()?.watched().cloned() else {
            return Ok(());
        };
        let mut streams: Vec<_> = table.indexes.iter().map(TableInfo::index_stream).collect();
        streams.push(TableInfo::new(table.clone())?.rows);
        watched.write_all(&streams)
    }

    /// Adds the tables that refer to those already there, and so on.
    fn add_referencing(&mut self, tables: &mut Vec<Arc<TableDescriptor>>, catalog: &Catalog) {
        let mut at = 0;
        while let Some(referenced) = tables.get(at).map(|t| t.oid) {
            at += 1;
            let whole = catalog.partitioned_above(referenced);
            let all = std::iter::once(referenced).chain(whole.iter().map(|t| t.oid));
            for (table, _) in all.flat_map(|oid| catalog.referencing(oid)) {
                if tables.iter().all(|t| t.oid != table.oid) {
                    let before = tables.len();
                    add_members(tables, table, false, catalog);
                    for added in tables.iter().skip(before) {
                        self.notice(format!("truncate cascades to table \"{}\"", added.name));
                    }
                }
            }
        }
    }
}

/// Adds a table and those below it, each once.
fn add_members(
    tables: &mut Vec<Arc<TableDescriptor>>,
    table: &Arc<TableDescriptor>,
    only: bool,
    catalog: &Catalog,
) {
    let members = match only {
        true => vec![Arc::clone(table)],
        false => catalog.members(table.oid),
    };
    for member in members {
        if tables.iter().all(|t| t.oid != member.oid) {
            tables.push(member);
        }
    }
}

/// Rows that refer to the truncated ones would refer to nothing.
fn refuse_referenced(tables: &[Arc<TableDescriptor>], catalog: &Catalog) -> Result<(), SqlError> {
    for table in tables {
        let whole = catalog.partitioned_above(table.oid);
        let all = std::iter::once(table.oid).chain(whole.iter().map(|t| t.oid));
        let mut users = all.flat_map(|oid| catalog.referencing(oid));
        let other = users.find(|(user, _)| tables.iter().all(|t| t.oid != user.oid));
        if let Some((user, _)) = other {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "cannot truncate a table referenced in a foreign key constraint",
            )
            .detail(format!(
                "Table \"{}\" references \"{}\".",
                user.name, table.name
            ))
            .hint(format!(
                "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                user.name
            )));
        }
    }
    Ok(())
}
