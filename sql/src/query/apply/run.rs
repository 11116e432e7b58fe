//! Running a subquery for the values it depends on.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::super::compact;
use super::super::error::external;
use super::super::stop::{self, Stop};
use super::answers::{Answer, Answers, Keys};
use super::bind::parameter_position;
use super::members::{Members, Test};
use super::{Apply, Question};
use crate::cancel::Cancellation;
use crate::error::{SqlError, state};

/// Threads of the server that may wait for subqueries at the same time. Far fewer
/// than there are threads, so that what they wait for always finds one.
const WAITING_THREADS: usize = 512;
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// What the subqueries of one execution share.
pub(in super::super) struct Runtime {
    /// Plans and runs in one partition.
    pub(in super::super) state: SessionState,
    pub(in super::super) context: Arc<TaskContext>,
    pub(in super::super) threads: Handle,
    pub(in super::super) cancel: Cancellation,
    pub(in super::super) stop: Stop,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    fn check(&self) -> Result<()> {
        self.cancel.check().map_err(external)?;
        self.stop.check()
    }

    /// Waits for `work` on this thread.
    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let single =
            Handle::try_current().is_ok_and(|h| h.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if single {
            return Err(external(SqlError::internal(
                "subqueries cannot be waited for on this thread",
            )));
        }
        let _waiting = Waiting::new()?;
        tokio::task::block_in_place(|| {
            self.threads.block_on(async {
                tokio::select! {
                    biased;
                    error = self.cancel.cancelled() => Err(external(error)),
                    outcome = work => outcome,
                }
            })
        })
    }
}

/// A thread that waits.
struct Waiting;

