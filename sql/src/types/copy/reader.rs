//! Reads COPY data that arrives in pieces, row by row.

use crate::error::{SqlError, SqlResult, state};
use crate::types::binary_in::utf8;
use crate::types::copy::binary_reader::{self, bad};
use crate::types::copy::fields::{Field, Fields};
use crate::types::copy::lines::{Found, LineFinder};
use crate::types::copy::options::{CopyFormat, CopyKind, Header};

/// Most bytes of one row, unless set otherwise.
pub const DEFAULT_MAX_ROW_BYTES: usize = 256 << 20;

/// Takes COPY data in pieces of any size and gives rows.
///
/// ```text
/// reader.push(chunk)?;
/// while let Some(row) = reader.next_row()? { … }
/// …
/// reader.finish();
/// while let Some(row) = reader.next_row()? { … }
/// ```
#[derive(Debug)]
pub struct CopyReader {
    format: CopyFormat,
    table: String,
    columns: Vec<String>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that belong to rows already given.
    consumed: usize,
    lines: LineFinder,
    fields: Fields,
    line: u64,
    /// The current row, in the buffer.
    row: std::ops::Range<usize>,
    header_seen: bool,
    last: bool,
    ended: bool,
    max_row_bytes: usize,
}

/// One row: its fields as bytes.
#[derive(Debug, Clone, Copy)]
pub struct CopyRow<'a> {
    reader: &'a CopyReader,
}

impl CopyReader {
    /// A reader of rows with these columns. `table` is for error contexts.
    pub fn new(format: CopyFormat, table: &str, columns: Vec<String>) -> SqlResult<CopyReader> {
        format.validate()?;
        let csv = format.kind == CopyKind::Csv;
        let lines = LineFinder::new(csv, format.quote, format.escape);
        let header_seen = format.header == Header::Off && format.kind != CopyKind::Binary;
        Ok(CopyReader {
            format,
            table: table.to_owned(),
            columns,
            buffer: Vec::new(),
            consumed: 0,
            lines,
            fields: Fields::default(),
            line: 0,
            row: 0..0,
            header_seen,
            last: false,
            ended: false,
            max_row_bytes: DEFAULT_MAX_ROW_BYTES,
        })
    }

    /// Sets the most bytes one row may have.
    #[must_use]
    pub fn with_max_row_bytes(mut self, bytes: usize) -> CopyReader {
        self.max_row_bytes = bytes;
        self
    }

