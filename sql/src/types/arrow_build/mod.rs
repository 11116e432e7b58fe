//! Stored rows into Arrow columns.

mod decimal;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Decimal256Builder, Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, LargeBinaryBuilder, NullArray, StringViewBuilder,
    Time64MicrosecondBuilder, Time64NanosecondBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow::datatypes::DataType;

use crate::error::{SqlError, SqlResult, state};
use crate::types::array::{ArrayValue, image};
use crate::types::arrow_map::{arrow_type, date_to_arrow, interval_to_arrow, timestamp_to_arrow};
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::numeric::wide;
use crate::types::pg_type::PgType;
use crate::types::row::RowView;
use crate::types::text_out::write_uuid;
use decimal::{decimal128, decimal256};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 8192;

/// Builds the Arrow array of one column, value by value.
#[derive(Debug)]
pub struct ColumnAppender {
    ty: PgType,
    builder: Builder,
}

#[derive(Debug)]
enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Oid(UInt32Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder, u16),
    Decimal256(Decimal256Builder, u16),
    /// Numerics in wide form, and room to make one.
    Wide(LargeBinaryBuilder, Vec<u8>),
    Text(StringViewBuilder),
    Uuid(StringViewBuilder),
    Binary(BinaryViewBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Array(BinaryViewBuilder),
    Record(BinaryViewBuilder),
    Enum(Time64NanosecondBuilder),
    Null(usize),
}