impl Waiting {
    fn new() -> Result<Self> {
        let before = WAITING.fetch_add(1, Ordering::Relaxed);
        let waiting = Self;
        if before >= WAITING_THREADS {
            return Err(external(SqlError::new(
                state::INSUFFICIENT_RESOURCES,
                "too many correlated subqueries at work",
            )));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A subquery that can be run.
pub(super) struct Bound {
    runtime: Arc<Runtime>,
    /// With parameters in place of outer references.
    plan: LogicalPlan,
    /// The same, optimized.
    optimized: Mutex<Option<Arc<LogicalPlan>>>,
    question: Question,
    test: Option<Test>,
    /// How many of the arguments are parameters.
    parameters: usize,
    field: FieldRef,
    keeps: bool,
    answers: Mutex<Answers>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").finish_non_exhaustive()
    }
}

impl Bound {
    /// A question to a subquery.
    pub(super) fn of(apply: &Apply, runtime: Arc<Runtime>) -> Result<Self> {
        let plan = match apply.question.rows() {
            Some(rows) => LogicalPlanBuilder::from(apply.plan.as_ref().clone())
                .limit(0, Some(rows))?
                .build()?,
            None => apply.plan.as_ref().clone(),
        };
        let test = match &apply.question {
            Question::Quantified(quantified) => Some(Test::new(quantified, &runtime.state)?),
            _ => None,
        };
        Ok(Self {
            question: apply.question.clone(),
            test,
            parameters: apply.outer.len(),
            field: Arc::clone(&apply.field),
            // A subquery that depends on nothing outside is run once, come what may.
            keeps: apply.outer.is_empty() || !apply.is_volatile(),
            ..Self::of_rows(plan, runtime)
        })
    }

    /// A subquery that gives its rows.
    pub(super) fn of_rows(plan: LogicalPlan, runtime: Arc<Runtime>) -> Self {
        Self {
            plan,
            optimized: Mutex::new(None),
            question: Question::Rows,
            test: None,
            parameters: 0,
            field: Arc::new(Field::new("rows", DataType::Null, true)),
            keeps: false,
            answers: Mutex::new(Answers::new(&runtime.context)),
            runtime,
        }
    }

    /// The answers for the rows of the arguments.
    pub(super) fn evaluate(&self, args: &[ColumnarValue], rows: usize) -> Result<ColumnarValue> {
        let constant = args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { rows };
        let arrays: Vec<ArrayRef> = args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<_>>()?;
        let (outer, left) = arrays
            .split_at_checked(self.parameters)
            .ok_or_else(|| external(SqlError::internal("a subquery lacks arguments")))?;
        let keys = Keys::new(outer, rows)?;
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            self.runtime.check()?;
            let answer = self.answer(&keys, outer, row)?;
            let value = match (&answer, &self.test) {
                (Answer::Value(value), _) => value.clone(),
                (Answer::Members(members), Some(test)) => test.decide(members, left, row)?,
                (Answer::Members(_), None) => {
                    return Err(external(SqlError::internal("no test of members")));
                }
            };
            values.push(value);
        }
        self.gathered(values, constant)
    }

    fn gathered(&self, values: Vec<ScalarValue>, constant: bool) -> Result<ColumnarValue> {
        let wanted = self.field.data_type();
        let values = values.into_iter().map(|value| {
            if value.data_type() == *wanted {
                Ok(value)
            } else {
                value.cast_to(wanted)
            }
        });
        let mut values = values.collect::<Result<Vec<_>>>()?;
        if constant && let Some(value) = values.pop() {
            return Ok(ColumnarValue::Scalar(value));
        }
        if values.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(wanted)));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }

    /// The answer for one row of the parameters.
    fn answer(&self, keys: &Keys, outer: &[ArrayRef], row: usize) -> Result<Answer> {
        let key = keys.row(row);
        if self.keeps
            && let Some(answer) = self.answers.lock().get(&key)
        {
            return Ok(answer);
        }
        let parameters = outer
            .iter()
            .map(|array| ScalarValue::try_from_array(array, row))
            .collect::<Result<Vec<_>>>()?;
        let answer = self.runtime.wait(self.ask(parameters))?;
        if self.keeps {
            self.answers.lock().put(key, &answer);
        }
        Ok(answer)
    }

    /// The plan, optimized once for all values of the parameters.
    fn optimized(&self) -> Result<Arc<LogicalPlan>> {
        if let Some(plan) = &*self.optimized.lock() {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(self.runtime.state.optimize(&self.plan)?);
        *self.optimized.lock() = Some(Arc::clone(&plan));
        Ok(plan)
    }

    /// Fails when the query shall end.
    pub(super) fn check(&self) -> Result<()> {
        self.runtime.check()
    }

    /// The rows for values of the parameters.
    pub(super) async fn rows(
        &self,
        parameters: Vec<ScalarValue>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = self.optimized()?;
        let plan = if parameters.is_empty() {
            plan
        } else {
            Arc::new(with_values(plan.as_ref().clone(), &parameters)?)
        };
        let state = &self.runtime.state;
        let plan = state
            .query_planner()
            .create_physical_plan(&plan, state)
            .await
            .and_then(compact::below_sorts)
            .and_then(compact::below_windows)?;
        let plan = stop::watch(plan, &self.runtime.stop)?;
        execute_stream(plan, Arc::clone(&self.runtime.context))
    }

    /// Runs the subquery.
    async fn ask(&self, parameters: Vec<ScalarValue>) -> Result<Answer> {
        let mut stream = self.rows(parameters).await?;
        let held = Answers::reservation(&self.runtime.context);
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            self.runtime.check()?;
            rows += batch.num_rows();
            if matches!(self.question, Question::Exists { .. }) && rows > 0 {
                break;
            }
            if batch.num_rows() > 0 {
                held.try_grow(batch.get_array_memory_size())?;
                batches.push(batch);
            }
        }
        match &self.question {
            Question::Exists { negated } => {
                Ok(Answer::Value(ScalarValue::from((rows > 0) != *negated)))
            }
            Question::Scalar => single(&batches, rows, self.field.data_type()),
            Question::Rows => Err(external(SqlError::internal("rows are no value"))),
            Question::Quantified(_) => {
                let test = self
                    .test
                    .as_ref()
                    .ok_or_else(|| external(SqlError::internal("no test of members")))?;
                Ok(Answer::Members(Arc::new(Members::new(
                    test, batches, held,
                )?)))
            }
        }
    }
}

fn single(batches: &[RecordBatch], rows: usize, ty: &arrow::datatypes::DataType) -> Result<Answer> {
    if rows > 1 {
        return Err(external(SqlError::new(
            state::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        )));
    }
    let value = match batches.first() {
        Some(batch) => ScalarValue::try_from_array(batch.column(0), 0)?.compacted(),
        None => ScalarValue::try_from(ty)?,
    };
    Ok(Answer::Value(value))
}

/// A plan with the values of its parameters.
fn with_values(plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let new = expr.transform_up(|expr| {
                let Expr::Placeholder(Placeholder { id, field }) = &expr else {
                    return Ok(Transformed::no(expr));
                };
                let value = parameter_position(id).and_then(|position| values.get(position));
                let Some(value) = value else {
                    return Ok(Transformed::no(expr));
                };
                let metadata = field.as_ref().map(|f| f.metadata().into());
                Ok(Transformed::yes(Expr::Literal(value.clone(), metadata)))
            })?;
            Ok(new.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(plan.data)
}
