//! Reading a scan chunk by chunk.
//!
//! A chunk is a few record batches. Each chunk opens an iterator of its own just
//! after the last key of the chunk before, so nothing is held between chunks but
//! that key: a slow reader pins no iterator and no thread. Chunks are read on
//! blocking threads, one ahead of the consumer; dropping the stream leaves at
//! most one chunk to finish. The first chunk is small, for queries that need a
//! few rows only.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{ArrayRef, BinaryBuilder, UInt64Builder};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::Stream;
use tokio::task::JoinHandle;

use super::super::error::external;
use super::super::run::RunContext;
use super::access::Access;
use super::exec::ScanShape;
use super::key_bounds::KeyRange;
use super::table::Source;
use crate::error::SqlError;
use crate::exec::index_entry;
use crate::exec::table::TableInfo;
use crate::txn::{ReadView, StreamKey, Version};
use crate::types::arrow_build::ColumnAppender;

/// Rows of the first batch of a scan, at most.
const FIRST_ROWS: usize = 1_024;
/// Stored bytes after which a batch is closed before it is full.
const BATCH_BYTES: usize = 8 << 20;
/// Batches of a chunk.
const CHUNK_BATCHES: usize = 4;
/// Rows between two looks at the cancellation flag.
const CANCEL_EVERY: usize = 1_024;

/// Where a scan stands.
#[derive(Debug, Clone)]
struct Cursor {
    /// Range to read next.
    range: usize,
    /// Key to go on at, within the range.
    start: Option<Vec<u8>>,
    /// Rows given so far.
    given: usize,
}

/// How much a partition gives, and in what portions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantity {
    /// Rows after which it ends.
    pub(super) limit: Option<usize>,
    /// Rows of a full batch.
    pub(super) batch_rows: usize,
}

/// Reads one partition of a scan.
#[derive(Debug)]
pub(super) struct ChunkReader {
    shape: Arc<ScanShape>,
    run: Arc<RunContext>,
    ranges: Vec<KeyRange>,
    quantity: Quantity,
    cursor: Option<Cursor>,
}

/// Batches read, and the reader unless it is done.
struct Chunk {
    batches: VecDeque<RecordBatch>,
    reader: Option<ChunkReader>,
}

impl ChunkReader {
    pub(super) fn new(
        shape: Arc<ScanShape>,
        run: Arc<RunContext>,
        ranges: Vec<KeyRange>,
        quantity: Quantity,
    ) -> Self {
        Self {
            shape,
            run,
            ranges,
            quantity,
            cursor: Some(Cursor {
                range: 0,
                start: None,
                given: 0,
            }),
        }
    }

    /// Whether the next chunk is so small that reading it here is cheaper than
    /// handing it to another thread.
    fn is_small(&self) -> bool {
        self.shape.access.is_point_lookup(&self.shape.info.desc) && self.ranges.len() <= 8
    }

    /// Reads the next chunk.
    fn read(mut self) -> Result<Chunk, SqlError> {
        let Some(cursor) = self.cursor.take() else {
            return Ok(Chunk {
                batches: VecDeque::new(),
                reader: None,
            });
        };
        let mut filling = Filling::new(&self.shape, &self.run, cursor, self.quantity)?;
        filling.fill(&self.ranges)?;
        let (batches, cursor) = filling.finish()?;
        self.cursor = cursor;
        let reader = self.cursor.is_some().then_some(self);
        Ok(Chunk { batches, reader })
    }
}

/// A chunk under construction.
struct Filling<'a> {
    shape: &'a ScanShape,
    run: &'a RunContext,
    cursor: Cursor,
    quantity: Quantity,
    batches: VecDeque<RecordBatch>,
    most: usize,
    batch: BatchBuilder<'a>,
    done: bool,
}

impl<'a> Filling<'a> {
    fn new(
        shape: &'a ScanShape,
        run: &'a RunContext,
        cursor: Cursor,
        quantity: Quantity,
    ) -> Result<Self, SqlError> {
        let rows = match cursor.given {
            0 => FIRST_ROWS.min(quantity.batch_rows),
            _ => quantity.batch_rows,
        };
        Ok(Self {
            shape,
            run,
            quantity,
            batches: VecDeque::new(),
            most: if cursor.given <= FIRST_ROWS {
                1
            } else {
                CHUNK_BATCHES
            },
            batch: BatchBuilder::new(shape, rows)?,
            cursor,
            done: false,
        })
    }

    fn finish(mut self) -> Result<(VecDeque<RecordBatch>, Option<Cursor>), SqlError> {
        if self.batch.rows > 0 {
            self.batches.push_back(self.batch.finish()?);
        }
        Ok((self.batches, (!self.done).then_some(self.cursor)))
    }

