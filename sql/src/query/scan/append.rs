//! The tables of a family, read one after the other.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::exec::TableScan;

/// Tables that have more rows than this together are read side by side.
const TOGETHER_ABOVE: usize = 200_000;

/// Reads tables in their order, as PostgreSQL does.
#[derive(Debug)]
struct Append {
    scans: Vec<Arc<TableScan>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

/// What reads all of the tables.
///
/// # Errors
/// None that happen.
pub(super) fn append(
    mut scans: Vec<TableScan>,
    schema: &SchemaRef,
    target_partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    if scans.len() < 2 {
        return Ok(match scans.pop() {
            Some(scan) => Arc::new(scan),
            None => Arc::new(EmptyExec::new(Arc::clone(schema))),
        });
    }
    let rows = scans
        .iter()
        .fold(0, |sum: usize, s| sum.saturating_add(s.rows()));
    let scans: Vec<Arc<TableScan>> = scans.into_iter().map(Arc::new).collect();
    if rows > TOGETHER_ABOVE && target_partitions > 1 {
        let inputs = scans.into_iter().map(|s| s as Arc<dyn ExecutionPlan>);
        return UnionExec::try_new(inputs.collect());
    }
    let properties = PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative);
    Ok(Arc::new(Append {
        scans,
        schema: Arc::clone(schema),
        properties: Arc::new(properties),
    }))
}

impl DisplayAs for Append {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Append of {}", self.scans.len())?;
        for scan in &self.scans {
            write!(f, "; ")?;
            scan.fmt_as(kind, f)?;
        }
        Ok(())
    }
}

impl ExecutionPlan for Append {
    fn name(&self) -> &str {
        "Append"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("an append has no partition {partition}");
        }
        let parts: Vec<(Arc<TableScan>, usize)> = self
            .scans
            .iter()
            .flat_map(|scan| {
                let count = scan.properties().partitioning.partition_count();
                (0..count).map(|part| (Arc::clone(scan), part))
            })
            .collect();
        // A table is opened when the one before it is at its end.
        let batches = stream::iter(parts)
            .map(move |(scan, part)| scan.execute(part, Arc::clone(&context)))
            .try_flatten();
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn statistics_from_inputs(
        &self,
        _input_stats: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows = self
            .scans
            .iter()
            .fold(0, |sum: usize, s| sum.saturating_add(s.rows()));
        statistics.num_rows = Precision::Inexact(rows);
        Ok(Arc::new(statistics))
    }
}
