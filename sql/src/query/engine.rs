//! [`QueryEngine`]: what all queries of a server share.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result as DfResult;
use datafusion::common::config::Dialect;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use sqlparser::ast::Query;
use tokio::runtime::{Builder, Handle, Runtime};

use super::apply::LateralPlanner;
use super::catalog_table::CatalogExtension;
use super::columns::ColumnCache;
use super::error::from_datafusion;
use super::functions;
use super::memory::{QueryMemory, ServerMemory};
use super::optimizer;
use super::plan::{self, PlanContext};
use super::planned::PlannedQuery;
use super::run::{Run, RunContext};
use super::session_info::{SessionExtension, SessionInfo};
use super::spill::{EncryptedSpill, ScratchFile};
use super::unseen;
use super::window_names::with_plain_windows;
use crate::catalog::Catalog;
use crate::error::SqlError;

/// Bytes of temporary files all queries together may have.
const SPILL_LIMIT: u64 = 64 << 30;
/// A query gets at least this much memory, in bytes.
const QUERY_MEMORY_MIN: usize = 32 << 20;
/// No query gets more than one part in this many of the memory of all.
const QUERY_MEMORY_PART: usize = 2;
/// `work_mem` is for one operator; a query may have about this many at work.
const OPERATORS_PER_QUERY: usize = 8;
/// Rows of a batch, unless a query is short of memory.
pub(super) const BATCH_ROWS: usize = 8_192;
/// Threads that may wait at the same time, for storage or for subqueries. Those that
/// wait for subqueries are fewer ([`super::apply`]).
const BLOCKING_THREADS: usize = 1024;

/// Limits and places of a [`QueryEngine`].
#[derive(Clone)]
pub struct QueryEngineOptions {
    /// Bytes that all running queries together may hold.
    pub memory_limit_bytes: usize,
    /// Bytes of decoded columns of tables kept for scans; 0 = none.
    pub column_cache_bytes: usize,
    /// Existing directory for temporary files.
    pub spill_dir: PathBuf,
    /// Key of the temporary files: random for each process, never stored.
    pub spill_key: [u8; 32],
    /// Threads that run queries; also how many parts a large scan is cut into.
    pub threads: usize,
}

/// Stops the query threads without waiting for them, which dropping a runtime
/// inside another one would do.
struct QueryRuntime(Option<Runtime>);

impl Drop for QueryRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Carries the engine to where parts of statements are planned.
pub(super) struct EngineExtension(pub(super) QueryEngine);

struct Shared {
    runtime: QueryRuntime,
    base: SessionState,
    env: Arc<RuntimeEnv>,
    memory: Arc<ServerMemory>,
    columns: Arc<ColumnCache>,
    spill: Arc<EncryptedSpill>,
}

/// Plans and runs queries. Clones share everything.
#[derive(Clone)]
pub struct QueryEngine(Arc<Shared>);

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine")
            .field("memory", &self.0.memory)
            .finish_non_exhaustive()
    }
}

