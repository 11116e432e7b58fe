//! [`PlannedQuery`]: an analysed query that can be run many times.

use std::sync::Arc;

use datafusion::common::ParamValues;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use sqlparser::ast::LockClause;
use tokio::sync::mpsc;

use super::apply;
use super::arrow_value::scalar_as;
use super::compact;
use super::effort::Effort;
use super::engine::QueryEngine;
use super::error::from_datafusion;
use super::explain;
use super::plan::{PlanParts, RowTarget};
use super::run::Run;
use super::stop::{self, Stop};
use super::stream::{Message, QueryStream, WAITING_BATCHES};
use crate::catalog::BoundRelation;
use crate::error::{SqlError, state};
use crate::types::PgType;

/// A column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name PostgreSQL gives the column. Names may repeat.
    pub name: String,
    /// The type.
    pub pg_type: PgType,
    /// The table the column is of, unchanged; 0 = none.
    pub table_oid: u32,
    /// Its attribute number there; 0 = none.
    pub attnum: i16,
}

/// An analysed query. It holds no snapshot: the same plan runs on any.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    engine: QueryEngine,
    parts: Arc<PlanParts>,
}

impl PlannedQuery {
    pub(super) fn new(engine: QueryEngine, parts: PlanParts) -> Self {
        Self {
            engine,
            parts: Arc::new(parts),
        }
    }

    /// The columns of the result.
    pub fn columns(&self) -> &[OutputColumn] {
        &self.parts.columns
    }

    /// Types of `$1`, `$2`, …; text where nothing decides.
    pub fn parameter_types(&self) -> &[PgType] {
        &self.parts.parameters
    }

    /// The same, as far as they are known.
    pub(crate) fn found_parameters(&self) -> &[Option<PgType>] {
        &self.parts.found
    }

    /// Object identifiers of the stored tables and views the query reads, each once.
    pub fn tables(&self) -> &[u32] {
        &self.parts.tables
    }

    /// The relations that the query names, and the columns it uses of them.
    pub fn relations(&self) -> &[BoundRelation] {
        &self.parts.relations
    }

    /// The tables whose hidden columns come last, three for each.
    pub fn targets(&self) -> &[RowTarget] {
        &self.parts.targets
    }

    /// `FOR UPDATE` and the like, which the caller must act on or refuse: running
    /// the query locks nothing.
    pub fn lock_clauses(&self) -> &[LockClause] {
        &self.parts.locks
    }

    /// The lines EXPLAIN prints. Sizes of tables are not looked at.
    ///
    /// # Errors
    /// What planning reports.
    pub fn explain(&self) -> Result<Vec<String>, SqlError> {
        explain::explain(self)
    }

    /// Runs the query and gives the lines EXPLAIN ANALYZE prints.
    ///
    /// # Errors
    /// Whatever the query fails with.
    pub async fn explain_analyze(&self, run: Run) -> Result<Vec<String>, SqlError> {
        explain::explain_analyze(self, run).await
    }