    fn fill(&mut self, ranges: &[KeyRange]) -> Result<(), SqlError> {
        if let Some(replace) = &self.run.replace
            && self.shape.target
        {
            for (key, csn, row) in &replace.rows {
                self.batch.push(key, *csn, row)?;
            }
            self.done = true;
            return Ok(());
        }
        while let Some(range) = ranges.get(self.cursor.range) {
            let start = self.cursor.start.take();
            let start = start.as_deref().unwrap_or(&range.start);
            let last = match &self.shape.access {
                Access::Rows { .. } => self.fill_rows(start, range)?,
                Access::Index { index, .. } => {
                    self.fill_through_index(TableInfo::index_stream(index), start, range)?
                }
            };
            match last {
                Some(mut last) => {
                    // The smallest key after `last`.
                    last.push(0);
                    self.cursor.start = Some(last);
                    return Ok(());
                }
                None => self.cursor.range += 1,
            }
        }
        self.done = true;
        Ok(())
    }

    /// Counts a row that was pushed; true when the chunk is complete.
    fn pushed(&mut self) -> Result<bool, SqlError> {
        self.cursor.given += 1;
        let limit = self.quantity.limit;
        if limit.is_some_and(|limit| self.cursor.given >= limit) {
            self.done = true;
            return Ok(true);
        }
        if self.batch.rows.is_multiple_of(CANCEL_EVERY) {
            self.run.cancel.check()?;
        }
        if !self.batch.is_full() {
            return Ok(false);
        }
        let next = BatchBuilder::new(self.shape, self.quantity.batch_rows)?;
        let full = std::mem::replace(&mut self.batch, next);
        self.batches.push_back(full.finish()?);
        Ok(self.batches.len() >= self.most)
    }

    /// Reads rows from `start`; the last key read when the chunk is complete.
    fn fill_rows(&mut self, start: &[u8], range: &KeyRange) -> Result<Option<Vec<u8>>, SqlError> {
        let run = self.run;
        let mut scan = run.view.scan(
            self.shape.info.rows,
            start,
            range.end.as_deref(),
            self.shape.bypass_cache,
        );
        while let Some((key, version)) = scan.next()? {
            self.batch.push(key, version.csn, version.value)?;
            if self.pushed()? {
                return Ok(Some(key.to_vec()));
            }
        }
        Ok(None)
    }

    fn fill_through_index(
        &mut self,
        entries: StreamKey,
        start: &[u8],
        range: &KeyRange,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let run = self.run;
        let rows = self.shape.info.rows;
        let mut scratch = Vec::new();
        let mut scan = run.view.scan(entries, start, range.end.as_deref(), false);
        while let Some((entry_key, entry)) = scan.next()? {
            let row_key = index_entry::row_key(entry_key, entry.value)?;
            let batch = &mut self.batch;
            let found = run
                .view
                .get(rows, row_key, &mut scratch, |version: Version<'_>| {
                    batch.push(row_key, version.csn, version.value)
                })?;
            match found {
                Some(pushed) => pushed?,
                None => {
                    return Err(SqlError::new(
                        crate::error::state::INDEX_CORRUPTED,
                        "an index entry points to a row that does not exist",
                    ));
                }
            }
            if self.pushed()? {
                return Ok(Some(entry_key.to_vec()));
            }
        }
        Ok(None)
    }
}

/// One output column under construction.
enum ColumnBuilder {
    Attribute(usize, ColumnAppender),
    Key(BinaryBuilder),
    Csn(UInt64Builder),
    Row(BinaryBuilder),
}

/// A batch under construction.
struct BatchBuilder<'a> {
    shape: &'a ScanShape,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    most: usize,
    bytes: usize,
}

impl<'a> BatchBuilder<'a> {
    fn new(shape: &'a ScanShape, most: usize) -> Result<Self, SqlError> {
        let mut columns = Vec::with_capacity(shape.sources.len());
        for source in &shape.sources {
            columns.push(match source {
                Source::Attribute(index) => {
                    let ty = shape
                        .info
                        .layout
                        .column_type(*index)
                        .ok_or_else(|| SqlError::internal("scan of a column out of range"))?;
                    ColumnBuilder::Attribute(*index, ColumnAppender::new(ty, most))
                }
                Source::Key => ColumnBuilder::Key(BinaryBuilder::new()),
                Source::Csn => ColumnBuilder::Csn(UInt64Builder::new()),
                Source::Row => ColumnBuilder::Row(BinaryBuilder::new()),
            });
        }
        Ok(Self {
            shape,
            columns,
            rows: 0,
            most,
            bytes: 0,
        })
    }

    fn is_full(&self) -> bool {
        self.rows >= self.most || self.bytes >= BATCH_BYTES
    }

