//! A sequence as a relation: one row that says where it is.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::arrow_value::array_of;
use super::error::external;
use super::plan::typed_field;
use super::session_info::session_of;
use crate::catalog::SequenceDescriptor;
use crate::error::SqlError;
use crate::types::{Datum, PgType};

/// What a sequence shows.
pub(crate) const SEQUENCE_COLUMNS: [(&str, PgType); 3] = [
    ("last_value", PgType::Int8),
    ("log_cnt", PgType::Int8),
    ("is_called", PgType::Bool),
];

/// A sequence in FROM.
#[derive(Debug)]
pub(super) struct SequenceTable {
    sequence: Arc<SequenceDescriptor>,
    schema: SchemaRef,
}

impl SequenceTable {
    pub(super) fn new(sequence: Arc<SequenceDescriptor>) -> Self {
        let fields: Vec<_> = SEQUENCE_COLUMNS
            .iter()
            .map(|(name, ty)| typed_field(name, *ty, true))
            .collect();
        Self {
            sequence,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

#[async_trait]
impl TableProvider for SequenceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let access = session_of(state.config_options())
            .and_then(|session| session.sequences.as_ref())
            .ok_or_else(|| external(SqlError::internal("a sequence without a session")))?;
        let shown = access.shown(&self.sequence).map_err(external)?;
        let row = [
            Datum::Int8(shown.last),
            Datum::Int8(shown.log_count),
            Datum::Bool(shown.called),
        ];
        let mut columns = Vec::with_capacity(row.len());
        for (value, field) in row.iter().zip(self.schema.fields()) {
            let values = std::slice::from_ref(value);
            columns.push(array_of(values, field.data_type()).map_err(external)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        MemTable::try_new(Arc::clone(&self.schema), vec![vec![batch]])?
            .scan(state, projection, filters, limit)
            .await
    }
}