impl QueryEngine {
    /// Starts the query threads and the function registry.
    ///
    /// # Errors
    /// 58000 when threads cannot be started.
    pub fn new(options: QueryEngineOptions) -> Result<Self, SqlError> {
        let threads = options.threads.max(1);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("query")
            .thread_stack_size(crate::session::STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|e| {
                SqlError::new(
                    crate::error::state::SYSTEM_ERROR,
                    format!("could not start query threads: {e}"),
                )
            })?;
        let spill = EncryptedSpill::new(options.spill_dir, options.spill_key, SPILL_LIMIT);
        let spill = Arc::new(spill);
        let factory = Arc::clone(&spill);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Custom(factory));
        let env = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(from_datafusion)?;
        let base = base_state(threads, &env);
        Ok(Self(Arc::new(Shared {
            runtime: QueryRuntime(Some(runtime)),
            base,
            env,
            memory: Arc::new(ServerMemory::new(options.memory_limit_bytes)),
            columns: Arc::new(ColumnCache::new(options.column_cache_bytes)),
            spill,
        })))
    }

    /// Plans a SELECT, VALUES, WITH or set operation. Reads no data.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the query; 0A000 for features
    /// that are not supported.
    pub fn plan(&self, query: &Query, context: &PlanContext) -> Result<PlannedQuery, SqlError> {
        let state = self.state_for(&context.session, &context.catalog, None);
        let parts = plan::plan(query, context, &state)?;
        Ok(PlannedQuery::new(self.clone(), parts))
    }

    /// The columns kept in memory. Nothing is kept before it is told where the log
    /// stands ([`ColumnCache::begin`]) and, from there on, of every block.
    pub(crate) fn columns(&self) -> &Arc<ColumnCache> {
        &self.0.columns
    }

    /// A temporary file for rows that a session keeps.
    ///
    /// # Errors
    /// 58030.
    pub(crate) fn scratch_file(&self) -> Result<ScratchFile, SqlError> {
        self.0.spill.scratch()
    }

    /// The threads that run queries.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.0.runtime.0.as_ref().map(Runtime::handle)
    }

    /// A DataFusion session for one statement of `session`.
    pub(super) fn state_for(
        &self,
        session: &Arc<SessionInfo>,
        catalog: &Arc<Catalog>,
        run: Option<&Run>,
    ) -> SessionState {
        let mut state = self.0.base.clone();
        let config = state.config_mut();
        config
            .options_mut()
            .extensions
            .insert(SessionExtension(Arc::clone(session)));
        config
            .options_mut()
            .extensions
            .insert(CatalogExtension(Arc::clone(catalog)));
        config.set_extension(Arc::new(EngineExtension(self.clone())));
        if let Some(run) = run {
            config.set_extension(Arc::new(RunContext {
                view: run.view.clone(),
                replace: run.replace.clone().map(Arc::new),
                bound: Arc::clone(&run.bound),
                cancel: run.cancel.clone(),
                columns: Arc::clone(&self.0.columns),
            }));
        }
        state.mark_start_execution();
        state
    }

    /// Bytes a query may hold whose operators may hold `work_mem` bytes each.
    pub(super) fn query_memory(&self, work_mem: usize) -> usize {
        work_mem
            .saturating_mul(OPERATORS_PER_QUERY)
            .max(QUERY_MEMORY_MIN)
            .min(self.0.memory.limit() / QUERY_MEMORY_PART)
    }

    /// The resources of one query that may hold `limit` bytes, its sorts for merging
    /// `merge_limit` of them.
    pub(super) fn query_env(&self, limit: usize, merge_limit: usize) -> Arc<RuntimeEnv> {
        Arc::new(RuntimeEnv {
            memory_pool: Arc::new(QueryMemory::new(
                limit,
                merge_limit,
                Arc::clone(&self.0.memory),
            )),
            disk_manager: Arc::clone(&self.0.env.disk_manager),
            cache_manager: Arc::clone(&self.0.env.cache_manager),
            object_store_registry: Arc::clone(&self.0.env.object_store_registry),
        })
    }
}

/// Options and functions that all queries have.
fn base_state(threads: usize, env: &Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(BATCH_ROWS)
        // Scans split themselves; dealing batches out again would only shuffle them.
        .with_round_robin_repartition(false)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    options.sql_parser.dialect = Dialect::PostgreSQL;
    // The rows of a subquery come in the order it asks for, as in PostgreSQL.
    options.sql_parser.enable_subquery_sort_elimination = false;
    // Field metadata carries PostgreSQL's types; DataFusion's aggregates do not
    // all keep it, which this check would take for a mistake.
    options.execution.skip_physical_aggregate_schema_check = true;
    // Rows of windows come in the order of their partitions, as in PostgreSQL.
    options.optimizer.repartition_windows = false;
    // With rows in some order, an aggregation with a limit takes itself for one that
    // looks for the greatest, and fails.
    options.optimizer.enable_distinct_aggregation_soft_limit = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.explain.logical_plan_only = false;

    let mut scalar = SessionStateDefaults::default_scalar_functions();
    scalar.extend(functions::scalar());
    let mut aggregate = SessionStateDefaults::default_aggregate_functions();
    aggregate.extend(functions::aggregate());
    SessionStateBuilder::new()
        .with_config(config)
        .with_optimizer_rules(optimizer::logical())
        .with_physical_optimizer_rules(optimizer::physical())
        .with_query_planner(Arc::new(Planner))
        .with_runtime_env(Arc::clone(env))
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .build()
}

/// Makes physical plans, of our own nodes too.
#[derive(Debug)]
struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let plan = with_plain_windows(plan)?;
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(LateralPlanner)])
            .create_physical_plan(&plan, session)
            .await
            .and_then(|plan| unseen::remembered(plan, session))
    }
}
