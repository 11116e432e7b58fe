//! Results on their way to the client.

use arrow::record_batch::RecordBatch;
use bytes::{Buf, BytesMut};

use super::Session;
use super::changes::writer;
use super::cursors::FetchRows;
use super::fields::FieldDescription;
use super::locked_rows::LockedRows;
use crate::error::SqlError;
use crate::query::QueryStream;
use crate::types::{BatchEncoder, OutputColumn, SessionFormat};

/// What became of a request to fill a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// The buffer is full enough; there is more.
    More {
        /// Rows added.
        rows: usize,
    },
    /// The row limit was reached; there may be more.
    Limit,
    /// There is no more. The command tag.
    Done(String),
}

/// A result being read.
pub struct RowCursor {
    fields: Vec<FieldDescription>,
    source: Source,
    given: u64,
    tag: &'static str,
}

enum Source {
    /// Complete DataRow messages, one after the other.
    Ready(BytesMut),
    /// Batches of a running query.
    Stream(Box<BatchSource>),
    /// Rows of a cursor.
    Fetch(Box<FetchRows>),
}

/// Where batches come from.
pub(super) enum Rows {
    /// A query.
    Query(QueryStream),
    /// A query whose rows are locked.
    Locked(Box<LockedRows>),
}

impl Rows {
    /// The next batch; `None` after the last.
    pub(super) async fn next(
        &mut self,
        session: &mut Session,
    ) -> Option<Result<RecordBatch, SqlError>> {
        match self {
            Self::Query(stream) => stream.next().await,
            Self::Locked(rows) => match writer(session) {
                Ok(mut writer) => rows.next(&mut writer).await,
                Err(error) => Some(Err(error)),
            },
        }
    }
}

struct BatchSource {
    stream: Rows,
    outputs: Vec<OutputColumn>,
    format: SessionFormat,
    /// The batch being encoded, and its next row.
    batch: Option<(BatchEncoder, usize)>,
}

impl std::fmt::Debug for RowCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCursor")
            .field("fields", &self.fields)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// Length of a message's type byte.
const TYPE_LEN: usize = 1;

impl RowCursor {
    /// A cursor over rows that are already encoded. `tag` is the command tag
    /// before the number of rows: `SELECT`, `INSERT 0`, `UPDATE`, ….
    pub(super) fn ready(fields: Vec<FieldDescription>, rows: BytesMut, tag: &'static str) -> Self {
        Self {
            fields,
            source: Source::Ready(rows),
            given: 0,
            tag,
        }
    }

    /// A cursor over a running query.
    pub(super) fn stream(
        fields: Vec<FieldDescription>,
        stream: QueryStream,
        format: SessionFormat,
    ) -> Self {
        Self::batches(fields, Rows::Query(stream), format)
    }

    /// A cursor over rows that are locked as they are read.
    pub(super) fn locked(
        fields: Vec<FieldDescription>,
        rows: LockedRows,
        format: SessionFormat,
    ) -> Self {
        Self::batches(fields, Rows::Locked(Box::new(rows)), format)
    }

    /// A cursor over rows of a cursor of SQL.
    pub(super) fn fetch(fields: Vec<FieldDescription>, rows: FetchRows) -> Self {
        Self {
            fields,
            source: Source::Fetch(Box::new(rows)),
            given: 0,
            tag: "FETCH",
        }
    }

    fn batches(fields: Vec<FieldDescription>, stream: Rows, format: SessionFormat) -> Self {
        let outputs = fields.iter().map(FieldDescription::output).collect();
        Self {
            fields,
            source: Source::Stream(Box::new(BatchSource {
                stream,
                outputs,
                format,
                batch: None,
            })),
            given: 0,
            tag: "SELECT",
        }
    }

    /// The columns.
    pub fn fields(&self) -> &[FieldDescription] {
        &self.fields
    }

    /// Appends complete DataRow messages to `out` until `max_rows` (0 = no limit)
    /// rows or about `max_bytes` bytes were added.
    ///
    /// # Errors
    /// Whatever the query fails with; the transaction is then aborted.
    pub async fn fill(
        &mut self,
        session: &mut Session,
        out: &mut BytesMut,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Fill, SqlError> {
        let limit = if max_rows == 0 { usize::MAX } else { max_rows };
        let filled = match &mut self.source {
            Source::Ready(rows) => Ok(take_messages(rows, out, limit, max_bytes)),
            Source::Stream(source) => source.fill(session, out, limit, max_bytes).await,
            Source::Fetch(rows) => rows.fill(session, out, limit, max_bytes).await,
        };
        match filled {
            Ok((rows, true)) => {
                self.given += rows as u64;
                session.statement_done();
                Ok(Fill::Done(match self.tag {
                    "SHOW" | "EXPLAIN" => self.tag.to_owned(),
                    counted => format!("{counted} {}", self.given),
                }))
            }
            Ok((rows, false)) => {
                self.given += rows as u64;
                if rows < limit {
                    return Ok(Fill::More { rows });
                }
                if self.tag == "SELECT" {
                    // A portal's tag counts the rows of its last Execute; that
                    // of RETURNING counts all rows the statement changed.
                    self.given = 0;
                }
                Ok(Fill::Limit)
            }
            Err(error) => {
                session.abort();
                Err(error)
            }
        }
    }
}

/// The first columns of a batch: hidden ones come after them.
pub(super) fn visible(batch: &RecordBatch, count: usize) -> Result<RecordBatch, SqlError> {
    if batch.num_columns() <= count {
        return Ok(batch.clone());
    }
    let columns: Vec<usize> = (0..count).collect();
    batch
        .project(&columns)
        .map_err(|e| SqlError::internal(e.to_string()))
}

/// Moves whole messages; says how many, and whether none is left.
fn take_messages(
    rows: &mut BytesMut,
    out: &mut BytesMut,
    limit: usize,
    max_bytes: usize,
) -> (usize, bool) {
    let (mut count, mut bytes) = (0, 0);
    while count < limit && bytes < max_bytes {
        let Some(mut header) = rows.get(bytes + TYPE_LEN..).filter(|h| h.len() >= 4) else {
            break;
        };
        let length = header.get_u32() as usize;
        bytes += TYPE_LEN + length;
        count += 1;
    }
    let bytes = bytes.min(rows.len());
    out.extend_from_slice(rows.get(..bytes).unwrap_or_default());
    rows.advance(bytes);
    // With a row limit that is just met PostgreSQL does not know yet that the
    // portal is done: it says so only when asked once more.
    (count, rows.is_empty() && count < limit)
}

impl BatchSource {
    async fn fill(
        &mut self,
        session: &mut Session,
        out: &mut BytesMut,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(usize, bool), SqlError> {
        let start = out.len();
        let mut count = 0;
        loop {
            let Some((encoder, at)) = &mut self.batch else {
                match self.stream.next(session).await {
                    None => return Ok((count, true)),
                    Some(batch) => {
                        let visible = visible(&batch?, self.outputs.len())?;
                        let encoder = BatchEncoder::new(&visible, &self.outputs, &self.format)?;
                        self.batch = Some((encoder, 0));
                    }
                }
                continue;
            };
            while *at < encoder.rows() {
                if count >= limit || out.len() - start >= max_bytes {
                    return Ok((count, false));
                }
                encoder.encode_row(*at, out)?;
                *at += 1;
                count += 1;
            }
            self.batch = None;
        }
    }
}
