//! `WITH RECURSIVE … UNION`: rows that no step has given before.
//!
//! DataFusion's own way takes rows for known ones when two rows of a batch differ and
//! have the same hash, which NULL and zero are enough for. And it compares columns as
//! Arrow does, not their values.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, ident};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;
use parking_lot::Mutex;

use super::plan::compared_columns;

/// Bytes that a row takes among the known ones beside its own.
const ROW_BYTES: usize = 2 * size_of::<Box<[u8]>>();

/// Lets both terms of every recursive UNION pass on new rows only.
pub(super) fn remembered(
    plan: Arc<dyn ExecutionPlan>,
    session: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(query) = node.downcast_ref::<RecursiveQueryExec>() else {
            return Ok(Transformed::no(node));
        };
        let schema = query.schema();
        if !query.is_distinct() || schema.fields().is_empty() {
            return Ok(Transformed::no(node));
        }
        let keys = keys(&schema, session)?;
        let seen = Arc::new(Mutex::new(None));
        let unseen = |input: &Arc<dyn ExecutionPlan>, first: bool| {
            Arc::new(UnseenRows {
                input: Arc::clone(input),
                keys: Arc::clone(&keys),
                seen: Arc::clone(&seen),
                first,
            })
        };
        let query = RecursiveQueryExec::try_new(
            query.name().to_owned(),
            Arc::clone(&schema),
            unseen(query.static_term(), true),
            unseen(query.recursive_term(), false),
            false,
        )?;
        Ok(Transformed::yes(Arc::new(query)))
    })
    .data()
}

/// What the columns of rows are compared by.
fn keys(schema: &Schema, session: &dyn Session) -> Result<Arc<[Arc<dyn PhysicalExpr>]>> {
    // Names may repeat; only the places count.
    let place = |i: usize| format!("c{i}");
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| field.as_ref().clone().with_name(place(i)))
        .collect();
    let columns: Vec<Expr> = (0..fields.len()).map(|i| ident(place(i))).collect();
    let schema = DFSchema::try_from(Schema::new(fields))?;
    compared_columns(columns, &schema)?
        .into_iter()
        .map(|key| session.create_physical_expr(key, &schema))
        .collect()
}

/// The rows that were given so far, by what they are compared by.
#[derive(Debug)]
struct Seen {
    converter: RowConverter,
    rows: HashSet<Box<[u8]>>,
    memory: MemoryReservation,
}

impl Seen {
    fn new(keys: &[Arc<dyn PhysicalExpr>], schema: &Schema, context: &TaskContext) -> Result<Self> {
        let fields = keys
            .iter()
            .map(|key| key.data_type(schema).map(SortField::new))
            .collect::<Result<_>>()?;
        Ok(Self {
            converter: RowConverter::new(fields)?,
            rows: HashSet::new(),
            memory: MemoryConsumer::new("RecursiveUnion").register(context.memory_pool()),
        })
    }

    /// The rows of a batch that are new.
    fn unseen(
        &mut self,
        batch: &RecordBatch,
        keys: &[Arc<dyn PhysicalExpr>],
    ) -> Result<RecordBatch> {
        let columns = keys
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(batch.num_rows()))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let rows = self.converter.convert_columns(&columns)?;
        let mut new = BooleanBuilder::with_capacity(batch.num_rows());
        for row in rows.iter() {
            let is_new = !self.rows.contains(row.as_ref());
            if is_new {
                self.memory.try_grow(row.as_ref().len() + ROW_BYTES)?;
                self.rows.insert(row.as_ref().into());
            }
            new.append_value(is_new);
        }
        Ok(filter_record_batch(batch, &new.finish())?)
    }
}

/// A term of a recursive UNION without the rows that either term gave before.
struct UnseenRows {
    input: Arc<dyn ExecutionPlan>,
    keys: Arc<[Arc<dyn PhysicalExpr>]>,
    seen: Arc<Mutex<Option<Seen>>>,
    /// Whether this is the term that runs first, once.
    first: bool,
}

impl fmt::Debug for UnseenRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnseenRows")
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for UnseenRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("UnseenRows")
    }
}

impl ExecutionPlan for UnseenRows {
    fn name(&self) -> &'static str {
        "UnseenRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
                input,
                keys: Arc::clone(&self.keys),
                seen: Arc::clone(&self.seen),
                first: self.first,
            })),
            _ => internal_err!("a term of a recursive query is one plan"),
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
        let schema = self.input.schema();
        if self.first {
            *self.seen.lock() = Some(Seen::new(&self.keys, &schema, &context)?);
        }
        let (seen, keys) = (Arc::clone(&self.seen), Arc::clone(&self.keys));
        let input = self.input.execute(partition, context)?;
        let batches = input.map(move |batch| match seen.lock().as_mut() {
            Some(seen) => seen.unseen(&batch?, &keys),
            None => internal_err!("a recursive term ran before the other one"),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