    /// Adds data. Read all rows with [`CopyReader::next_row`] before adding
    /// more. 54000 when a row is too long.
    pub fn push(&mut self, chunk: &[u8]) -> SqlResult<()> {
        if self.ended {
            // After the end marker nothing counts, except in binary files.
            return match self.format.kind {
                CopyKind::Binary if !chunk.is_empty() => {
                    Err(bad("received copy data after EOF marker"))
                }
                _ => Ok(()),
            };
        }
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.row = 0..0;
        if self.buffer.len() > self.max_row_bytes {
            self.line += 1;
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                format!("row is longer than {} bytes", self.max_row_bytes),
            )
            .context(format!("COPY {}, line {}", self.table, self.line)));
        }
        self.buffer.extend_from_slice(chunk);
        Ok(())
    }

    /// Says that no more data will come.
    pub fn finish(&mut self) {
        self.last = true;
    }

    /// Number of the current line (binary: row), counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next row; `None` when more data is needed, or none is left. 22P04
    /// for data that is not in the format.
    pub fn next_row(&mut self) -> SqlResult<Option<CopyRow<'_>>> {
        let found = match self.format.kind {
            CopyKind::Binary => self.next_binary(),
            _ => self.next_line(),
        };
        match found {
            Ok(true) => Ok(Some(CopyRow { reader: self })),
            Ok(false) => Ok(None),
            Err(error) if error.get_context().is_some() => Err(error),
            Err(error) => {
                let context = self.line_context();
                Err(error.context(context))
            }
        }
    }

    fn next_binary(&mut self) -> SqlResult<bool> {
        if self.ended {
            return Ok(false);
        }
        let mut data = self.buffer.get(self.consumed..).unwrap_or_default();
        if !self.header_seen {
            match binary_reader::header(data)? {
                Some(bytes) => {
                    self.header_seen = true;
                    self.consumed += bytes;
                    data = self.buffer.get(self.consumed..).unwrap_or_default();
                }
                None if self.last => return Err(bad("COPY file signature not recognized")),
                None => return Ok(false),
            }
        }
        match binary_reader::row(data, self.columns.len(), &mut self.fields)? {
            binary_reader::Found::Row(bytes) => {
                self.line += 1;
                self.row = self.consumed..self.consumed + bytes;
                self.consumed += bytes;
                Ok(true)
            }
            binary_reader::Found::End(bytes) => {
                self.ended = true;
                self.consumed += bytes;
                if self.consumed < self.buffer.len() {
                    return Err(bad("received copy data after EOF marker"));
                }
                Ok(false)
            }
            // A file may end without the trailer only between rows.
            binary_reader::Found::More if self.last && !data.is_empty() => {
                Err(bad("unexpected EOF in COPY data"))
            }
            binary_reader::Found::More => Ok(false),
        }
    }

    fn next_line(&mut self) -> SqlResult<bool> {
        loop {
            if self.ended {
                return Ok(false);
            }
            let data = self.buffer.get(self.consumed..).unwrap_or_default();
            let found = self.lines.find(data, self.last).map_err(|error| {
                self.line += 1;
                error.context(format!("COPY {}, line {}", self.table, self.line))
            })?;
            let (length, with_ending) = match found {
                Found::More => return Ok(false),
                Found::Line {
                    length,
                    with_ending,
                } => (length, with_ending),
                Found::EndMarker { length } => {
                    self.ended = true;
                    if length == 0 {
                        return Ok(false);
                    }
                    (length, length)
                }
            };
            self.line += 1;
            self.row = self.consumed..self.consumed + length;
            self.consumed += with_ending;
            let line = self.buffer.get(self.row.clone()).unwrap_or_default();
            self.fields.split(line, &self.format, self.columns.len())?;
            if std::mem::replace(&mut self.header_seen, true) {
                self.check_count(length)?;
                return Ok(true);
            }
            if self.format.header == Header::Match {
                self.check_header()?;
            }
            self.line += std::mem::take(&mut self.lines.inner_lines);
        }
    }

    fn check_count(&mut self, line_length: usize) -> SqlResult<()> {
        self.line += std::mem::take(&mut self.lines.inner_lines);
        let (got, wanted) = (self.fields.list.len(), self.columns.len());
        if got > wanted && !(wanted == 0 && line_length == 0) {
            return Err(bad("extra data after last expected column"));
        }
        match self.columns.get(got) {
            Some(column) => Err(bad(&format!("missing data for column \"{column}\""))),
            None => Ok(()),
        }
    }

    fn check_header(&self) -> SqlResult<()> {
        let (got, wanted) = (self.fields.list.len(), self.columns.len());
        if got != wanted {
            return Err(bad(&format!(
                "wrong number of fields in header line: got {got}, expected {wanted}"
            )));
        }
        for (index, name) in self.columns.iter().enumerate() {
            let number = index + 1;
            let Some(field) = self.field(index) else {
                return Err(bad(&format!(
                    "column name mismatch in header line field {number}: got null value (\"{}\"), expected \"{name}\"",
                    self.format.null
                )));
            };
            if field != name.as_bytes() {
                return Err(bad(&format!(
                    "column name mismatch in header line field {number}: got \"{}\", expected \"{name}\"",
                    String::from_utf8_lossy(field)
                )));
            }
        }
        Ok(())
    }

    fn field(&self, index: usize) -> Option<&[u8]> {
        match *self.fields.list.get(index)? {
            Field::Null => None,
            Field::Raw { start, end } => {
                let base = self.row.start;
                Some(
                    self.buffer
                        .get(base + start..base + end)
                        .unwrap_or_default(),
                )
            }
            Field::Resolved { start, end } => {
                Some(self.fields.resolved.get(start..end).unwrap_or_default())
            }
        }
    }

    /// `COPY t, line 3: "the line"`, for errors about a whole row.
    pub fn line_context(&self) -> String {
        let (table, line) = (&self.table, self.line);
        if self.format.kind == CopyKind::Binary {
            return format!("COPY {table}, line {line}");
        }
        let text = self.buffer.get(self.row.clone()).unwrap_or_default();
        format!("COPY {table}, line {line}: \"{}\"", shortened(text))
    }

    /// `COPY t, line 3, column a: "value"`, for errors about the field at
    /// `index` of the current row.
    pub fn column_context(&self, index: usize) -> String {
        let (table, line) = (&self.table, self.line);
        let column = self.columns.get(index).map_or("", String::as_str);
        match self.field(index) {
            _ if self.format.kind == CopyKind::Binary => {
                format!("COPY {table}, line {line}, column {column}")
            }
            Some(value) => {
                let value = shortened(value);
                format!("COPY {table}, line {line}, column {column}: \"{value}\"")
            }
            None => format!("COPY {table}, line {line}, column {column}: null input"),
        }
    }
}

/// The first hundred bytes, as PostgreSQL shows them.
fn shortened(bytes: &[u8]) -> String {
    const LIMIT: usize = 100;
    let text = String::from_utf8_lossy(bytes.get(..LIMIT * 4).unwrap_or(bytes));
    if bytes.len() <= LIMIT {
        return text.into_owned();
    }
    let mut end = LIMIT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}

impl<'a> CopyRow<'a> {
    /// Number of fields: that of the columns.
    pub fn len(&self) -> usize {
        self.reader.columns.len()
    }

    /// Whether the fields are in binary form.
    pub fn is_binary(&self) -> bool {
        self.reader.format.kind == CopyKind::Binary
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.reader.columns.is_empty()
    }

    /// The bytes of a field; `None` is NULL.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.reader.field(index)
    }

    /// A field as text; 22021 when it is not UTF-8.
    pub fn text(&self, index: usize) -> SqlResult<Option<&'a str>> {
        match self.get(index) {
            Some(bytes) => utf8(bytes)
                .map(Some)
                .map_err(|error| error.context(self.reader.line_context())),
            None => Ok(None),
        }
    }

    /// Adds the field's place to an error about its value.
    pub fn at_column(&self, error: SqlError, index: usize) -> SqlError {
        error.context(self.reader.column_context(index))
    }

    /// Number of the line, counted from 1.
    pub fn line(&self) -> u64 {
        self.reader.line
    }
}
