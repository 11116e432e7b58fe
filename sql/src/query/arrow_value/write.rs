//! A value as an Arrow scalar or array.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{ArrayRef, LargeBinaryBuilder, ListArray, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, i256};
use bigdecimal::num_bigint::BigInt;
use datafusion::common::ScalarValue;

use super::super::error::{from_arrow, from_datafusion};
use crate::error::{SqlError, state};
use crate::types::array::image;
use crate::types::arrow_map::{arrow_type, date_to_arrow, timestamp_to_arrow};
use crate::types::numeric::wide;
use crate::types::{ArrayValue, Datum, Numeric, PgType};

/// Digits of a Decimal128.
const DECIMAL128_DIGITS: u8 = 38;

/// The Arrow type for a value of type `ty`: for `numeric` without precision, the
/// one that holds this value exactly.
fn arrow_type_for(value: &Datum, ty: PgType) -> DataType {
    match (value, ty) {
        (Datum::Numeric(n), PgType::Numeric(None)) => {
            let digits = n.digit_count().max(n.scale().into()).max(1);
            match (u8::try_from(digits), i8::try_from(n.scale())) {
                (Ok(digits), Ok(scale)) if n.is_finite() && digits <= DECIMAL128_DIGITS => {
                    DataType::Decimal128(digits, scale)
                }
                _ => DataType::LargeBinary,
            }
        }
        (_, PgType::Unknown | PgType::Void) => DataType::Utf8View,
        _ => arrow_type(ty),
    }
}

/// A value as DataFusion's scalar of type `ty`.
///
/// # Errors
/// 22003 for a numeric that Arrow cannot hold; XX000 for a value of another type.
pub(in crate::query) fn scalar_of_datum(
    value: &Datum,
    ty: PgType,
) -> Result<ScalarValue, SqlError> {
    scalar_as(value, &arrow_type_for(value, ty))
}

/// A value as a scalar of the given Arrow type.
///
/// # Errors
/// As [`scalar_of_datum`].
pub(in crate::query) fn scalar_as(value: &Datum, ty: &DataType) -> Result<ScalarValue, SqlError> {
    let mismatch = || SqlError::internal(format!("value does not fit Arrow type {ty}"));
    Ok(match (value, ty) {
        (Datum::Null, ty) => ScalarValue::try_from(ty).map_err(from_datafusion)?,
        (Datum::Bool(v), _) => ScalarValue::Boolean(Some(*v)),
        (Datum::Int2(v), _) => ScalarValue::Int16(Some(*v)),
        (Datum::Int4(v), _) => ScalarValue::Int32(Some(*v)),
        (Datum::Int8(v), _) => ScalarValue::Int64(Some(*v)),
        (Datum::Oid(v), DataType::UInt32) => ScalarValue::UInt32(Some(*v)),
        (Datum::Oid(v), DataType::Int64) => ScalarValue::Int64(Some(i64::from(*v))),
        (Datum::Float4(v), _) => ScalarValue::Float32(Some(*v)),
        (Datum::Float8(v), _) => ScalarValue::Float64(Some(*v)),
        (Datum::Numeric(v), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(unscaled128(v, *scale)?), *precision, *scale)
        }
        (Datum::Numeric(v), DataType::LargeBinary) => {
            ScalarValue::LargeBinary(Some(wide::bytes(v)))
        }
        (Datum::Numeric(v), DataType::Decimal256(precision, scale)) => {
            ScalarValue::Decimal256(Some(unscaled256(v, *scale)?), *precision, *scale)
        }
        (Datum::Text(v) | Datum::Json(v) | Datum::Jsonb(v) | Datum::Jsonpath(v), _) => {
            ScalarValue::Utf8View(Some(v.clone()))
        }
        (Datum::Uuid(v), _) => {
            ScalarValue::Utf8View(Some(uuid::Uuid::from_bytes(*v).as_hyphenated().to_string()))
        }
        (Datum::Bytea(v), _) => ScalarValue::BinaryView(Some(v.clone())),
        (Datum::Bits(v), _) => ScalarValue::BinaryView(Some(v.image())),
        (Datum::Timetz(v), _) => ScalarValue::BinaryView(Some(v.image().to_vec())),
        (Datum::Date(v), _) => ScalarValue::Date32(Some(date_to_arrow(*v)?)),
        (Datum::Time(v), _) => ScalarValue::Time64Microsecond(Some(*v)),
        (Datum::Timestamp(v), _) => {
            ScalarValue::TimestampMicrosecond(Some(timestamp_to_arrow(*v)?), None)
        }
        (Datum::Timestamptz(v), _) => {
            ScalarValue::TimestampMicrosecond(Some(timestamp_to_arrow(*v)?), Some("UTC".into()))
        }
        (Datum::Interval(v), _) => {
            let nanoseconds = v.micros.checked_mul(1_000).ok_or_else(|| {
                SqlError::new(state::INTERVAL_FIELD_OVERFLOW, "interval out of range")
            })?;
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
                v.months,
                v.days,
                nanoseconds,
            )))
        }
        (Datum::Array(array), DataType::List(field)) => list_scalar(array, field)?,
        (Datum::Array(array), _) => ScalarValue::BinaryView(Some(image::image(array)?)),
        (Datum::Enum(v), _) => ScalarValue::Time64Nanosecond(Some(v.position)),
        (Datum::Record(v), _) => ScalarValue::BinaryView(Some(v.image()?)),
        _ => return Err(mismatch()),
    })
}

