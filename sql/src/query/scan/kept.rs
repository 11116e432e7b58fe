//! Scans of whole tables that take columns from memory where they can, and keep
//! there what they had to read.

use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::sync::Arc;

use super::super::columns::{ColumnKey, Found, Segment};
use super::super::engine::BATCH_ROWS;
use super::super::run::RunContext;
use super::access::Access;
use super::chunk::{CANCEL_EVERY, Filling, Quantity, key_after};
use super::exec::ScanShape;
use super::key_bounds::KeyRange;
use super::table::Source;
use crate::error::SqlError;

/// Batches of a chunk that comes from memory: it costs no room, but whoever stops
/// early should not wait for more.
const KEPT_BATCHES: usize = 64;

/// The columns of a scan whose rows need not be read; nothing for scans of a part of
/// a table, of what only a change looks at, of what the transaction changed, and for
/// queries that are short of memory and want smaller batches.
pub(super) fn wanted(
    shape: &ScanShape,
    run: &RunContext,
    quantity: Quantity,
) -> Option<Vec<ColumnKey>> {
    let whole = matches!(shape.access, Access::Rows { bounded: false, .. });
    let everything = whole && quantity.limit.is_none() && quantity.batch_rows >= BATCH_ROWS;
    let replaced = shape.target.is_some() && run.replace.is_some();
    if !everything || replaced || run.view.changes(shape.info.rows) {
        return None;
    }
    let key = |source: &Source| match source {
        Source::Attribute(position) => {
            let ty = shape.info.layout.column_type(*position)?;
            Some((*position, ty))
        }
        Source::Key | Source::Csn | Source::Row | Source::Table => None,
    };
    shape.sources.iter().map(key).collect()
}

/// The nearer of two ends; `None` is the end of the stream.
fn nearer(a: Option<Box<[u8]>>, b: Option<&[u8]>) -> Option<Vec<u8>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if *a < *b { a.into_vec() } else { b.to_vec() }),
        (Some(a), None) => Some(a.into_vec()),
        (None, b) => b.map(<[u8]>::to_vec),
    }
}

impl Filling<'_> {
    /// Gives the columns of all rows from `start`; where to go on when the chunk is
    /// complete.
    pub(super) fn fill_kept(
        &mut self,
        wanted: &[ColumnKey],
        start: &[u8],
        range: &KeyRange,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let run = self.run;
        let stream = (run.view.tenant(), self.shape.info.rows.stream);
        let at = run.view.snapshot().index();
        // What comes from memory is read all the same.
        run.view
            .note_range(self.shape.info.rows, start, range.end.as_deref())?;
        let mut start = start.to_vec();
        loop {
            run.cancel.check()?;
            let keys = (start.as_slice(), range.end.as_deref());
            let next = match run.columns.find(stream, at, keys, wanted) {
                Found::Columns { end, rows, columns } => {
                    let options = RecordBatchOptions::new().with_row_count(Some(rows));
                    let schema = Arc::clone(&self.shape.schema);
                    let batch = RecordBatch::try_new_with_options(schema, columns, &options)
                        .map_err(super::super::error::from_arrow)?;
                    self.give(batch);
                    end.map(<[u8]>::into_vec)
                }
                Found::NothingBefore(stop) => {
                    let stop = nearer(stop, range.end.as_deref());
                    self.read_segment(wanted, &start, stop)?
                }
            };
            match next {
                None => return Ok(None),
                Some(next) if range.end.as_ref().is_some_and(|end| next >= *end) => {
                    return Ok(None);
                }
                Some(next) => start = next,
            }
            if self.is_complete() && (self.has_read() || self.given_batches() >= KEPT_BATCHES) {
                return Ok(Some(start));
            }
        }
    }

    /// Reads a batch of rows from `start`, but none from `stop` on, and keeps its
    /// columns; where the next one begins.
    fn read_segment(
        &mut self,
        wanted: &[ColumnKey],
        start: &[u8],
        stop: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let run = self.run;
        let rows = self.shape.info.rows;
        let mut scan = run
            .view
            .scan(rows, start, stop.as_deref(), self.shape.bypass_cache);
        let mut end = stop;
        while let Some((key, version)) = scan.next()? {
            self.batch.push(key, version.csn, version.value)?;
            if self.batch.rows.is_multiple_of(CANCEL_EVERY) {
                run.cancel.check()?;
            }
            if self.batch.is_full() {
                end = Some(key_after(key));
                break;
            }
        }
        drop(scan);
        let batch = self.close_batch()?;
        let columns = wanted.iter().copied().zip(batch.columns().iter().cloned());
        let segment = Segment {
            end: end.as_deref().map(Into::into),
            rows: batch.num_rows(),
            columns: columns.collect(),
        };
        let stream = (run.view.tenant(), rows.stream);
        let at = run.view.snapshot().index();
        run.columns.keep(stream, at, start, segment);
        self.note_read();
        self.give(batch);
        Ok(end)
    }
}
