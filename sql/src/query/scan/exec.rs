//! The plan node that reads a stored table.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use kimberlite_storage::Space;

use super::super::run::RunContext;
use super::access::Access;
use super::chunk::{self, ChunkReader, Quantity};
use super::cut;
use super::key_bounds::KeyRange;
use super::table::Source;
use crate::exec::table::TableInfo;
use crate::txn::physical_key;
use crate::types::PgType;

/// A scan whose keys take less room than this is not split, in bytes.
const SPLIT_ABOVE: u64 = 4 << 20;
/// Unless the query asks for at most this many rows.
const SPLIT_ABOVE_ROWS: usize = 8_192;
/// Rows taken to be in a table about which nothing is known.
const UNKNOWN_ROWS: usize = 1_000;
/// Bytes of key prefix and version that each stored row has beside its columns.
const ROW_OVERHEAD: u64 = 40;

/// Reads the projected columns of a stored table within ranges of keys.
#[derive(Debug)]
pub(super) struct TableScan {
    shared: Arc<ScanShape>,
    partitions: Vec<Vec<KeyRange>>,
    limit: Option<usize>,
    rows: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What every partition of a scan has in common.
#[derive(Debug)]
pub(super) struct ScanShape {
    pub(super) info: Arc<TableInfo>,
    pub(super) schema: SchemaRef,
    pub(super) sources: Vec<Source>,
    pub(super) access: Access,
    /// Its number among the tables with hidden columns.
    pub(super) target: Option<usize>,
    /// Whether the scan reads so much that it would push what other queries need
    /// out of the block cache.
    pub(super) bypass_cache: bool,
}

/// What a scan gives.
pub(super) struct Projected {
    pub(super) schema: SchemaRef,
    pub(super) sources: Vec<Source>,
    /// Its number among the tables with hidden columns.
    pub(super) target: Option<usize>,
}

impl TableScan {
    /// Plans a scan. `run` tells sizes when the scan is planned to be run.
    pub(super) fn new(
        info: Arc<TableInfo>,
        projected: Projected,
        access: Access,
        limit: Option<usize>,
        run: Option<&RunContext>,
        target_partitions: usize,
    ) -> Result<Self> {
        let Projected {
            schema,
            sources,
            target,
        } = projected;
        let replaced = run
            .and_then(|r| r.replace.as_ref())
            .and_then(|r| r.of(target))
            .map(|rows| rows.iter().filter(|row| row.table == info.desc.oid).count());
        let bytes = match replaced {
            Some(_) => 0,
            None => run.map_or(0, |run| approximate_bytes(&info, &access, run)),
        };
        let mut rows = match (replaced, run) {
            (Some(rows), _) => rows,
            (None, None) => UNKNOWN_ROWS,
            (None, Some(_)) => estimated_rows(&info, &access, bytes),
        };
        if let Some(limit) = limit {
            rows = rows.min(limit);
        }
        let large = bytes > SPLIT_ABOVE && limit.is_none_or(|l| l > SPLIT_ABOVE_ROWS);
        let partitions = if large && target_partitions > 1 && matches!(access, Access::Rows { .. })
        {
            split(&info, &access, run, target_partitions)
        } else {
            vec![access.ranges().to_vec()]
        };
        let orderings = ordering(&info, &schema, &sources, &access, replaced.is_some());
        let eq = EquivalenceProperties::new_with_orderings(Arc::clone(&schema), orderings);
        let properties = PlanProperties::new(
            eq,
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            shared: Arc::new(ScanShape {
                info,
                schema,
                sources,
                access,
                target,
                bypass_cache: run.is_some_and(|run| is_too_large_to_cache(bytes, run)),
            }),
            partitions,
            limit,
            rows,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// A scan may fill the block cache when what it reads is at most one part in this many
/// of the cache's size; blocks in the cache are not compressed, and take about twice
/// the room.
const CACHE_PART: u64 = 4;

fn is_too_large_to_cache(bytes: u64, run: &RunContext) -> bool {
    bytes > run.view.snapshot().block_cache_bytes() / CACHE_PART
}

/// Bytes of the ranges on disk, roughly; data not flushed yet is not counted.
fn approximate_bytes(info: &TableInfo, access: &Access, run: &RunContext) -> u64 {
    let (space, stream) = match access {
        Access::Rows { .. } => (info.rows.space, info.rows.stream),
        Access::Index { index, .. } => (Space::Index, index.stream),
    };
    let tenant = run.view.tenant();
    let snapshot = run.view.snapshot();
    let mut total = 0u64;
    for range in access.ranges().iter().take(16) {
        let start = physical_key(tenant, stream, &range.start);
        let end = match &range.end {
            Some(end) => physical_key(tenant, stream, end),
            None => crate::txn::prefix_end(&crate::txn::stream_prefix(tenant, stream))
                .unwrap_or_default(),
        };
        total = total.saturating_add(snapshot.approximate_size(space, &start, &end));
    }
    total
}

fn estimated_rows(info: &TableInfo, access: &Access, bytes: u64) -> usize {
    if access.is_point_lookup(&info.desc) {
        return access.ranges().len();
    }
    if bytes == 0 {
        return UNKNOWN_ROWS;
    }
    let width: u64 = info
        .desc
        .live_columns()
        .map(|c| match c.ty {
            PgType::Bool => 1,
            PgType::Int2 => 2,
            PgType::Int4 | PgType::Float4 | PgType::Date | PgType::Oid => 4,
            PgType::Uuid | PgType::Interval => 16,
            PgType::Int8
            | PgType::Float8
            | PgType::Time
            | PgType::Timestamp
            | PgType::Timestamptz => 8,
            _ => 24,
        })
        .sum();
    usize::try_from(bytes / (width + ROW_OVERHEAD).max(1))
        .unwrap_or(usize::MAX)
        .max(1)
}

/// Cuts one contiguous range into `parts` of about the same size: between segments
/// kept in memory, or by trying first bytes; a table whose keys share a long prefix stays in one part.
fn split(
    info: &TableInfo,
    access: &Access,
    run: Option<&RunContext>,
    parts: usize,
) -> Vec<Vec<KeyRange>> {
    let whole = access.ranges().to_vec();
    let (Some(run), [range]) = (run, whole.as_slice()) else {
        return vec![whole];
    };
    let kept = match access {
        Access::Rows { bounded: false, .. } => run
            .columns
            .cuts((run.view.tenant(), info.rows.stream), parts),
        _ => Vec::new(),
    };
    let cuts = if kept.is_empty() {
        cut::middle_keys(&run.view, info.rows, range, parts)
    } else {
        Some(kept)
    };
    match cuts {
        Some(cuts) if !cuts.is_empty() => {
            let mut out = Vec::with_capacity(parts);
            let mut start = range.start.clone();
            for cut in cuts {
                out.push(vec![KeyRange {
                    start: std::mem::replace(&mut start, cut.clone()),
                    end: Some(cut),
                }]);
            }
            out.push(vec![KeyRange {
                start,
                end: range.end.clone(),
            }]);
            out
        }
        _ => vec![whole],
    }
}

/// Whether Arrow orders values of the type as their keys are ordered.
fn arrow_orders_as_key(ty: PgType) -> bool {
    if let PgType::Numeric(_) = ty {
        return crate::types::arrow_map::arrow_type(ty).is_decimal();
    }
    matches!(
        ty.plain(),
        PgType::Bool
            | PgType::Int2
            | PgType::Int4
            | PgType::Int8
            | PgType::Oid
            | PgType::Text
            | PgType::Varchar(_)
            | PgType::Name
            | PgType::Bytea
            | PgType::Uuid
            | PgType::Date
            | PgType::Time
            | PgType::Timestamp
            | PgType::Timestamptz
    )
}

/// The order rows come in: by primary key, as far as it is projected.
fn ordering(
    info: &TableInfo,
    schema: &SchemaRef,
    sources: &[Source],
    access: &Access,
    replaced: bool,
) -> Vec<Vec<PhysicalSortExpr>> {
    if replaced || !matches!(access, Access::Rows { .. }) {
        return Vec::new();
    }
    let mut order = Vec::new();
    for attnum in &info.desc.primary_key {
        let position = usize::from(*attnum).saturating_sub(1);
        let Some(column) = info.desc.attribute(*attnum) else {
            break;
        };
        let Some(index) = sources
            .iter()
            .position(|s| *s == Source::Attribute(position))
        else {
            break;
        };
        if !arrow_orders_as_key(column.ty) || schema.fields().get(index).is_none() {
            break;
        }
        order.push(PhysicalSortExpr::new(
            Arc::new(Column::new(&column.name, index)),
            SortOptions {
                descending: false,
                nulls_first: false,
            },
        ));
    }
    if order.is_empty() {
        Vec::new()
    } else {
        vec![order]
    }
}

impl TableScan {
    /// Rows that it is taken to give.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }
}

impl DisplayAs for TableScan {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.shared.info.desc.name;
        match &self.shared.access {
            Access::Rows { bounded: false, .. } => write!(f, "Seq Scan on {table}")?,
            Access::Rows { ranges, .. } => write!(
                f,
                "Index Scan using {} on {table} ranges={}",
                self.shared
                    .info
                    .desc
                    .primary_key_name
                    .as_ref()
                    .map_or("primary key", |(name, _)| name.as_str()),
                ranges.len()
            )?,
            Access::Index { index, ranges, .. } => {
                write!(
                    f,
                    "Index Scan using {} on {table} ranges={}",
                    index.name,
                    ranges.len()
                )?;
            }
        }
        if let Some(limit) = self.limit {
            write!(f, " limit={limit}")?;
        }
        write!(
            f,
            " rows={} partitions={}",
            self.rows,
            self.partitions.len()
        )
    }
}

impl ExecutionPlan for TableScan {
    fn name(&self) -> &str {
        "TableScan"
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
        let Some(ranges) = self.partitions.get(partition) else {
            return internal_err!("scan has no partition {partition}");
        };
        let run = context
            .session_config()
            .get_extension::<RunContext>()
            .ok_or_else(|| {
                DataFusionError::Internal("a scan was run without a read view".into())
            })?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let quantity = Quantity {
            limit: self.limit,
            batch_rows: context.session_config().batch_size(),
        };
        let reader = ChunkReader::new(Arc::clone(&self.shared), run, ranges.clone(), quantity);
        Ok(chunk::stream(reader, metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _input_stats: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.shared.schema);
        let rows = match args.partition() {
            Some(_) => self.rows / self.partitions.len().max(1),
            None => self.rows,
        };
        statistics.num_rows = Precision::Inexact(rows);
        Ok(Arc::new(statistics))
    }
}
