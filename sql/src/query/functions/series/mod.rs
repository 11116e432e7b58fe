//! `generate_series` in FROM. Its values are made as they are read.

mod array;
mod values;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use self::values::{Series, series};
use super::super::arrow_value::array_of;
use super::super::error::{external, from_arrow, from_datafusion};
use super::super::plan::{constant_of, typed_field};
use crate::error::{SqlError, SqlResult};
use crate::types::SessionFormat;

pub(super) use array::OVERLOADS;

/// A function in FROM; `None` when there is no such function.
///
/// # Errors
/// 22023 for a step of zero, 0A000 for arguments that are not constants.
pub(in crate::query) fn table_function(
    name: &str,
    args: Vec<Expr>,
    format: &SessionFormat,
) -> SqlResult<Option<Arc<dyn TableProvider>>> {
    if name != "generate_series" {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(args.len());
    for arg in &args {
        values.push(constant_of(arg, format)?.ok_or_else(|| {
            SqlError::unsupported("generate_series with arguments that are not constants")
        })?);
    }
    let (ty, series) = series(&values, format)?;
    let schema = Arc::new(Schema::new(vec![typed_field("generate_series", ty, true)]));
    let partition = SeriesPartition {
        schema: Arc::clone(&schema),
        series,
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(partition)]);
    Ok(Some(Arc::new(table.map_err(from_datafusion)?)))
}

/// A series that is read from the start each time.
struct SeriesPartition {
    schema: SchemaRef,
    series: Series,
}

impl fmt::Debug for SeriesPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeriesPartition")
    }
}

impl PartitionStream for SeriesPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let schema = Arc::clone(&self.schema);
        let mut series = self.series.clone();
        let batches =
            std::iter::from_fn(move || series.batch(&schema, rows).map_err(external).transpose());
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

impl Series {
    /// The next values, `rows` at most; `None` after the last.
    fn batch(&mut self, schema: &SchemaRef, rows: usize) -> SqlResult<Option<RecordBatch>> {
        let mut values = Vec::with_capacity(rows);
        while values.len() < rows {
            match self.next()? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let array = array_of(&values, schema.field(0).data_type())?;
        RecordBatch::try_new(Arc::clone(schema), vec![array])
            .map(Some)
            .map_err(from_arrow)
    }
}
