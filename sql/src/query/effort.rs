//! How a run spends memory: at first for speed; when that does not fit, again in a
//! way that needs little and leans on temporary files.
//!
//! Two things of DataFusion's operators need help. A sort that spills merges its
//! sorted batches and charges the memory of that merge only when it happens, so it
//! must keep some back from the start ([`Effort::merge_reserve`]). And hash joins do
//! not spill at all, while sort-merge joins do; those are only planned for more than
//! one partition, and rows on their way between partitions do not spill either
//! ([`super::memory`]), so they are planned for two and then run in one.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionConfig;

/// How a run spends memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Large batches, every thread, hash joins.
    Fast,
    /// Small batches, one partition, joins that can spill.
    Frugal,
}

/// Rows of a batch of a frugal run.
const FRUGAL_BATCH_ROWS: usize = 512;
/// DataFusion plans sort-merge joins only for more than one partition.
const PLANNED_PARTITIONS: usize = 2;
/// Bytes a sort keeps back at least; a merge of two spilled runs needs some.
const RESERVE_MIN: usize = 512 << 10;
/// The part of a query's memory that all its sorts together keep back: for a fast
/// run one in this many.
const FAST_RESERVE_PART: usize = 4;
/// And for a frugal one.
const FRUGAL_RESERVE_PART: usize = 2;

impl Effort {
    /// The session that plans and runs with this effort.
    pub(super) fn session(self, mut state: SessionState) -> SessionState {
        if self == Effort::Fast {
            return state;
        }
        let rules = state
            .physical_optimizers()
            .iter()
            .map(|rule| -> Rule { Arc::new(InOnePartition(Arc::clone(rule))) })
            .collect();
        let config = state.config_mut();
        let mut frugal = std::mem::take(config)
            .with_batch_size(FRUGAL_BATCH_ROWS)
            .with_target_partitions(PLANNED_PARTITIONS)
            .with_extension(Arc::new(self));
        let options = frugal.options_mut();
        options.optimizer.prefer_hash_join = false;
        // A run sorted in one piece is cut into batches that are each charged with
        // all buffers of the run.
        options.execution.sort_in_place_threshold_bytes = 0;
        *config = frugal;
        SessionStateBuilder::new_from_existing(state)
            .with_physical_optimizer_rules(rules)
            .build()
    }

    /// Partitions that a scan may have in this session.
    pub(super) fn scan_partitions(config: &SessionConfig) -> usize {
        match config.get_extension::<Effort>().as_deref() {
            Some(Effort::Frugal) => 1,
            _ => config.target_partitions(),
        }
    }

    /// Bytes that the merges of all sorts may hold together, of `limit` bytes that the
    /// query may hold: a merge takes what it can get.
    pub(super) fn merge_limit(self, limit: usize) -> usize {
        match self {
            Effort::Fast => limit,
            Effort::Frugal => limit / FRUGAL_RESERVE_PART,
        }
    }

    /// Bytes each sort of `plan` keeps back for merging, of `limit` bytes that the
    /// query may hold.
    pub(super) fn merge_reserve(self, plan: &Arc<dyn ExecutionPlan>, limit: usize) -> usize {
        let part = match self {
            Effort::Fast => FAST_RESERVE_PART,
            Effort::Frugal => FRUGAL_RESERVE_PART,
        };
        (limit / part / sorts_at_work(plan).max(1)).max(RESERVE_MIN)
    }
}

/// Sorts of a plan that may be at work at the same time.
fn sorts_at_work(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = match plan.downcast_ref::<SortExec>() {
        // With a limit it keeps a heap of that many rows and does not merge.
        Some(sort) if sort.fetch().is_none() => plan.output_partitioning().partition_count(),
        _ => 0,
    };
    let children = plan.children().into_iter().map(sorts_at_work);
    own + children.sum::<usize>()
}

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// An optimizer rule that takes the plan to run in one partition.
#[derive(Debug)]
struct InOnePartition(Rule);

impl PhysicalOptimizerRule for InOnePartition {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut config = config.clone();
        config.execution.target_partitions = 1;
        self.0.optimize(plan, &config)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}
