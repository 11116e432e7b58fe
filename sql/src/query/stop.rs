//! Ending joins that nobody waits for any more.
//!
//! A query whose client has gone or has had enough is aborted, which takes effect
//! when it next waits for something. A join of two large inputs may compute for hours
//! without waiting once. So joins look at a flag with every batch they give and every
//! time they evaluate their condition.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
    PiecewiseMergeJoinExec, SortMergeJoinExec,
};

use super::error::external;
use super::pass::PassBatches;
use crate::error::{SqlError, state};

/// Whether a query shall end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the query.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails when the query shall end.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(external(SqlError::new(
                state::QUERY_CANCELED,
                "canceling statement because nobody waits for it",
            )));
        }
        Ok(())
    }
}

/// The plan, with joins that end when `stop` is set.
pub(super) fn watch(plan: Arc<dyn ExecutionPlan>, stop: &Stop) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(join) = watched_join(&node, stop)? else {
            return Ok(Transformed::no(node));
        };
        let stop = stop.clone();
        let step = move |batch| stop.check().map(|()| batch);
        Ok(Transformed::yes(PassBatches::plan("Watched", join, step)))
    })
    .data()
}

/// A join, with its condition watched; `None` for anything else.
fn watched_join(
    node: &Arc<dyn ExecutionPlan>,
    stop: &Stop,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        let filter = join.filter().map(|filter| watched_filter(filter, stop));
        let join = NestedLoopJoinExecBuilder::from(join).with_filter(filter);
        return Ok(Some(Arc::new(join.build()?)));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        let filter = join.filter().map(|filter| watched_filter(filter, stop));
        return Ok(Some(join.builder().with_filter(filter).build_exec()?));
    }
    let is_join = node.is::<SortMergeJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>();
    Ok(is_join.then(|| Arc::clone(node)))
}

fn watched_filter(filter: &JoinFilter, stop: &Stop) -> JoinFilter {
    let condition = Watched {
        inner: Arc::clone(filter.expression()),
        stop: stop.clone(),
    };
    JoinFilter::new(
        Arc::new(condition),
        filter.column_indices().to_vec(),
        Arc::clone(filter.schema()),
    )
}

/// A condition that fails when the query shall end.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    stop: Stop,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Watched {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.inner.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.inner.nullable(input_schema)
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.stop.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.is_empty()) {
            (Some(inner), true) => Ok(Arc::new(Self {
                inner,
                stop: self.stop.clone(),
            })),
            _ => internal_err!("a watched condition has one child"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use datafusion::physical_expr::expressions::lit;

    use super::*;

    #[test]
    fn a_watched_condition_fails_once_the_query_shall_end() {
        let watched = Watched {
            inner: lit(true),
            stop: Stop::default(),
        };
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        watched.evaluate(&batch).unwrap();
        watched.stop.set();
        watched.evaluate(&batch).unwrap_err();
    }
}
