//! Writes COPY data.

use arrow::array::RecordBatch;
use bytes::{BufMut, BytesMut};

use crate::error::{SqlError, SqlResult, state};
use crate::types::copy::binary_reader::SIGNATURE;
use crate::types::copy::options::{CopyFormat, CopyKind, Header};
use crate::types::datum::Datum;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;
use crate::types::row::RowView;
use crate::types::wire_column::{CellWriter, cell_writer};
use crate::types::wire_encode::{Format, OutputColumn, field, write_cell, write_datum};

/// Writes rows in a COPY format.
#[derive(Debug)]
pub struct CopyWriter {
    format: CopyFormat,
    names: Vec<String>,
    columns: Vec<OutputColumn>,
    session: SessionFormat,
    scratch: BytesMut,
}

/// The columns of one batch, ready to be written.
pub struct BatchCells {
    columns: Vec<CellWriter>,
    rows: usize,
}

impl std::fmt::Debug for BatchCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "BatchCells({} columns, {} rows)",
            self.columns.len(),
            self.rows
        )
    }
}

impl BatchCells {
    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl CopyWriter {
    /// A writer of columns with these names and types.
    pub fn new(
        format: CopyFormat,
        columns: &[(String, PgType)],
        session: SessionFormat,
    ) -> SqlResult<CopyWriter> {
        format.validate()?;
        let cell_format = match format.kind {
            CopyKind::Binary => Format::Binary,
            _ => Format::Text,
        };
        Ok(CopyWriter {
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            columns: columns
                .iter()
                .map(|(_, pg_type)| OutputColumn {
                    pg_type: *pg_type,
                    format: cell_format,
                })
                .collect(),
            format,
            session,
            scratch: BytesMut::new(),
        })
    }

    /// Appends what comes before the first row.
    pub fn write_header(&mut self, out: &mut BytesMut) {
        match (self.format.kind, self.format.header) {
            (CopyKind::Binary, _) => {
                out.put_slice(SIGNATURE);
                out.put_i32(0);
                out.put_i32(0);
            }
            (_, Header::Off) => {}
            _ => {
                let single = self.names.len() == 1;
                for (index, name) in self.names.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(self.format.delimiter);
                    }
                    put_text(&self.format, name.as_bytes(), false, single, out);
                }
                out.put_u8(b'\n');
            }
        }
    }

    /// Appends what comes after the last row.
    pub fn write_trailer(&mut self, out: &mut BytesMut) {
        if self.format.kind == CopyKind::Binary {
            out.put_i16(-1);
        }
    }

    /// Appends a row of values. `out` is unchanged on an error.
    pub fn write_datums(&mut self, values: &[Datum], out: &mut BytesMut) -> SqlResult<()> {
        if values.len() != self.columns.len() {
            return Err(SqlError::internal("row and COPY columns differ"));
        }
        let session = self.session;
        self.write_row(out, |index, column, out| match values.get(index) {
            None | Some(Datum::Null) => {
                out.put_i32(-1);
                Ok(())
            }
            Some(value) => field(out, |out| {
                write_datum(column, value, &session, out);
                Ok(())
            }),
        })
    }

    /// Appends a stored row: `picked` are the numbers of the stored columns.
    pub fn write_stored(
        &mut self,
        row: &RowView<'_>,
        picked: &[usize],
        out: &mut BytesMut,
    ) -> SqlResult<()> {
        let session = self.session;
        self.write_row(out, |index, column, out| {
            let Some(stored) = picked.get(index) else {
                return Err(SqlError::internal("row and COPY columns differ"));
            };
            match row.cell(*stored)? {
                Some(bytes) => field(out, |out| write_cell(column, bytes, &session, out)),
                None => {
                    out.put_i32(-1);
                    Ok(())
                }
            }
        })
    }

    /// Prepares the columns of a batch.
    pub fn batch(&self, batch: &RecordBatch) -> SqlResult<BatchCells> {
        if batch.num_columns() != self.columns.len() {
            return Err(SqlError::internal("batch and COPY columns differ"));
        }
        let columns: SqlResult<Vec<CellWriter>> = batch
            .columns()
            .iter()
            .zip(&self.columns)
            .map(|(array, column)| cell_writer(array, *column, &self.session))
            .collect();
        Ok(BatchCells {
            columns: columns?,
            rows: batch.num_rows(),
        })
    }

    /// Appends a row of a batch.
    pub fn write_batch_row(
        &mut self,
        cells: &BatchCells,
        row: usize,
        out: &mut BytesMut,
    ) -> SqlResult<()> {
        if row >= cells.rows {
            return Err(SqlError::internal("row out of range"));
        }
        self.write_row(out, |index, _, out| match cells.columns.get(index) {
            Some(writer) => writer(row, out),
            None => Err(SqlError::internal("batch and COPY columns differ")),
        })
    }

    /// Writes a row whose cells come as length (-1: NULL) and bytes: in the
    /// binary format that is the row already.
    fn write_row(
        &mut self,
        out: &mut BytesMut,
        mut cell: impl FnMut(usize, OutputColumn, &mut BytesMut) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let start = out.len();
        let mut write = || -> SqlResult<()> {
            if self.format.kind == CopyKind::Binary {
                out.put_i16(i16::try_from(self.columns.len()).unwrap_or(i16::MAX));
                for (index, column) in self.columns.iter().enumerate() {
                    cell(index, *column, out)?;
                }
                return Ok(());
            }
            let single = self.columns.len() == 1;
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    out.put_u8(self.format.delimiter);
                }
                self.scratch.clear();
                cell(index, *column, &mut self.scratch)?;
                let (length, bytes) = self
                    .scratch
                    .split_first_chunk::<4>()
                    .ok_or_else(|| SqlError::internal("cell without a length"))?;
                if *length == [255; 4] {
                    out.put_slice(self.format.null.as_bytes());
                } else {
                    put_text(&self.format, bytes, self.format.quotes(index), single, out);
                }
            }
            out.put_u8(b'\n');
            Ok(())
        };
        let written = write();
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

