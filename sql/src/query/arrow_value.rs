//! Single values between Arrow and [`Datum`].

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{Array, ArrayRef, AsArray, ListArray, new_null_array};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type, i256,
};
use bigdecimal::num_bigint::BigInt;
use datafusion::common::ScalarValue;

use super::error::{from_arrow, from_datafusion};
use crate::error::{SqlError, state};
use crate::types::datum::{
    DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
};
use crate::types::{ArrayValue, Datum, Interval, Numeric, PgType, arrow_map};

/// Days from 1970-01-01 (Arrow) to 2000-01-01 (PostgreSQL).
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// Digits of a Decimal128.
const DECIMAL128_DIGITS: u8 = 38;
/// Digits of a Decimal256.
const DECIMAL256_DIGITS: u8 = 76;

/// The value at `row` of an Arrow array that holds values of type `ty`.
///
/// # Errors
/// XX000 when the array does not hold such values.
pub fn datum_at(array: &dyn Array, row: usize, ty: PgType) -> Result<Datum, SqlError> {
    if row >= array.len() {
        return Err(SqlError::internal("row out of range"));
    }
    if array.is_null(row) {
        return Ok(Datum::Null);
    }
    let datum = match array.data_type() {
        DataType::Null => Datum::Null,
        DataType::Boolean => Datum::Bool(array.as_boolean().value(row)),
        DataType::Int8 => integer(i64::from(array.as_primitive::<Int8Type>().value(row)), ty)?,
        DataType::Int16 => integer(i64::from(array.as_primitive::<Int16Type>().value(row)), ty)?,
        DataType::Int32 => integer(i64::from(array.as_primitive::<Int32Type>().value(row)), ty)?,
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row), ty)?,
        DataType::UInt8 => integer(i64::from(array.as_primitive::<UInt8Type>().value(row)), ty)?,
        DataType::UInt16 => integer(i64::from(array.as_primitive::<UInt16Type>().value(row)), ty)?,
        DataType::UInt32 => integer(i64::from(array.as_primitive::<UInt32Type>().value(row)), ty)?,
        DataType::UInt64 => {
            let value =
                i64::try_from(array.as_primitive::<UInt64Type>().value(row)).map_err(|_| {
                    SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
                })?;
            integer(value, ty)?
        }
        DataType::Float32 => Datum::Float4(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Datum::Float8(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            decimal128(array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        DataType::Decimal256(_, scale) => {
            decimal256(array.as_primitive::<Decimal256Type>().value(row), *scale)
        }
        DataType::Utf8 => text(array.as_string::<i32>().value(row), ty)?,
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), ty)?,
        DataType::Utf8View => text(array.as_string_view().value(row), ty)?,
        DataType::Binary => Datum::Bytea(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Datum::Bytea(array.as_binary::<i64>().value(row).to_vec()),
        DataType::BinaryView => Datum::Bytea(array.as_binary_view().value(row).to_vec()),
        DataType::Date32 => Datum::Date(date_from_arrow(
            array.as_primitive::<Date32Type>().value(row),
        )),
        DataType::Time64(TimeUnit::Microsecond) => {
            Datum::Time(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Datum::Time(array.as_primitive::<Time64NanosecondType>().value(row) / 1_000)
        }
        DataType::Timestamp(unit, zone) => {
            let micros = timestamp_micros(array, row, *unit)?;
            match zone {
                Some(_) => Datum::Timestamptz(micros),
                None => Datum::Timestamp(micros),
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            interval(array.as_primitive::<IntervalMonthDayNanoType>().value(row))
        }
        DataType::List(_) => list(array.as_list::<i32>(), row, ty)?,
        other => {
            return Err(SqlError::internal(format!(
                "no value of Arrow type {other}"
            )));
        }
    };
    Ok(datum)
}

fn integer(value: i64, ty: PgType) -> Result<Datum, SqlError> {
    let range = |name: &str| {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{name} out of range"),
        )
    };
    Ok(match ty {
        PgType::Int2 => Datum::Int2(i16::try_from(value).map_err(|_| range("smallint"))?),
        PgType::Int4 => Datum::Int4(i32::try_from(value).map_err(|_| range("integer"))?),
        PgType::Oid => Datum::Oid(u32::try_from(value).map_err(|_| range("OID"))?),
        PgType::Numeric(_) => Datum::Numeric(Numeric::from_i128(i128::from(value), 0)),
        _ => Datum::Int8(value),
    })
}

fn decimal128(value: i128, scale: i8) -> Datum {
    Datum::Numeric(match u16::try_from(scale) {
        Ok(scale) => Numeric::from_i128(value, scale),
        Err(_) => Numeric::from_bigint(
            BigInt::from(value) * BigInt::from(10).pow(u32::from(scale.unsigned_abs())),
            0,
        ),
    })
}

fn decimal256(value: i256, scale: i8) -> Datum {
    let unscaled = BigInt::from_signed_bytes_le(&value.to_le_bytes());
    Datum::Numeric(match u16::try_from(scale) {
        Ok(scale) => Numeric::from_bigint(unscaled, scale),
        Err(_) => Numeric::from_bigint(
            unscaled * BigInt::from(10).pow(u32::from(scale.unsigned_abs())),
            0,
        ),
    })
}

fn text(value: &str, ty: PgType) -> Result<Datum, SqlError> {
    Ok(match ty {
        PgType::Json => Datum::Json(value.to_owned()),
        PgType::Jsonb => Datum::Jsonb(value.to_owned()),
        PgType::Uuid => Datum::Uuid(
            *uuid::Uuid::parse_str(value)
                .map_err(|_| SqlError::internal("a uuid column holds no uuid"))?
                .as_bytes(),
        ),
        _ => Datum::Text(value.to_owned()),
    })
}

fn date_from_arrow(days: i32) -> i32 {
    match days {
        DATE_INFINITY | DATE_NEG_INFINITY => days,
        _ => days.saturating_sub(EPOCH_DAYS),
    }
}

fn timestamp_micros(array: &dyn Array, row: usize, unit: TimeUnit) -> Result<i64, SqlError> {
    let overflow = || SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range");
    let micros = match unit {
        TimeUnit::Microsecond => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            if value == TIMESTAMP_INFINITY || value == TIMESTAMP_NEG_INFINITY {
                return Ok(value);
            }
            value
        }
        TimeUnit::Nanosecond => array
            .as_primitive::<TimestampNanosecondType>()
            .value(row)
            .div_euclid(1_000),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .value(row)
            .checked_mul(1_000)
            .ok_or_else(overflow)?,
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .value(row)
            .checked_mul(1_000_000)
            .ok_or_else(overflow)?,
    };
    micros.checked_sub(EPOCH_MICROS).ok_or_else(overflow)
}