    /// Refuses to read a materialized view that nothing has filled.
    fn check_populated(&self) -> Result<(), SqlError> {
        let tables = self.parts.tables.iter();
        let mut tables = tables.filter_map(|oid| self.parts.catalog.table_by_oid(*oid));
        let empty = tables.find(|t| t.materialized.as_ref().is_some_and(|m| !m.populated));
        match empty {
            None => Ok(()),
            Some(table) => Err(SqlError::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "materialized view \"{}\" has not been populated",
                    table.name
                ),
            )
            .hint("Use the REFRESH MATERIALIZED VIEW command.")),
        }
    }

    /// Starts the query on the query threads.
    ///
    /// # Errors
    /// 08P01 for a wrong number of parameters; everything else comes out of the
    /// stream.
    pub async fn execute(&self, run: Run) -> Result<QueryStream, SqlError> {
        self.check_populated()?;
        if run.params.len() < self.parts.parameters.len() {
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!(
                    "query needs {} parameters, but {} were given",
                    self.parts.parameters.len(),
                    run.params.len()
                ),
            ));
        }
        let Some(runtime) = self.engine.runtime() else {
            return Err(shutting_down());
        };
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let query = self.clone();
        let cancel = run.cancel.clone();
        let watched = cancel.clone();
        let stop = Stop::default();
        let ends = stop.clone();
        let task = runtime.spawn(async move {
            let work = query.run_to(run, &ends, &sender);
            let outcome = tokio::select! {
                biased;
                error = watched.cancelled() => Err(error),
                outcome = work => outcome,
            };
            let last = match outcome {
                Ok(()) => Message::Done,
                Err(error) => Message::Failed(error),
            };
            // Nobody listens any more when this fails.
            let _ = sender.send(last).await;
        });
        Ok(QueryStream::new(
            receiver,
            task.abort_handle(),
            cancel,
            stop,
        ))
    }

    /// Runs the query; when its memory does not suffice and nobody has seen a row
    /// yet, once more with less. Both runs see the same snapshot.
    async fn run_to(
        &self,
        run: Run,
        stop: &Stop,
        sender: &mpsc::Sender<Message>,
    ) -> Result<(), SqlError> {
        let mut sent = false;
        let fast = self.attempt(&run, Effort::Fast, stop, sender, &mut sent);
        match fast.await {
            Err(error) if error.sqlstate() == state::OUT_OF_MEMORY && !sent => {
                tracing::debug!(
                    reason = error.get_internal(),
                    "running a query again in less memory"
                );
                self.attempt(&run, Effort::Frugal, stop, sender, &mut sent)
                    .await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        run: &Run,
        effort: Effort,
        stop: &Stop,
        sender: &mpsc::Sender<Message>,
        sent: &mut bool,
    ) -> Result<(), SqlError> {
        let (plan, context) = self.physical(Some(run), effort, stop).await?;
        let plan = stop::watch(plan, stop).map_err(from_datafusion)?;
        let mut stream = execute_stream(plan, context).map_err(from_datafusion)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(from_datafusion)?;
            run.cancel.check()?;
            if batch.num_rows() == 0 {
                continue;
            }
            *sent = true;
            if sender.send(Message::Batch(batch)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The plan to run, with parameters bound.
    pub(super) async fn physical(
        &self,
        run: Option<&Run>,
        effort: Effort,
        stop: &Stop,
    ) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), SqlError> {
        let session = run.map_or(&self.parts.session, |run| &run.session);
        let session_state =
            effort.session(self.engine.state_for(session, &self.parts.catalog, run));
        let limit = self.engine.query_memory(run.map_or(0, |r| r.work_mem));
        let env = self.engine.query_env(limit, effort.merge_limit(limit));
        let plan = match run {
            Some(run) => {
                let runtime = self.subqueries(run, &session_state, &env, stop)?;
                apply::bind(self.bound(run)?, &runtime).map_err(from_datafusion)?
            }
            None => self.parts.plan.clone(),
        };
        let physical = session_state
            .create_physical_plan(&plan)
            .await
            .and_then(compact::below_sorts)
            .and_then(compact::below_windows)
            .map_err(from_datafusion)?;
        let reserve = effort.merge_reserve(&physical, limit);
        let context = TaskContext::from(&session_state)
            .with_session_config(
                session_state
                    .config()
                    .clone()
                    .with_sort_spill_reservation_bytes(reserve),
            )
            .with_runtime(env);
        Ok((physical, Arc::new(context)))
    }

    /// What subqueries that are functions run with: the memory of the query, and one
    /// partition each.
    fn subqueries(
        &self,
        run: &Run,
        state: &SessionState,
        env: &Arc<RuntimeEnv>,
        stop: &Stop,
    ) -> Result<Arc<apply::Runtime>, SqlError> {
        let Some(threads) = self.engine.runtime() else {
            return Err(shutting_down());
        };
        let mut state = state.clone();
        state.config_mut().options_mut().execution.target_partitions = 1;
        let context = TaskContext::from(&state).with_runtime(Arc::clone(env));
        Ok(Arc::new(apply::Runtime {
            context: Arc::new(context),
            state,
            threads: threads.clone(),
            cancel: run.cancel.clone(),
            stop: stop.clone(),
        }))
    }

    fn bound(&self, run: &Run) -> Result<LogicalPlan, SqlError> {
        if self.parts.parameters.is_empty() {
            return Ok(self.parts.plan.clone());
        }
        let mut values = Vec::with_capacity(self.parts.parameters.len());
        for (ty, value) in self.parts.parameters.iter().zip(&run.params) {
            values.push(ScalarAndMetadata::new(
                scalar_as(value, &super::plan::arrow_type(*ty))?,
                Some(super::plan::type_metadata(*ty)),
            ));
        }
        let values = ParamValues::List(values);
        apply::rewrite(self.parts.plan.clone(), &mut |plan| {
            plan.replace_params_with_values(&values)
        })
        .and_then(|plan| plan.replace_params_with_values(&values))
        .map_err(from_datafusion)
    }
}

fn shutting_down() -> SqlError {
    SqlError::new(state::ADMIN_SHUTDOWN, "the server is shutting down")
}