/// Appends a field in the text or CSV format.
fn put_text(format: &CopyFormat, bytes: &[u8], force: bool, single: bool, out: &mut BytesMut) {
    if format.kind == CopyKind::Csv {
        put_csv(format, bytes, force, single, out);
        return;
    }
    let mut rest = bytes;
    while let Some(at) = rest
        .iter()
        .position(|b| *b < 0x20 || *b == b'\\' || *b == format.delimiter)
    {
        let (plain, special) = rest.split_at(at);
        out.put_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            other => *other,
        };
        if letter != *byte || *byte == b'\\' || *byte == format.delimiter {
            out.put_u8(b'\\');
        }
        out.put_u8(letter);
        rest = after;
    }
    out.put_slice(rest);
}

fn put_csv(format: &CopyFormat, bytes: &[u8], force: bool, single: bool, out: &mut BytesMut) {
    let special =
        |b: &u8| *b == format.delimiter || *b == format.quote || matches!(b, b'\n' | b'\r');
    let quote = force
        || bytes == format.null.as_bytes()
        // A line of its own that would end the data.
        || (single && bytes == b"\\.")
        || bytes.iter().any(special);
    if !quote {
        out.put_slice(bytes);
        return;
    }
    out.put_u8(format.quote);
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(format.quote, format.escape, rest) {
        let (plain, special) = rest.split_at(at);
        out.put_slice(plain);
        out.put_u8(format.escape);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        out.put_u8(*byte);
        rest = after;
    }
    out.put_slice(rest);
    out.put_u8(format.quote);
}

/// Appends one CopyData message: `'d'`, i32 length without the tag, content.
/// `out` is unchanged on an error.
pub fn copy_data_message(
    out: &mut BytesMut,
    content: impl FnOnce(&mut BytesMut) -> SqlResult<()>,
) -> SqlResult<()> {
    let start = out.len();
    out.put_u8(b'd');
    out.put_i32(0);
    let written = content(out).and_then(|()| {
        let length = i32::try_from(out.len() - start - 1).map_err(|_| {
            SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "row is too big for a message",
            )
        })?;
        if let Some(slot) = out.get_mut(start + 1..start + 5) {
            slot.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}
