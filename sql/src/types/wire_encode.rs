//! DataRow messages: from Arrow batches, from stored rows, from values.
//!
//! `'D'`, i32 length without the tag, i16 columns, and for each column an i32
//! length (-1: NULL) and its bytes. All integers are big endian.

use arrow::array::RecordBatch;
use bytes::{BufMut, BytesMut};

use crate::error::{SqlError, SqlResult, state};
use crate::types::binary_out::write_binary;
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;
use crate::types::row::RowView;
use crate::types::text_out::{write_integer, write_text};
use crate::types::wire_column::{CellWriter, cell_writer};

/// Text or binary, as a client asks for each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Format code 0.
    #[default]
    Text,
    /// Format code 1.
    Binary,
}

impl Format {
    /// The format with this code; 08P01 for any other than 0 and 1.
    pub fn from_code(code: i16) -> SqlResult<Format> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!("unsupported format code: {other}"),
            )),
        }
    }

    /// The format's code.
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// How a result column goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputColumn {
    /// The type the client was told.
    pub pg_type: PgType,
    /// The format it asked for.
    pub format: Format,
}

/// Encodes the rows of one batch. How each column is read is decided once.
pub struct BatchEncoder {
    columns: Vec<CellWriter>,
    rows: usize,
}

impl std::fmt::Debug for BatchEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "BatchEncoder({} columns, {} rows)",
            self.columns.len(),
            self.rows
        )
    }
}

impl BatchEncoder {
    /// An encoder for `batch`, whose columns are described by `columns`.
    /// Columns of another Arrow type than their PostgreSQL type has are cast.
    pub fn new(
        batch: &RecordBatch,
        columns: &[OutputColumn],
        format: &SessionFormat,
    ) -> SqlResult<BatchEncoder> {
        if batch.num_columns() != columns.len() {
            return Err(SqlError::internal(format!(
                "batch of {} columns for a result of {}",
                batch.num_columns(),
                columns.len()
            )));
        }
        let writers: SqlResult<Vec<CellWriter>> = batch
            .columns()
            .iter()
            .zip(columns)
            .map(|(array, column)| cell_writer(array, *column, format))
            .collect();
        Ok(BatchEncoder {
            columns: writers?,
            rows: batch.num_rows(),
        })
    }

    /// Rows in the batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the DataRow message of a row. `out` is unchanged on an error.
    pub fn encode_row(&self, row: usize, out: &mut BytesMut) -> SqlResult<()> {
        if row >= self.rows {
            return Err(SqlError::internal("row out of range"));
        }
        message(self.columns.len(), out, |out| {
            self.columns.iter().try_for_each(|writer| writer(row, out))
        })
    }
}

/// Appends the DataRow message of one row of a batch. For more than a few
/// rows make a [`BatchEncoder`].
pub fn encode_row_from_batch(
    batch: &RecordBatch,
    row: usize,
    columns: &[OutputColumn],
    format: &SessionFormat,
    out: &mut BytesMut,
) -> SqlResult<()> {
    BatchEncoder::new(batch, columns, format)?.encode_row(row, out)
}

/// Appends the DataRow message of a stored row: for each output column the
/// number of the stored column, counted from 0, and how it goes out.
pub fn encode_row_from_rowview(
    row: &RowView<'_>,
    columns: &[(usize, OutputColumn)],
    format: &SessionFormat,
    out: &mut BytesMut,
) -> SqlResult<()> {
    message(columns.len(), out, |out| {
        for (index, column) in columns {
            match row.cell(*index)? {
                Some(bytes) => field(out, |out| write_cell(*column, bytes, format, out))?,
                None => out.put_i32(-1),
            }
        }
        Ok(())
    })
}

/// Appends the DataRow message of values.
pub fn encode_row_from_datums(
    values: &[Datum],
    columns: &[OutputColumn],
    format: &SessionFormat,
    out: &mut BytesMut,
) -> SqlResult<()> {
    if values.len() != columns.len() {
        return Err(SqlError::internal("row and result description differ"));
    }
    message(columns.len(), out, |out| {
        for (value, column) in values.iter().zip(columns) {
            match value {
                Datum::Null => out.put_i32(-1),
                value => field(out, |out| {
                    write_datum(*column, value, format, out);
                    Ok(())
                })?,
            }
        }
        Ok(())
    })
}

