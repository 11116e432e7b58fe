//! `WITH RECURSIVE … UNION`: rows that no step has given before.
//!
//! DataFusion's own way takes rows for known ones when two rows of a batch differ and
//! have the same hash, which NULL and zero are enough for. And it compares columns as
//! Arrow does, not their values.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, ident};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use parking_lot::Mutex;

use super::pass::{Each, PassBatches};
use super::plan::compared_columns;

/// The name of both terms in plans.
const NAME: &str = "UnseenRows";

/// What rows are compared by.
type Keys = Arc<[Arc<dyn PhysicalExpr>]>;

/// What the two terms have given so far; nothing before the first of them runs.
type Shared = Arc<Mutex<Option<Seen>>>;

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
        let query = RecursiveQueryExec::try_new(
            query.name().to_owned(),
            Arc::clone(&schema),
            first_term(query.static_term(), &keys, &seen),
            next_term(query.recursive_term(), &keys, &seen),
            false,
        )?;
        Ok(Transformed::yes(Arc::new(query)))
    })
    .data()
}

/// The term that runs once, and forgets what another run has seen.
fn first_term(term: &Arc<dyn ExecutionPlan>, keys: &Keys, seen: &Shared) -> Arc<dyn ExecutionPlan> {
    let (keys, seen, schema) = (Arc::clone(keys), Arc::clone(seen), term.schema());
    PassBatches::starting(NAME, Arc::clone(term), move |context| {
        *seen.lock() = Some(Seen::new(&keys, &schema, context)?);
        Ok(new_rows(&keys, &seen))
    })
}

/// The term that runs again and again.
fn next_term(term: &Arc<dyn ExecutionPlan>, keys: &Keys, seen: &Shared) -> Arc<dyn ExecutionPlan> {
    let (keys, seen) = (Arc::clone(keys), Arc::clone(seen));
    PassBatches::starting(NAME, Arc::clone(term), move |_| Ok(new_rows(&keys, &seen)))
}

/// Leaves the rows of a batch that neither term gave before.
fn new_rows(keys: &Keys, seen: &Shared) -> Each {
    let (keys, seen) = (Arc::clone(keys), Arc::clone(seen));
    Box::new(move |batch| match seen.lock().as_mut() {
        Some(seen) => seen.unseen(&batch, &keys),
        None => internal_err!("a recursive term ran before the other one"),
    })
}

/// What the columns of rows are compared by.
fn keys(schema: &Schema, session: &dyn Session) -> Result<Keys> {
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
