//! A system relation as DataFusion sees it, and the catalog for functions.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::{Result, config_err};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::arrow_value::array_of;
use super::error::external;
use super::plan::{field_type, typed_field};
use super::session_info::session_of;
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::pg_catalog::{self, Facts, Relation};
use crate::types::{ArrayValue, Datum, PgType};

/// Carries the catalog that a statement was planned with to functions.
#[derive(Debug, Clone)]
pub(super) struct CatalogExtension(pub(super) Arc<Catalog>);

impl ConfigExtension for CatalogExtension {
    const PREFIX: &'static str = "kimberlite_catalog";
}

impl ExtensionOptions for CatalogExtension {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        config_err!("kimberlite_catalog.{key} cannot be set")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// The catalog a function runs with.
pub(super) fn catalog_of(options: &ConfigOptions) -> Option<&Arc<Catalog>> {
    options.extensions.get::<CatalogExtension>().map(|e| &e.0)
}

/// A system relation. Its rows are computed when a plan is run, for the session
/// that runs it.
#[derive(Debug)]
pub(super) struct SystemTable {
    relation: &'static Relation,
    schema: SchemaRef,
}

impl SystemTable {
    /// Prepares a relation.
    pub(super) fn new(relation: &'static Relation) -> Self {
        let fields: Vec<_> = relation
            .columns
            .iter()
            .map(|(name, ty)| typed_field(name, *ty, true))
            .collect();
        Self {
            relation,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    fn batch(&self, facts: &Facts<'_>, positions: &[usize]) -> Result<(SchemaRef, RecordBatch)> {
        let schema = Arc::new(self.schema.project(positions)?);
        let rows = pg_catalog::rows(self.relation, facts);
        let mut columns = Vec::with_capacity(positions.len());
        for (position, field) in positions.iter().zip(schema.fields()) {
            let vector = matches!(field_type(field), PgType::Int2Vector | PgType::OidVector);
            let values: Vec<Datum> = rows
                .iter()
                .map(|row| match self.relation.value_or_default(row, *position) {
                    // Vectors count from 0.
                    Datum::Array(array) if vector => {
                        ArrayValue::vector(array.element, array.values).datum()
                    }
                    value => value,
                })
                .collect();
            columns.push(array_of(&values, field.data_type()).map_err(external)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        Ok((schema, batch))
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = state.config_options();
        let (Some(session), Some(catalog)) = (session_of(options), catalog_of(options)) else {
            return Err(external(SqlError::internal(
                "a system table without session",
            )));
        };
        let facts = Facts { catalog, session };
        let positions = match projection {
            Some(positions) => positions.clone(),
            None => (0..self.relation.columns.len()).collect(),
        };
        let (schema, batch) = self.batch(&facts, &positions)?;
        MemTable::try_new(schema, vec![vec![batch]])?
            .scan(state, None, filters, limit)
            .await
    }
}
