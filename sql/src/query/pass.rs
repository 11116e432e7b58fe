//! A step of a plan that passes batches on, one by one.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

/// What is done with each batch: it keeps the schema and the order of the rows.
pub(super) type Each = Box<dyn FnMut(RecordBatch) -> Result<RecordBatch> + Send>;

/// Gives what is done with the batches of one run.
type Start = Arc<dyn Fn(&TaskContext) -> Result<Each> + Send + Sync>;

/// Passes the batches of its input on.
pub(super) struct PassBatches {
    name: &'static str,
    input: Arc<dyn ExecutionPlan>,
    start: Start,
}

impl PassBatches {
    /// A step above `input`, called `name` by EXPLAIN, that does the same with each
    /// batch.
    pub(super) fn plan(
        name: &'static str,
        input: Arc<dyn ExecutionPlan>,
        each: impl Fn(RecordBatch) -> Result<RecordBatch> + Clone + Send + Sync + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        Self::starting(name, input, move |_| Ok(Box::new(each.clone())))
    }

    /// A step below an operator that keeps all rows, `copies` times, without saying so:
    /// they count as memory of the query.
    pub(super) fn counting(
        name: &'static str,
        input: Arc<dyn ExecutionPlan>,
        copies: usize,
    ) -> Arc<dyn ExecutionPlan> {
        Self::starting(name, input, move |context| {
            let memory = MemoryConsumer::new(name).register(context.memory_pool());
            Ok(Box::new(move |batch| {
                memory.try_grow(batch.get_array_memory_size().saturating_mul(copies))?;
                Ok(batch)
            }))
        })
    }

    /// A step that begins anew with every run.
    pub(super) fn starting(
        name: &'static str,
        input: Arc<dyn ExecutionPlan>,
        start: impl Fn(&TaskContext) -> Result<Each> + Send + Sync + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self {
            name,
            input,
            start: Arc::new(start),
        })
    }
}

impl fmt::Debug for PassBatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name)
            .field("input", &self.input)
            .finish()
    }
}

impl DisplayAs for PassBatches {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ExecutionPlan for PassBatches {
    fn name(&self) -> &str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self {
                name: self.name,
                input,
                start: Arc::clone(&self.start),
            })),
            _ => internal_err!("{} has one input", self.name),
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
        let mut each = (self.start)(&context)?;
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let batches = input.map(move |batch| each(batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