/// Appends a value in the column's format, without its length.
pub fn write_datum(
    column: OutputColumn,
    value: &Datum,
    format: &SessionFormat,
    out: &mut BytesMut,
) {
    match column.format {
        Format::Text => write_text(column.pg_type, value, format, out),
        Format::Binary => write_binary(column.pg_type, value, out),
    }
}

/// Appends a stored cell (see [`cell`]) in the column's format. The common
/// types go straight from the stored bytes.
pub(crate) fn write_cell(
    column: OutputColumn,
    bytes: &[u8],
    format: &SessionFormat,
    out: &mut BytesMut,
) -> SqlResult<()> {
    match (column.pg_type, column.format) {
        (PgType::Int4, Format::Text) => {
            write_integer(i32::from_le_bytes(cell::fixed(bytes)?), out);
        }
        (PgType::Int8, Format::Text) => {
            write_integer(i64::from_le_bytes(cell::fixed(bytes)?), out);
        }
        (PgType::Int2, Format::Text) => {
            write_integer(i16::from_le_bytes(cell::fixed(bytes)?), out);
        }
        (PgType::Int4, Format::Binary) => out.put_i32(i32::from_le_bytes(cell::fixed(bytes)?)),
        (PgType::Int8, Format::Binary) => out.put_i64(i64::from_le_bytes(cell::fixed(bytes)?)),
        (PgType::Int2, Format::Binary) => out.put_i16(i16::from_le_bytes(cell::fixed(bytes)?)),
        (PgType::Text | PgType::Varchar(_) | PgType::Name | PgType::Json, _)
        | (PgType::Jsonb, Format::Text) => out.put_slice(cell::text(bytes)?.as_bytes()),
        (PgType::Bytea, Format::Binary) => out.put_slice(bytes),
        (ty, _) => write_datum(column, &cell::decode(ty, bytes)?, format, out),
    }
    Ok(())
}

