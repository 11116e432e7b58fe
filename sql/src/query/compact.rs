//! Batches that hold no more than they show.
//!
//! A column of texts is an array of views into shared buffers. After a filter, an
//! aggregation or a merge a batch of a few texts can hold the buffers of all of
//! them, and a sort is charged with every one of these bytes for every batch. So
//! batches are copied into buffers of their own before they go into a sort.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray};
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::WindowAggExec;

use super::error::from_datafusion;
use super::pass::PassBatches;
use crate::error::SqlError;

/// Bytes a column may hold beyond what it shows without being copied.
const SLACK_BYTES: usize = 16 << 10;

/// Puts the copying below every sort of texts.
pub(super) fn below_sorts(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(sort) = node.downcast_ref::<SortExec>() else {
            return Ok(Transformed::no(node));
        };
        let input = sort.input();
        if !input
            .schema()
            .fields()
            .iter()
            .any(|f| is_view(f.data_type()))
        {
            return Ok(Transformed::no(node));
        }
        let compact = PassBatches::plan("CompactBatches", Arc::clone(input), |b| compacted(&b));
        Ok(Transformed::yes(replace_children_if_necessary(
            node,
            vec![compact],
        )?))
    })
    .data()
}

/// Counts the rows that windows keep: an operator of whole partitions keeps all of its
/// input, and joins it into one batch.
pub(super) fn below_windows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(window) = node.downcast_ref::<WindowAggExec>() else {
            return Ok(Transformed::no(node));
        };
        let counting = PassBatches::counting("WindowInput", Arc::clone(window.input()), 2);
        Ok(Transformed::yes(replace_children_if_necessary(
            node,
            vec![counting],
        )?))
    })
    .data()
}

fn is_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

/// The batch without what it does not show, to be kept.
///
/// # Errors
/// XX000.
pub(crate) fn compacted_batch(batch: &RecordBatch) -> std::result::Result<RecordBatch, SqlError> {
    compacted(batch).map_err(from_datafusion)
}

/// The batch, with the columns copied that hold much more than they show.
fn compacted(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => compacted_view(column, column.as_byte_view::<StringViewType>()),
            DataType::BinaryView => compacted_view(column, column.as_byte_view::<BinaryViewType>()),
            _ => Arc::clone(column),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(batch.schema(), columns, &options)?;
    Ok(batch)
}

fn compacted_view<T: ByteViewType>(column: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(|b| b.capacity()).sum();
    if held <= SLACK_BYTES {
        return Arc::clone(column);
    }
    let shown = views.total_buffer_bytes_used();
    if held - SLACK_BYTES <= shown + shown / 4 {
        return Arc::clone(column);
    }
    Arc::new(views.gc())
}
