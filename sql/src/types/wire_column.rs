//! Writers of one column of a batch: the Arrow type is looked at once, not
//! for every cell.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringViewArray,
};
use arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use bytes::{BufMut, BytesMut};

use crate::error::SqlResult;
use crate::types::arrow_map::{canonical, date_from_arrow, timestamp_from_arrow};
use crate::types::arrow_read::canonical_datum;
use crate::types::datetime_out;
use crate::types::float_text;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;
use crate::types::text_out::write_integer;
use crate::types::wire_encode::{Format, OutputColumn, field, write_datum};

/// Appends length and bytes of the cell at a row.
pub(crate) type CellWriter = Box<dyn Fn(usize, &mut BytesMut) -> SqlResult<()> + Send + Sync>;

/// The writer of a column.
pub(crate) fn cell_writer(
    array: &ArrayRef,
    column: OutputColumn,
    format: &SessionFormat,
) -> SqlResult<CellWriter> {
    let array = canonical(array, column.pg_type)?;
    Ok(special_writer(&array, column, format)
        .unwrap_or_else(|| general_writer(array, column, *format)))
}

/// Writers of the common types. `None` when there is none for the column.
fn special_writer(
    array: &ArrayRef,
    column: OutputColumn,
    format: &SessionFormat,
) -> Option<CellWriter> {
    use Format::{Binary, Text};
    let (zone, styles) = (format.time_zone, format.styles);
    Some(match (column.pg_type.plain(), column.format) {
        // PostgreSQL sends an empty text, not NULL.
        (PgType::Void, _) => Box::new(|_, out| {
            out.put_i32(0);
            Ok(())
        }),
        (PgType::Bool, Text) => boolean(array.as_boolean_opt()?.clone()),
        (PgType::Int2, Text) => primitive::<Int16Type>(array, write_integer)?,
        (PgType::Int4, Text) => primitive::<Int32Type>(array, write_integer)?,
        (PgType::Int8, Text) => primitive::<Int64Type>(array, write_integer)?,
        (PgType::Int2, Binary) => primitive::<Int16Type>(array, |v, out| out.put_i16(v))?,
        (PgType::Int4, Binary) => primitive::<Int32Type>(array, |v, out| out.put_i32(v))?,
        (PgType::Int8, Binary) => primitive::<Int64Type>(array, |v, out| out.put_i64(v))?,
        (PgType::Float4, Text) => primitive::<Float32Type>(array, move |v, out| {
            float_text::write_f32_digits(v, styles.float_digits, out);
        })?,
        (PgType::Float8, Text) => primitive::<Float64Type>(array, move |v, out| {
            float_text::write_f64_digits(v, styles.float_digits, out);
        })?,
        (PgType::Float4, Binary) => primitive::<Float32Type>(array, |v, out| out.put_f32(v))?,
        (PgType::Float8, Binary) => primitive::<Float64Type>(array, |v, out| out.put_f64(v))?,
        (PgType::Date, Text) => fallible::<Date32Type>(array, move |v, out| {
            datetime_out::write_date(date_from_arrow(v)?, &styles, out);
            Ok(())
        })?,
        (PgType::Timestamp, Text) => fallible::<TimestampMicrosecondType>(array, move |v, out| {
            datetime_out::write_timestamp(timestamp_from_arrow(v)?, &styles, out);
            Ok(())
        })?,
        (PgType::Timestamptz, Text) => {
            fallible::<TimestampMicrosecondType>(array, move |v, out| {
                datetime_out::write_timestamptz(timestamp_from_arrow(v)?, &zone, &styles, out);
                Ok(())
            })?
        }
        (PgType::Timestamp | PgType::Timestamptz, Binary) => {
            fallible::<TimestampMicrosecondType>(array, |v, out| {
                out.put_i64(timestamp_from_arrow(v)?);
                Ok(())
            })?
        }
        (PgType::Text | PgType::Varchar(_) | PgType::Name | PgType::Unknown | PgType::Json, _)
        | (PgType::Jsonb | PgType::Uuid | PgType::InternalChar, Text) => {
            text(array.as_string_view_opt()?.clone())
        }
        _ => return None,
    })
}

fn primitive<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut BytesMut) + Send + Sync + 'static,
) -> Option<CellWriter> {
    fallible::<T>(array, move |value, out| {
        write(value, out);
        Ok(())
    })
}

fn fallible<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut BytesMut) -> SqlResult<()> + Send + Sync + 'static,
) -> Option<CellWriter> {
    let array: PrimitiveArray<T> = array.as_primitive_opt::<T>()?.clone();
    Some(Box::new(move |row, out| {
        if array.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let value = array.value(row);
        field(out, |out| write(value, out))
    }))
}

fn boolean(array: BooleanArray) -> CellWriter {
    Box::new(move |row, out| {
        if array.is_null(row) {
            out.put_i32(-1);
        } else {
            out.put_i32(1);
            out.put_u8(if array.value(row) { b't' } else { b'f' });
        }
        Ok(())
    })
}

fn text(array: StringViewArray) -> CellWriter {
    Box::new(move |row, out| {
        if array.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let value = array.value(row);
        field(out, |out| {
            out.put_slice(value.as_bytes());
            Ok(())
        })
    })
}

/// The writer of any column, value by value.
fn general_writer(array: ArrayRef, column: OutputColumn, format: SessionFormat) -> CellWriter {
    Box::new(move |row, out| {
        if array.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let value = canonical_datum(&array, row, column.pg_type)?;
        if value.is_null() {
            out.put_i32(-1);
            return Ok(());
        }
        field(out, |out| {
            write_datum(column, &value, &format, out);
            Ok(())
        })
    })
}