/// Writes tag and column count, the fields, then the length before them.
fn message(
    columns: usize,
    out: &mut BytesMut,
    fields: impl FnOnce(&mut BytesMut) -> SqlResult<()>,
) -> SqlResult<()> {
    let start = out.len();
    out.put_u8(b'D');
    out.put_i32(0);
    // The number of result columns is bounded far below this.
    out.put_i16(i16::try_from(columns).unwrap_or(i16::MAX));
    let written = fields(out).and_then(|()| set_length(out, start + 1, 0));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Writes a length and what `content` writes.
pub(crate) fn field(
    out: &mut BytesMut,
    content: impl FnOnce(&mut BytesMut) -> SqlResult<()>,
) -> SqlResult<()> {
    let at = out.len();
    out.put_i32(0);
    content(out)?;
    set_length(out, at, 4)
}

/// Puts the number of bytes after `at` there, less `less`.
fn set_length(out: &mut BytesMut, at: usize, less: usize) -> SqlResult<()> {
    let length = i32::try_from(out.len().saturating_sub(at + less)).map_err(|_| {
        SqlError::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            "row is too big for a message",
        )
    })?;
    if let Some(slot) = out.get_mut(at..at + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::arbitrary::typed_row;
    use crate::types::arrow_build::ColumnAppender;
    use crate::types::arrow_map::arrow_field;
    use crate::types::row::RowLayout;
    use crate::types::styles::{DateOrder, DateStyle, IntervalStyle, Styles};
    use crate::types::text_out::text_out;
    use arrow::datatypes::Schema;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn text(pg_type: PgType) -> OutputColumn {
        OutputColumn {
            pg_type,
            format: Format::Text,
        }
    }

    #[test]
    fn a_message_is_as_documented() {
        let mut out = BytesMut::new();
        let columns = [
            text(PgType::Int4),
            text(PgType::Text),
            OutputColumn {
                pg_type: PgType::Int2,
                format: Format::Binary,
            },
        ];
        let values = [Datum::Int4(42), Datum::Null, Datum::Int2(1)];
        encode_row_from_datums(&values, &columns, &SessionFormat::default(), &mut out).unwrap();
        assert_eq!(
            out.as_ref(),
            [
                &b"D\0\0\0\x16\0\x03"[..],
                b"\0\0\0\x0242",
                b"\xff\xff\xff\xff",
                b"\0\0\0\x02\0\x01",
            ]
            .concat()
        );
    }

    #[test]
    fn a_corrupt_row_leaves_the_buffer_alone() {
        let layout = RowLayout::new(&[PgType::Int4, PgType::Text]).unwrap();
        let mut row = layout.encode(&[Datum::Int4(1), Datum::text("ab")]).unwrap();
        let last = row.len() - 1;
        row[last] = 0xff;
        let mut out = BytesMut::from(&b"before"[..]);
        let columns = [(0, text(PgType::Int4)), (1, text(PgType::Text))];
        let error = encode_row_from_rowview(
            &layout.view(&row).unwrap(),
            &columns,
            &SessionFormat::default(),
            &mut out,
        )
        .unwrap_err();
        assert_eq!((error.sqlstate(), out.as_ref()), ("XX001", &b"before"[..]));
    }

    fn expected(values: &[Datum], columns: &[OutputColumn], format: &SessionFormat) -> Vec<u8> {
        let mut body = Vec::new();
        for (value, column) in values.iter().zip(columns) {
            let bytes = match (value, column.format) {
                (Datum::Null, _) => {
                    body.extend((-1i32).to_be_bytes());
                    continue;
                }
                (value, Format::Text) => text_out(column.pg_type, value, format)
                    .unwrap()
                    .into_bytes(),
                (value, Format::Binary) => {
                    let mut out = Vec::new();
                    write_binary(column.pg_type, value, &mut out);
                    out
                }
            };
            body.extend((bytes.len() as i32).to_be_bytes());
            body.extend(bytes);
        }
        let mut out = vec![b'D'];
        out.extend((body.len() as i32 + 6).to_be_bytes());
        out.extend((columns.len() as i16).to_be_bytes());
        out.extend(body);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn all_three_ways_give_the_same_bytes((types, values) in typed_row(6), binary in any::<u8>()) {
            let format = SessionFormat {
                time_zone: crate::types::TimeZone::from_name("Europe/Berlin").unwrap(),
                now: 0,
                styles: Styles {
                    date: [DateStyle::Iso, DateStyle::Sql, DateStyle::Postgres, DateStyle::German][usize::from(binary & 3)],
                    order: [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd][usize::from(binary % 3)],
                    interval: [IntervalStyle::Postgres, IntervalStyle::Iso8601][usize::from(binary >> 2 & 1)],
                    bytea_escape: binary >> 3 & 1 == 1,
                    float_digits: i8::try_from(binary >> 4 & 3).unwrap(),
                },
            };
            let columns: Vec<OutputColumn> = types.iter().enumerate().map(|(i, ty)| OutputColumn {
                pg_type: *ty,
                format: if binary >> i & 1 == 1 { Format::Binary } else { Format::Text },
            }).collect();
            let wanted = expected(&values, &columns, &format);

            let mut out = BytesMut::new();
            encode_row_from_datums(&values, &columns, &format, &mut out).unwrap();
            prop_assert_eq!(out.as_ref(), wanted.as_slice());

            let layout = RowLayout::new(&types).unwrap();
            let row = layout.encode(&values).unwrap();
            let picked: Vec<_> = columns.iter().copied().enumerate().collect();
            out.clear();
            encode_row_from_rowview(&layout.view(&row).unwrap(), &picked, &format, &mut out).unwrap();
            prop_assert_eq!(out.as_ref(), wanted.as_slice());

            let mut arrays = Vec::new();
            for (ty, value) in types.iter().zip(&values) {
                let mut appender = ColumnAppender::new(*ty, 1);
                // Arrow holds less than we do: see arrow_build.
                let bare = ty.element().unwrap_or(*ty) == PgType::Numeric(None);
                if bare || appender.append_datum(value).is_err() {
                    return Ok(());
                }
                arrays.push(appender.finish());
            }
            let fields: Vec<_> = types.iter().map(|ty| arrow_field("c", *ty, true)).collect();
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
            out.clear();
            encode_row_from_batch(&batch, 0, &columns, &format, &mut out).unwrap();
            prop_assert_eq!(out.as_ref(), wanted.as_slice());
        }
    }
}