fn interval(value: IntervalMonthDayNano) -> Datum {
    Datum::Interval(Interval {
        months: value.months,
        days: value.days,
        micros: value.nanoseconds / 1_000,
    })
}

fn list(array: &ListArray, row: usize, ty: PgType) -> Result<Datum, SqlError> {
    let values = array.value(row);
    let element = ty
        .element()
        .unwrap_or_else(|| type_of_arrow(values.data_type()));
    let values = (0..values.len())
        .map(|i| datum_at(values.as_ref(), i, element))
        .collect::<Result<_, _>>()?;
    Ok(Datum::Array(Box::new(ArrayValue { element, values })))
}

/// The type of Arrow values that nothing else is known about.
pub(super) fn type_of_arrow(ty: &DataType) -> PgType {
    match ty {
        DataType::Boolean => PgType::Bool,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => PgType::Int2,
        DataType::UInt16 | DataType::Int32 => PgType::Int4,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => PgType::Int8,
        DataType::Float16 | DataType::Float32 => PgType::Float4,
        DataType::Float64 => PgType::Float8,
        DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..) => PgType::Numeric(None),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => PgType::Bytea,
        DataType::Date32 | DataType::Date64 => PgType::Date,
        DataType::Time32(_) | DataType::Time64(_) => PgType::Time,
        DataType::Timestamp(_, Some(_)) => PgType::Timestamptz,
        DataType::Timestamp(_, None) => PgType::Timestamp,
        DataType::Interval(_) | DataType::Duration(_) => PgType::Interval,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            PgType::array_of(type_of_arrow(field.data_type())).unwrap_or(PgType::Text)
        }
        DataType::Null => PgType::Unknown,
        _ => PgType::Text,
    }
}

