//! Running a lateral join.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array, new_null_array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::super::error::external;
use super::run::Bound;
use crate::error::SqlError;

/// Batches of joined rows that may wait.
const WAITING: usize = 2;

/// Joins each row of its input with the rows that a subquery has for it.
pub(super) struct LateralExec {
    input: Arc<dyn ExecutionPlan>,
    args: Vec<Arc<dyn PhysicalExpr>>,
    bound: Option<Arc<Bound>>,
    keeps_left: bool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl LateralExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        args: Vec<Arc<dyn PhysicalExpr>>,
        bound: Option<Arc<Bound>>,
        keeps_left: bool,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self {
            input,
            args,
            bound,
            keeps_left,
            schema,
            properties: Arc::new(properties),
        }
    }
}

impl fmt::Debug for LateralExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateralExec")
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for LateralExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LateralExec: keeps_left={}", self.keeps_left)
    }
}

impl ExecutionPlan for LateralExec {
    fn name(&self) -> &str {
        "LateralExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for arg in &self.args {
            f(arg)?;
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(
                input,
                self.args.clone(),
                self.bound.clone(),
                self.keeps_left,
                Arc::clone(&self.schema),
            ))),
            _ => internal_err!("a lateral join has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(bound) = self.bound.clone() else {
            return Err(external(SqlError::internal(
                "a lateral join was run before it was bound",
            )));
        };
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), WAITING);
        let joining = Joining {
            args: self.args.clone(),
            bound,
            keeps_left: self.keeps_left,
            schema: Arc::clone(&self.schema),
            rows: context.session_config().batch_size(),
            to: builder.tx(),
        };
        builder.spawn(joining.run(input));
        Ok(builder.build())
    }
}

/// One partition at work.
struct Joining {
    args: Vec<Arc<dyn PhysicalExpr>>,
    bound: Arc<Bound>,
    keeps_left: bool,
    schema: SchemaRef,
    /// Rows of a batch that goes on.
    rows: usize,
    to: Sender<Result<RecordBatch>>,
}

impl Joining {
    async fn run(self, mut input: SendableRecordBatchStream) -> Result<()> {
        let mut made = Vec::new();
        let mut count = 0;
        while let Some(left) = input.next().await {
            let left = left?;
            let args = self
                .args
                .iter()
                .map(|arg| arg.evaluate(&left)?.into_array(left.num_rows()))
                .collect::<Result<Vec<ArrayRef>>>()?;
            for row in 0..left.num_rows() {
                let parameters = args
                    .iter()
                    .map(|array| ScalarValue::try_from_array(array, row))
                    .collect::<Result<Vec<_>>>()?;
                let mut right = self.bound.rows(parameters).await?;
                let mut alone = true;
                while let Some(batch) = right.next().await {
                    let batch = batch?;
                    self.bound.check()?;
                    if batch.num_rows() == 0 {
                        continue;
                    }
                    alone = false;
                    count += batch.num_rows();
                    made.push(self.joined(&left, row, batch.columns(), batch.num_rows())?);
                    if count >= self.rows && !self.send(&mut made, &mut count).await? {
                        return Ok(());
                    }
                }
                if alone && self.keeps_left {
                    count += 1;
                    made.push(self.joined(&left, row, &[], 1)?);
                }
                if count >= self.rows && !self.send(&mut made, &mut count).await? {
                    return Ok(());
                }
            }
        }
        self.send(&mut made, &mut count).await?;
        Ok(())
    }

    /// Passes rows on; false when nobody wants them.
    async fn send(&self, made: &mut Vec<RecordBatch>, count: &mut usize) -> Result<bool> {
        *count = 0;
        if made.is_empty() {
            return Ok(true);
        }
        let batch = concat_batches(&self.schema, made.iter())?;
        made.clear();
        Ok(self.to.send(Ok(batch)).await.is_ok())
    }

    /// One row of the left side beside rows of the right one, or beside NULLs.
    fn joined(
        &self,
        left: &RecordBatch,
        row: usize,
        right: &[ArrayRef],
        rows: usize,
    ) -> Result<RecordBatch> {
        let indices = UInt64Array::from_value(row as u64, rows);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for column in left.columns() {
            columns.push(take(column, &indices, None)?);
        }
        for (position, field) in self.schema.fields().iter().enumerate().skip(columns.len()) {
            let column = match right.get(position - left.num_columns()) {
                Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
                Some(column) => arrow::compute::cast(column, field.data_type())?,
                None => new_null_array(field.data_type(), rows),
            };
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}