    fn push(&mut self, key: &[u8], csn: u64, row: &[u8]) -> Result<(), SqlError> {
        self.rows += 1;
        self.bytes += row.len() + key.len();
        // `count(*)` looks at no column.
        if self.columns.is_empty() {
            return Ok(());
        }
        let view = self.shape.info.layout.view(row)?;
        for column in &mut self.columns {
            match column {
                ColumnBuilder::Attribute(index, appender) => appender.append(&view, *index)?,
                ColumnBuilder::Key(builder) => builder.append_value(key),
                ColumnBuilder::Csn(builder) => builder.append_value(csn),
                ColumnBuilder::Row(builder) => builder.append_value(row),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch, SqlError> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            arrays.push(match column {
                ColumnBuilder::Attribute(_, mut appender) => appender.finish(),
                ColumnBuilder::Key(mut builder) | ColumnBuilder::Row(mut builder) => {
                    Arc::new(builder.finish())
                }
                ColumnBuilder::Csn(mut builder) => Arc::new(builder.finish()),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.shape.schema), arrays, &options)
            .map_err(super::super::error::from_arrow)
    }
}

/// Keys that cut a range into `parts` of about equal size, judged by the size on
/// disk; `None` when the range cannot be cut.
pub(super) fn middle_keys(
    view: &ReadView,
    stream: StreamKey,
    range: &KeyRange,
    parts: usize,
) -> Option<Vec<Vec<u8>>> {
    let first = first_key(view, stream, range)?;
    let size = |end: &[u8]| -> u64 {
        let start = crate::txn::physical_key(view.tenant(), stream.stream, &first);
        let end = crate::txn::physical_key(view.tenant(), stream.stream, end);
        view.snapshot().approximate_size(stream.space, &start, &end)
    };
    let last = match &range.end {
        Some(end) => end.clone(),
        None => vec![u8::MAX; first.len().max(8)],
    };
    let total = size(&last);
    let mut cuts = Vec::with_capacity(parts);
    for part in 1..parts {
        let wanted = total / parts as u64 * part as u64;
        let cut = bisect(&first, &last, |key| size(key) < wanted)?;
        if cuts.last().unwrap_or(&first) < &cut && cut < last {
            cuts.push(cut);
        }
    }
    Some(cuts)
}

fn first_key(view: &ReadView, stream: StreamKey, range: &KeyRange) -> Option<Vec<u8>> {
    let mut scan = view.scan(stream, &range.start, range.end.as_deref(), false);
    scan.next().ok().flatten().map(|(key, _)| key.to_vec())
}

/// Bytes after the common prefix that a cut is searched in.
const CUT_BYTES: usize = 7;

/// The key between `low` and `high` where `below` turns false, found on the
/// bytes after their common prefix.
fn bisect(low: &[u8], high: &[u8], below: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| -> u64 {
        (0..CUT_BYTES).fold(0, |n, i| {
            n << 8 | u64::from(key.get(common + i).copied().unwrap_or(0))
        })
    };
    let key_of = |n: u64| -> Vec<u8> {
        let mut key = low.get(..common).unwrap_or_default().to_vec();
        key.extend_from_slice(n.to_be_bytes().get(8 - CUT_BYTES..).unwrap_or_default());
        key
    };
    let (mut from, mut to) = (number(low), number(high));
    if to <= from {
        return None;
    }
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        if below(&key_of(middle)) {
            from = middle;
        } else {
            to = middle;
        }
    }
    Some(key_of(to))
}

enum State {
    Ready(ChunkReader),
    Reading(JoinHandle<Result<Chunk, SqlError>>),
    Done,
}

/// The batches of one partition.
struct ChunkStream {
    schema: SchemaRef,
    batches: VecDeque<RecordBatch>,
    state: State,
    /// Whether to read one chunk ahead of the consumer.
    ahead: bool,
    metrics: BaselineMetrics,
}

/// Streams a partition.
pub(super) fn stream(reader: ChunkReader, metrics: BaselineMetrics) -> SendableRecordBatchStream {
    Box::pin(ChunkStream {
        schema: Arc::clone(&reader.shape.schema),
        batches: VecDeque::new(),
        state: State::Ready(reader),
        ahead: false,
        metrics,
    })
}

impl ChunkStream {
    fn take(&mut self, chunk: Result<Chunk, SqlError>) -> Result<()> {
        let chunk = chunk.map_err(external)?;
        self.batches = chunk.batches;
        self.state = match chunk.reader {
            // Whoever is content with the first rows costs no further reading.
            Some(reader) if !self.ahead => State::Ready(reader),
            Some(reader) => State::Reading(tokio::task::spawn_blocking(move || reader.read())),
            None => State::Done,
        };
        self.ahead = true;
        Ok(())
    }
}

impl Stream for ChunkStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            if let Some(batch) = self.batches.pop_front() {
                coop.made_progress();
                self.metrics.output_rows().add(batch.num_rows());
                return Poll::Ready(Some(Ok(batch)));
            }
            let outcome = match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Ready(reader) if reader.is_small() => reader.read(),
                State::Ready(reader) => {
                    self.state = State::Reading(tokio::task::spawn_blocking(move || reader.read()));
                    continue;
                }
                State::Reading(mut handle) => match Pin::new(&mut handle).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(handle);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(chunk)) => chunk,
                    Poll::Ready(Err(joined)) => {
                        return Poll::Ready(Some(Err(DataFusionError::ExecutionJoin(Box::new(
                            joined,
                        )))));
                    }
                },
            };
            if let Err(error) = self.take(outcome) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl RecordBatchStream for ChunkStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
