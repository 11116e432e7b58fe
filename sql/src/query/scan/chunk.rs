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

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::Stream;
use tokio::task::JoinHandle;

use super::super::columns::ColumnKey;
use super::super::error::external;
use super::super::run::RunContext;
use super::access::Access;
use super::batch::BatchBuilder;
use super::exec::ScanShape;
use super::kept;
use super::key_bounds::KeyRange;
use crate::error::SqlError;
use crate::exec::index_entry;
use crate::exec::table::TableInfo;
use crate::txn::{StreamKey, Version};

/// Rows of the first batch of a scan, at most.
const FIRST_ROWS: usize = 1_024;
/// Batches of a chunk.
const CHUNK_BATCHES: usize = 4;
/// Rows between two looks at the cancellation flag.
pub(super) const CANCEL_EVERY: usize = 1_024;

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

/// The smallest key after another.
pub(super) fn key_after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// A chunk under construction.
pub(super) struct Filling<'a> {
    pub(super) shape: &'a ScanShape,
    pub(super) run: &'a RunContext,
    cursor: Cursor,
    quantity: Quantity,
    batches: VecDeque<RecordBatch>,
    most: usize,
    pub(super) batch: BatchBuilder<'a>,
    /// Columns to look for in memory; nothing when the rows have to be read.
    wanted: Option<Vec<ColumnKey>>,
    /// Whether rows were read for it, rather than found in memory.
    read: bool,
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
            wanted: kept::wanted(shape, run, quantity),
            cursor,
            read: false,
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
            && let Some(rows) = replace.of(self.shape.target)
        {
            let table = self.shape.info.desc.oid;
            for row in rows.iter().filter(|row| row.table == table) {
                self.batch.push(&row.key, row.csn, &row.stored)?;
            }
            self.done = true;
            return Ok(());
        }
        while let Some(range) = ranges.get(self.cursor.range) {
            let start = self.cursor.start.take();
            let start = start.as_deref().unwrap_or(&range.start);
            let next = match (&self.shape.access, self.wanted.take()) {
                (Access::Rows { .. }, Some(wanted)) => {
                    let next = self.fill_kept(&wanted, start, range)?;
                    self.wanted = Some(wanted);
                    next
                }
                (Access::Rows { .. }, None) => self.fill_rows(start, range)?,
                (Access::Index { index, .. }, _) => {
                    self.fill_through_index(TableInfo::index_stream(index), start, range)?
                }
            };
            match next {
                Some(next) => {
                    self.cursor.start = Some(next);
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
        let full = self.close_batch()?;
        self.batches.push_back(full);
        Ok(self.batches.len() >= self.most)
    }

    /// The batch under construction; another one is begun.
    pub(super) fn close_batch(&mut self) -> Result<RecordBatch, SqlError> {
        let next = BatchBuilder::new(self.shape, self.quantity.batch_rows)?;
        std::mem::replace(&mut self.batch, next).finish()
    }

    /// Gives a batch whose rows were not counted yet.
    pub(super) fn give(&mut self, batch: RecordBatch) {
        self.cursor.given += batch.num_rows();
        if batch.num_rows() > 0 {
            self.batches.push_back(batch);
        }
    }

    /// Whether a chunk that was read has enough batches.
    pub(super) fn is_complete(&self) -> bool {
        self.batches.len() >= self.most
    }

    /// Rows were read, so the chunk holds memory of its own.
    pub(super) fn note_read(&mut self) {
        self.read = true;
    }

    /// Whether rows were read.
    pub(super) fn has_read(&self) -> bool {
        self.read
    }

    /// How many batches there are.
    pub(super) fn given_batches(&self) -> usize {
        self.batches.len()
    }

    /// Reads rows from `start`; where to go on when the chunk is complete.
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
                return Ok(Some(key_after(key)));
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
                return Ok(Some(key_after(entry_key)));
            }
        }
        Ok(None)
    }
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
