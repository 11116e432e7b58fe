//! Materialized views: tables that hold the rows that a query had when they were
//! filled.

use std::sync::Arc;

use sqlparser::ast::{AlterTableOperation, ObjectName};

use super::super::execute::Execution;
use super::super::parse::ParsedStatement;
use super::super::{Outcome, Session};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, Materialized, QualifiedName, TableDescriptor, ViewColumn,
    ViewDescriptor,
};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

/// REFRESH MATERIALIZED VIEW as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Refresh {
    pub(super) concurrently: bool,
    pub(super) name: ObjectName,
    pub(super) with_data: bool,
}

impl Session {
    pub(super) async fn refresh(&mut self, refresh: &Refresh) -> Result<String, SqlError> {
        let tag = "REFRESH MATERIALIZED VIEW".to_owned();
        if refresh.concurrently && !refresh.with_data {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "CONCURRENTLY and WITH NO DATA options cannot be used together",
            ));
        }
        let mut catalog = self.catalog_to_change(&tag).await?;
        let mut table = self.materialized(&refresh.name, &catalog)?;
        if refresh.concurrently {
            self.check_concurrent(&table, &catalog)?;
        }
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        let Some(view) = table.materialized.clone() else {
            return Err(SqlError::internal("a materialized view without a query"));
        };
        // Rows are written under new streams, so that nothing has to be deleted.
        table.stream = catalog.allocate_stream();
        for index in &mut table.indexes {
            index.stream = catalog.allocate_stream();
        }
        table.materialized = Some(Materialized {
            populated: refresh.with_data,
            ..view.clone()
        });
        let planned = match refresh.with_data {
            false => None,
            true => {
                let query = crate::session::parse_query(&view.query.text)?;
                let inside = Arc::new(as_view(&table, &view));
                let planning = self.planning()?.inside(&inside);
                Some(planning.query(&query, &mut Vec::new())?)
            }
        };
        for oid in planned.iter().flat_map(|planned| planned.tables()) {
            self.lock_table(*oid, LockMode::AccessShare).await?;
        }
        let entry = CatalogEntry::Table(Box::new(table.clone()));
        self.change_catalog(catalog, vec![CatalogChange::Put(entry)], Layer::default())?;
        if let Some(planned) = planned {
            self.fill_table(table, planned, &Execution::default())
                .await?;
        }
        Ok(tag)
    }

    fn materialized(
        &self,
        name: &ObjectName,
        catalog: &Catalog,
    ) -> Result<TableDescriptor, SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        let found = catalog.find_relation(&name, self.settings.search_path());
        let Some(found) = found else {
            return Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            ));
        };
        match catalog.table_by_oid(found.oid()) {
            Some(table) if table.materialized.is_some() => Ok(table.as_ref().clone()),
            _ => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a materialized view", name.name),
            )),
        }
    }

    /// Rows of the same key are what CONCURRENTLY compares in PostgreSQL.
    fn check_concurrent(&self, table: &TableDescriptor, catalog: &Catalog) -> Result<(), SqlError> {
        if table
            .materialized
            .as_ref()
            .is_some_and(|view| !view.populated)
        {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "CONCURRENTLY cannot be used when the materialized view is not populated",
            ));
        }
        if table
            .indexes
            .iter()
            .any(|i| i.is_exclusive() && i.is_plain())
        {
            return Ok(());
        }
        let schema = catalog.schema_by_oid(table.schema);
        let schema = schema.map_or("", |schema| schema.name.as_str());
        Err(SqlError::new(
            state::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "cannot refresh materialized view \"{schema}.{}\" concurrently",
                table.name
            ),
        )
        .hint("Create a unique index with no WHERE clause on one or more columns of the materialized view."))
    }

    /// Carries out an ALTER MATERIALIZED VIEW, read as an ALTER TABLE.
    pub(super) async fn alter_materialized(
        &mut self,
        statement: &ParsedStatement,
    ) -> Result<String, SqlError> {
        let execution = Execution::default();
        match Box::pin(self.utility(statement, &execution)).await? {
            Outcome::Command(_) => Ok("ALTER MATERIALIZED VIEW".to_owned()),
            _ => Err(SqlError::internal("an ALTER with a result")),
        }
    }
}

/// The view that a materialized view would be.
fn as_view(table: &TableDescriptor, view: &Materialized) -> ViewDescriptor {
    let columns = table.live_columns().map(|column| ViewColumn {
        name: column.name.clone(),
        ty: column.ty,
        default: None,
    });
    ViewDescriptor {
        oid: table.oid,
        schema: table.schema,
        name: table.name.clone(),
        owner: table.owner.clone(),
        columns: columns.collect(),
        query: view.query.clone(),
        check: None,
    }
}

/// Refuses what ALTER TABLE does to tables only.
///
/// # Errors
/// 42809.
pub(in super::super) fn check_alteration(
    table: &TableDescriptor,
    operations: &[AlterTableOperation],
) -> Result<(), SqlError> {
    if table.materialized.is_none() {
        return Ok(());
    }
    let refused = operations.iter().find(|operation| {
        !matches!(
            operation,
            AlterTableOperation::RenameTable { .. }
                | AlterTableOperation::RenameColumn { .. }
                | AlterTableOperation::OwnerTo { .. }
        )
    });
    match refused {
        None => Ok(()),
        Some(operation) => {
            let text = operation.to_string();
            let words: Vec<&str> = text
                .split_whitespace()
                .take_while(|w| w.chars().all(|c| c.is_ascii_uppercase()))
                .collect();
            Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!(
                    "ALTER action {} cannot be performed on relation \"{}\"",
                    words.join(" "),
                    table.name
                ),
            )
            .detail("This operation is not supported for materialized views."))
        }
    }
}
