//! A value out of an Arrow array or scalar, whatever Arrow type it has.

use arrow::array::{Array, AsArray, ListArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    i256,
};
use bigdecimal::num_bigint::BigInt;
use datafusion::common::ScalarValue;

use super::super::error::from_datafusion;
use super::type_of_arrow;
use crate::error::{SqlError, state};
use crate::types::array::image;
use crate::types::arrow_map::{self, date_from_arrow, interval_from_arrow, timestamp_from_arrow};
use crate::types::calendar::UNIX_EPOCH_MICROS;
use crate::types::cell;
use crate::types::numeric::wide;
use crate::types::record;
use crate::types::{ArrayValue, Datum, Numeric, PgType};

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
    let ty = ty.base();
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
        DataType::Binary => binary(array.as_binary::<i32>().value(row), ty)?,
        DataType::LargeBinary => Datum::Numeric(wide::decode(array.as_binary::<i64>().value(row))?),
        DataType::BinaryView => binary(array.as_binary_view().value(row), ty)?,
        DataType::Date32 => Datum::Date(date_from_arrow(
            array.as_primitive::<Date32Type>().value(row),
        )?),
        DataType::Time64(TimeUnit::Microsecond) => {
            Datum::Time(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Time64(TimeUnit::Nanosecond) => match ty.base() {
            PgType::Enum(user) => {
                user.value_at(array.as_primitive::<Time64NanosecondType>().value(row))
            }
            _ => return Err(SqlError::internal("a label without its enum")),
        },
        DataType::Timestamp(unit, zone) => {
            let micros = timestamp_micros(array, row, *unit)?;
            match zone {
                Some(_) => Datum::Timestamptz(micros),
                None => Datum::Timestamp(micros),
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => Datum::Interval(interval_from_arrow(
            array.as_primitive::<IntervalMonthDayNanoType>().value(row),
        )),
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
        PgType::Jsonpath => Datum::Jsonpath(value.to_owned()),
        PgType::Uuid => Datum::Uuid(
            *uuid::Uuid::parse_str(value)
                .map_err(|_| SqlError::internal("a uuid column holds no uuid"))?
                .as_bytes(),
        ),
        _ => Datum::Text(value.to_owned()),
    })
}

/// Microseconds since 2000; a finer unit is cut to them.
fn timestamp_micros(array: &dyn Array, row: usize, unit: TimeUnit) -> Result<i64, SqlError> {
    let finite = match unit {
        TimeUnit::Microsecond => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            return timestamp_from_arrow(value);
        }
        TimeUnit::Nanosecond => Some(
            array
                .as_primitive::<TimestampNanosecondType>()
                .value(row)
                .div_euclid(1_000),
        ),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .value(row)
            .checked_mul(1_000),
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .value(row)
            .checked_mul(1_000_000),
    };
    finite
        .and_then(|micros| micros.checked_sub(UNIX_EPOCH_MICROS))
        .ok_or_else(|| SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
}

fn list(array: &ListArray, row: usize, ty: PgType) -> Result<Datum, SqlError> {
    let values = array.value(row);
    let element = match ty.element() {
        // What an aggregate gathered are arrays of the type itself.
        Some(element)
            if *values.data_type() == DataType::BinaryView
                && arrow_map::arrow_type(element) != DataType::BinaryView =>
        {
            let values = (0..values.len())
                .map(|i| datum_at(values.as_ref(), i, ty))
                .collect::<Result<_, _>>()?;
            return Ok(ArrayValue::list(element, values).datum());
        }
        Some(element) => element,
        None => type_of_arrow(values.data_type()),
    };
    let values = (0..values.len())
        .map(|i| datum_at(values.as_ref(), i, element))
        .collect::<Result<_, _>>()?;
    Ok(ArrayValue::list(element, values).datum())
}

/// Bytes are the image of an array where an array is expected, and of other values
/// that have one.
fn binary(bytes: &[u8], ty: PgType) -> Result<Datum, SqlError> {
    Ok(match (ty.element(), ty.base().plain()) {
        (Some(element), _) => image::decode(element, bytes)?.datum(),
        (None, PgType::Composite(user)) => record::decode(user, bytes)?,
        (None, PgType::Bit(_) | PgType::Varbit(_)) => Datum::Bits(cell::bits(bytes)?),
        (None, PgType::Timetz) => Datum::Timetz(cell::timetz(bytes)?),
        _ => Datum::Bytea(bytes.to_vec()),
    })
}

/// The value of a scalar that has type `ty`.
///
/// # Errors
/// XX000 when the scalar is of another kind.
pub(in crate::query) fn datum_of_scalar(
    scalar: &ScalarValue,
    ty: PgType,
) -> Result<Datum, SqlError> {
    if scalar.is_null() {
        return Ok(Datum::Null);
    }
    let array = scalar.to_array().map_err(from_datafusion)?;
    let value = datum_at(array.as_ref(), 0, ty)?;
    match (value, ty.base()) {
        (Datum::Numeric(n), PgType::Numeric(Some((_, scale)))) => {
            Ok(Datum::Numeric(exact_scale(n, scale)))
        }
        (value, _) => Ok(value),
    }
}

/// A numeric at the scale its column stores, when that loses nothing.
fn exact_scale(value: Numeric, scale: i16) -> Numeric {
    let Ok(scale) = u16::try_from(scale) else {
        return value;
    };
    let rescaled = value.rescale(scale);
    if rescaled == value { rescaled } else { value }
}