/// The value of a scalar that has type `ty`.
///
/// # Errors
/// XX000 when the scalar is of another kind.
pub(super) fn datum_of_scalar(scalar: &ScalarValue, ty: PgType) -> Result<Datum, SqlError> {
    if scalar.is_null() {
        return Ok(Datum::Null);
    }
    let array = scalar.to_array().map_err(from_datafusion)?;
    let value = datum_at(array.as_ref(), 0, ty)?;
    match (value, ty) {
        (Datum::Numeric(n), PgType::Numeric(Some((precision, scale)))) => {
            Ok(Datum::Numeric(exact_scale(n, precision, scale)))
        }
        (value, _) => Ok(value),
    }
}

/// A numeric at the scale its column stores, when that loses nothing.
fn exact_scale(value: Numeric, _precision: u8, scale: i8) -> Numeric {
    let Ok(scale) = u16::try_from(scale) else {
        return value;
    };
    let rescaled = value.rescale(scale);
    if rescaled == value { rescaled } else { value }
}

/// The Arrow type for a value of type `ty`: for `numeric` without precision, the
/// one that holds this value exactly.
fn arrow_type_for(value: &Datum, ty: PgType) -> DataType {
    match (value, ty) {
        (Datum::Numeric(n), PgType::Numeric(None)) => {
            let scale = i8::try_from(n.scale()).unwrap_or(i8::MAX);
            if n.digit_count().max(n.scale().into()) <= DECIMAL128_DIGITS.into() {
                DataType::Decimal128(DECIMAL128_DIGITS, scale)
            } else {
                DataType::Decimal256(DECIMAL256_DIGITS, scale)
            }
        }
        (_, PgType::Unknown | PgType::Void) => DataType::Utf8View,
        _ => arrow_map::arrow_type(ty),
    }
}

/// A value as DataFusion's scalar of type `ty`.
///
/// # Errors
/// 22003 for a numeric that Arrow cannot hold; XX000 for a value of another type.
pub(super) fn scalar_of_datum(value: &Datum, ty: PgType) -> Result<ScalarValue, SqlError> {
    scalar_as(value, &arrow_type_for(value, ty))
}

/// A value as a scalar of the given Arrow type.
///
/// # Errors
/// As [`scalar_of_datum`].
pub(super) fn scalar_as(value: &Datum, ty: &DataType) -> Result<ScalarValue, SqlError> {
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
        (Datum::Numeric(v), DataType::Decimal256(precision, scale)) => {
            ScalarValue::Decimal256(Some(unscaled256(v, *scale)?), *precision, *scale)
        }
        (Datum::Text(v) | Datum::Json(v) | Datum::Jsonb(v), _) => {
            ScalarValue::Utf8View(Some(v.clone()))
        }
        (Datum::Uuid(v), _) => {
            ScalarValue::Utf8View(Some(uuid::Uuid::from_bytes(*v).as_hyphenated().to_string()))
        }
        (Datum::Bytea(v), _) => ScalarValue::BinaryView(Some(v.clone())),
        (Datum::Date(v), _) => ScalarValue::Date32(Some(match *v {
            DATE_INFINITY | DATE_NEG_INFINITY => *v,
            days => days.saturating_add(EPOCH_DAYS),
        })),
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
        _ => return Err(mismatch()),
    })
}

fn timestamp_to_arrow(micros: i64) -> Result<i64, SqlError> {
    if micros == TIMESTAMP_INFINITY || micros == TIMESTAMP_NEG_INFINITY {
        return Ok(micros);
    }
    micros
        .checked_add(EPOCH_MICROS)
        .ok_or_else(|| SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
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
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(Arc::clone(field), offsets, values, None).map_err(from_arrow)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// Values as an Arrow array of the given type.
///
/// # Errors
/// As [`scalar_of_datum`].
pub(super) fn array_of(values: &[Datum], ty: &DataType) -> Result<ArrayRef, SqlError> {
    if values.is_empty() {
        return Ok(new_null_array(ty, 0));
    }
    let scalars = values
        .iter()
        .map(|value| scalar_as(value, ty))
        .collect::<Result<Vec<_>, _>>()?;
    ScalarValue::iter_to_array(scalars).map_err(from_datafusion)
}