impl ColumnAppender {
    /// A builder for a column of this type, with room for `capacity` values.
    pub fn new(ty: PgType, capacity: usize) -> ColumnAppender {
        let ty = ty.base();
        let builder = match (ty, arrow_type(ty)) {
            (_, DataType::Boolean) => Builder::Bool(BooleanBuilder::with_capacity(capacity)),
            (_, DataType::Int16) => Builder::Int16(Int16Builder::with_capacity(capacity)),
            (_, DataType::Int32) => Builder::Int32(Int32Builder::with_capacity(capacity)),
            (_, DataType::Int64) => Builder::Int64(Int64Builder::with_capacity(capacity)),
            (_, DataType::UInt32) => Builder::Oid(UInt32Builder::with_capacity(capacity)),
            (_, DataType::Float32) => Builder::Float32(Float32Builder::with_capacity(capacity)),
            (_, DataType::Float64) => Builder::Float64(Float64Builder::with_capacity(capacity)),
            (_, DataType::Decimal128(p, s)) => Builder::Decimal128(
                Decimal128Builder::with_capacity(capacity)
                    .with_data_type(DataType::Decimal128(p, s)),
                u16::try_from(s).unwrap_or(0),
            ),
            (_, DataType::Decimal256(p, s)) => Builder::Decimal256(
                Decimal256Builder::with_capacity(capacity)
                    .with_data_type(DataType::Decimal256(p, s)),
                u16::try_from(s).unwrap_or(0),
            ),
            (_, DataType::LargeBinary) => {
                Builder::Wide(LargeBinaryBuilder::with_capacity(capacity, 0), Vec::new())
            }
            (PgType::Array(_) | PgType::Int2Vector | PgType::OidVector, _) => {
                Builder::Array(BinaryViewBuilder::with_capacity(capacity))
            }
            (PgType::Composite(_), _) => {
                Builder::Record(BinaryViewBuilder::with_capacity(capacity))
            }
            (PgType::Enum(_), _) => Builder::Enum(Time64NanosecondBuilder::with_capacity(capacity)),
            (PgType::Uuid, _) => Builder::Uuid(StringViewBuilder::with_capacity(capacity)),
            (_, DataType::BinaryView) => {
                Builder::Binary(BinaryViewBuilder::with_capacity(capacity))
            }
            (_, DataType::Date32) => Builder::Date(Date32Builder::with_capacity(capacity)),
            (_, DataType::Time64(_)) => {
                Builder::Time(Time64MicrosecondBuilder::with_capacity(capacity))
            }
            (_, data_type @ DataType::Timestamp(..)) => Builder::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(capacity).with_data_type(data_type),
            ),
            (_, DataType::Interval(_)) => {
                Builder::Interval(IntervalMonthDayNanoBuilder::with_capacity(capacity))
            }
            (_, DataType::Null) => Builder::Null(0),
            _ => Builder::Text(StringViewBuilder::with_capacity(capacity)),
        };
        ColumnAppender { ty, builder }
    }

    /// The type of the column.
    pub fn pg_type(&self) -> PgType {
        self.ty
    }

    /// Appends column `index` of a stored row.
    #[inline]
    pub fn append(&mut self, row: &RowView<'_>, index: usize) -> SqlResult<()> {
        match row.cell(index)? {
            Some(bytes) => self.append_cell(bytes),
            None => {
                self.append_null();
                Ok(())
            }
        }
    }

    /// Appends a value in its stored form (see [`crate::types::cell`]).
    pub fn append_cell(&mut self, bytes: &[u8]) -> SqlResult<()> {
        match &mut self.builder {
            Builder::Bool(b) => b.append_value(cell::boolean(bytes)?),
            Builder::Int16(b) => b.append_value(i16::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Int32(b) => b.append_value(i32::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Int64(b) => b.append_value(i64::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Oid(b) => b.append_value(u32::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Float32(b) => b.append_value(f32::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Float64(b) => b.append_value(f64::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Wide(b, room) => {
                room.clear();
                cell::append_wide(bytes, room)?;
                b.append_value(room);
            }
            Builder::Text(b) => b
                .try_append_value(cell::text(bytes)?)
                .map_err(|error| too_big(&error))?,
            Builder::Enum(b) => b.append_value(i64::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Binary(b) | Builder::Array(b) | Builder::Record(b) => {
                b.try_append_value(bytes).map_err(|error| too_big(&error))?
            }
            Builder::Date(b) => {
                b.append_value(date_to_arrow(i32::from_le_bytes(cell::fixed(bytes)?))?);
            }
            Builder::Time(b) => b.append_value(i64::from_le_bytes(cell::fixed(bytes)?)),
            Builder::Timestamp(b) => {
                b.append_value(timestamp_to_arrow(i64::from_le_bytes(cell::fixed(bytes)?))?);
            }
            _ => return self.append_datum(&cell::decode(self.ty, bytes)?),
        }
        Ok(())
    }

    /// Appends a value. It must have the column's type; XX000 otherwise.
    pub fn append_datum(&mut self, value: &Datum) -> SqlResult<()> {
        match (&mut self.builder, value) {
            (_, Datum::Null) => self.append_null(),
            (Builder::Bool(b), Datum::Bool(v)) => b.append_value(*v),
            (Builder::Int16(b), Datum::Int2(v)) => b.append_value(*v),
            (Builder::Int32(b), Datum::Int4(v)) => b.append_value(*v),
            (Builder::Int64(b), Datum::Int8(v)) => b.append_value(*v),
            (Builder::Oid(b), Datum::Oid(v)) => b.append_value(*v),
            (Builder::Float32(b), Datum::Float4(v)) => b.append_value(*v),
            (Builder::Float64(b), Datum::Float8(v)) => b.append_value(*v),
            (Builder::Decimal128(b, scale), Datum::Numeric(v)) => {
                b.append_value(decimal128(v, *scale)?);
            }
            (Builder::Decimal256(b, scale), Datum::Numeric(v)) => {
                b.append_value(decimal256(v, *scale)?);
            }
            (Builder::Wide(b, room), Datum::Numeric(v)) => {
                room.clear();
                wide::encode(v, room);
                b.append_value(room);
            }
            (Builder::Uuid(b), Datum::Uuid(v)) => {
                let mut text = Vec::with_capacity(36);
                write_uuid(v, &mut text);
                b.append_value(cell::text(&text)?);
            }
            (Builder::Text(b), value) if value.as_str().is_some() => b
                .try_append_value(value.as_str().unwrap_or_default())
                .map_err(|error| too_big(&error))?,
            (Builder::Binary(b), Datum::Bytea(v)) => {
                b.try_append_value(v).map_err(|error| too_big(&error))?;
            }
            (Builder::Text(b), Datum::Jsonpath(v)) => {
                b.try_append_value(v).map_err(|error| too_big(&error))?;
            }
            (Builder::Binary(b), Datum::Bits(v)) => b
                .try_append_value(v.image())
                .map_err(|error| too_big(&error))?,
            (Builder::Binary(b), Datum::Timetz(v)) => b
                .try_append_value(v.image())
                .map_err(|error| too_big(&error))?,
            (Builder::Date(b), Datum::Date(v)) => b.append_value(date_to_arrow(*v)?),
            (Builder::Time(b), Datum::Time(v)) => b.append_value(*v),
            (Builder::Timestamp(b), Datum::Timestamp(v) | Datum::Timestamptz(v)) => {
                b.append_value(timestamp_to_arrow(*v)?);
            }
            (Builder::Interval(b), Datum::Interval(v)) => b.append_value(interval_to_arrow(*v)?),
            (Builder::Array(b), Datum::Array(v)) => {
                let image = match self.ty {
                    PgType::Int2Vector | PgType::OidVector => {
                        image::image(&ArrayValue::vector(v.element, v.values.clone()))?
                    }
                    _ => image::image(v)?,
                };
                b.try_append_value(image).map_err(|error| too_big(&error))?;
            }
            (Builder::Enum(b), Datum::Enum(v)) => b.append_value(v.position),
            (Builder::Record(b), Datum::Record(v)) => b
                .try_append_value(v.image()?)
                .map_err(|error| too_big(&error))?,
            (_, value) => {
                return Err(SqlError::internal(format!(
                    "value of type {:?} in a column of type {}",
                    value.natural_type(),
                    self.ty.sql_name()
                )));
            }
        }
        Ok(())
    }

    /// Appends NULL.
    pub fn append_null(&mut self) {
        match &mut self.builder {
            Builder::Bool(b) => b.append_null(),
            Builder::Int16(b) => b.append_null(),
            Builder::Int32(b) => b.append_null(),
            Builder::Int64(b) => b.append_null(),
            Builder::Oid(b) => b.append_null(),
            Builder::Float32(b) => b.append_null(),
            Builder::Float64(b) => b.append_null(),
            Builder::Decimal128(b, _) => b.append_null(),
            Builder::Decimal256(b, _) => b.append_null(),
            Builder::Wide(b, _) => b.append_null(),
            Builder::Text(b) | Builder::Uuid(b) => b.append_null(),
            Builder::Binary(b) | Builder::Array(b) | Builder::Record(b) => b.append_null(),
            Builder::Enum(b) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::Time(b) => b.append_null(),
            Builder::Timestamp(b) => b.append_null(),
            Builder::Interval(b) => b.append_null(),
            Builder::Null(count) => *count += 1,
        }
    }

    /// The array of everything appended; the builder is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Bool(b) => Arc::new(b.finish()),
            Builder::Int16(b) => Arc::new(b.finish()),
            Builder::Int32(b) => Arc::new(b.finish()),
            Builder::Int64(b) => Arc::new(b.finish()),
            Builder::Oid(b) => Arc::new(b.finish()),
            Builder::Float32(b) => Arc::new(b.finish()),
            Builder::Float64(b) => Arc::new(b.finish()),
            Builder::Decimal128(b, _) => Arc::new(b.finish()),
            Builder::Decimal256(b, _) => Arc::new(b.finish()),
            Builder::Wide(b, _) => Arc::new(b.finish()),
            Builder::Text(b) | Builder::Uuid(b) => Arc::new(b.finish()),
            Builder::Binary(b) | Builder::Array(b) | Builder::Record(b) => Arc::new(b.finish()),
            Builder::Enum(b) => Arc::new(b.finish()),
            Builder::Date(b) => Arc::new(b.finish()),
            Builder::Time(b) => Arc::new(b.finish()),
            Builder::Timestamp(b) => Arc::new(b.finish()),
            Builder::Interval(b) => Arc::new(b.finish()),
            Builder::Null(count) => Arc::new(NullArray::new(std::mem::take(count))),
        }
    }
}

#[cold]
fn too_big(error: &arrow::error::ArrowError) -> SqlError {
    SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "batch is too big")
        .with_internal(error.to_string())
}