fn too_wide() -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        "numeric value needs more digits than queries can compute with",
    )
}

/// The digits of a numeric at `scale`, rounded half away from zero.
fn unscaled_at(value: &Numeric, scale: i8) -> Result<BigInt, SqlError> {
    let scale = u16::try_from(scale).unwrap_or(0);
    value.rescale(scale).unscaled().ok_or_else(|| {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            "NaN and infinite numeric values are not supported in queries",
        )
    })
}

fn unscaled128(value: &Numeric, scale: i8) -> Result<i128, SqlError> {
    i128::try_from(unscaled_at(value, scale)?).map_err(|_| too_wide())
}

fn unscaled256(value: &Numeric, scale: i8) -> Result<i256, SqlError> {
    let bytes = unscaled_at(value, scale)?.to_signed_bytes_le();
    if bytes.len() > 32 {
        return Err(too_wide());
    }
    let sign = match bytes.last() {
        Some(last) if *last >= 0x80 => 0xff,
        _ => 0,
    };
    let mut wide = [sign; 32];
    for (to, from) in wide.iter_mut().zip(&bytes) {
        *to = *from;
    }
    Ok(i256::from_le_bytes(wide))
}

fn list_scalar(array: &ArrayValue, field: &Arc<Field>) -> Result<ScalarValue, SqlError> {
    let values = array_of(&array.values, field.data_type())?;
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(Arc::clone(field), offsets, values, None).map_err(from_arrow)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// Values as an Arrow array of the given type.
///
/// # Errors
/// As [`scalar_of_datum`].
pub(in crate::query) fn array_of(values: &[Datum], ty: &DataType) -> Result<ArrayRef, SqlError> {
    array_of_refs(values.iter(), ty)
}

/// As [`array_of`], of values that are in several places.
///
/// # Errors
/// As [`scalar_of_datum`].
pub(in crate::query) fn array_of_refs<'a>(
    values: impl ExactSizeIterator<Item = &'a Datum>,
    ty: &DataType,
) -> Result<ArrayRef, SqlError> {
    if values.len() == 0 {
        return Ok(new_null_array(ty, 0));
    }
    if *ty == DataType::LargeBinary {
        return wides(values);
    }
    let scalars = values
        .map(|value| scalar_as(value, ty))
        .collect::<Result<Vec<_>, _>>()?;
    ScalarValue::iter_to_array(scalars).map_err(from_datafusion)
}

/// Numerics in wide form.
fn wides<'a>(values: impl ExactSizeIterator<Item = &'a Datum>) -> Result<ArrayRef, SqlError> {
    let mut out = LargeBinaryBuilder::with_capacity(values.len(), values.len() * 16);
    let mut room = Vec::new();
    for value in values {
        match value {
            Datum::Null => out.append_null(),
            Datum::Numeric(value) => {
                room.clear();
                wide::encode(value, &mut room);
                out.append_value(&room);
            }
            _ => return Err(SqlError::internal("a numeric column gets another value")),
        }
    }
    Ok(Arc::new(out.finish()))
}
