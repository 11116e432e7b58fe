//! Values out of Arrow arrays.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, UInt32Type,
};
use bigdecimal::num_bigint::BigInt;

use crate::error::{SqlError, SqlResult};
use crate::types::array::{ArrayValue, image};
use crate::types::arrow_map::{
    canonical, date_from_arrow, interval_from_arrow, timestamp_from_arrow,
};
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::numeric::{Numeric, wide};
use crate::types::pg_type::PgType;
use crate::types::record;
use crate::types::text_in::parse_uuid;

/// All values of an array whose column has type `ty`.
pub fn datums(array: &ArrayRef, ty: PgType) -> SqlResult<Vec<Datum>> {
    let array = canonical(array, ty)?;
    (0..array.len())
        .map(|row| canonical_datum(&array, row, ty))
        .collect()
}

/// One value. For many, [`datums`] converts the array only once.
pub fn datum_at(array: &ArrayRef, row: usize, ty: PgType) -> SqlResult<Datum> {
    if row >= array.len() {
        return Err(SqlError::internal("array row out of range"));
    }
    let one = array.slice(row, 1);
    canonical_datum(&canonical(&one, ty)?, 0, ty)
}

/// The value at a row of an array [`canonical`] gave. The row must exist.
pub(crate) fn canonical_datum(array: &ArrayRef, row: usize, ty: PgType) -> SqlResult<Datum> {
    if row >= array.len() {
        return Err(SqlError::internal("array row out of range"));
    }
    if array.is_null(row) {
        return Ok(Datum::Null);
    }
    let value = match ty.plain() {
        PgType::Bool => array.as_boolean_opt().map(|a| Datum::Bool(a.value(row))),
        PgType::Int2 => primitive::<Int16Type>(array, row).map(Datum::Int2),
        PgType::Int4 => primitive::<Int32Type>(array, row).map(Datum::Int4),
        PgType::Int8 => primitive::<Int64Type>(array, row).map(Datum::Int8),
        PgType::Oid => primitive::<UInt32Type>(array, row).map(Datum::Oid),
        PgType::Float4 => primitive::<Float32Type>(array, row).map(Datum::Float4),
        PgType::Float8 => primitive::<Float64Type>(array, row).map(Datum::Float8),
        PgType::Numeric(_) => numeric(array, row)?.map(Datum::Numeric),
        PgType::Bytea => array
            .as_binary_view_opt()
            .map(|a| Datum::Bytea(a.value(row).to_vec())),
        PgType::Bit(_) | PgType::Varbit(_) => array
            .as_binary_view_opt()
            .map(|a| cell::bits(a.value(row)).map(Datum::Bits))
            .transpose()?,
        PgType::Timetz => array
            .as_binary_view_opt()
            .map(|a| cell::timetz(a.value(row)).map(Datum::Timetz))
            .transpose()?,
        PgType::Date => match primitive::<Date32Type>(array, row) {
            Some(days) => Some(Datum::Date(date_from_arrow(days)?)),
            None => None,
        },
        PgType::Time => primitive::<Time64MicrosecondType>(array, row).map(Datum::Time),
        PgType::Timestamp => match primitive::<TimestampMicrosecondType>(array, row) {
            Some(micros) => Some(Datum::Timestamp(timestamp_from_arrow(micros)?)),
            None => None,
        },
        PgType::Timestamptz => match primitive::<TimestampMicrosecondType>(array, row) {
            Some(micros) => Some(Datum::Timestamptz(timestamp_from_arrow(micros)?)),
            None => None,
        },
        PgType::Interval => primitive::<IntervalMonthDayNanoType>(array, row)
            .map(|value| Datum::Interval(interval_from_arrow(value))),
        PgType::Array(_) | PgType::Int2Vector | PgType::OidVector => match ty.element() {
            Some(element) => array_of(array, row, element)?,
            None => None,
        },
        PgType::Enum(user) => {
            primitive::<Time64NanosecondType>(array, row).map(|position| user.value_at(position))
        }
        PgType::Composite(user) => match array.as_binary_view_opt() {
            Some(images) => Some(record::decode(user, images.value(row))?),
            None => None,
        },
        PgType::Void => Some(Datum::Null),
        textual => match array.as_string_view_opt() {
            Some(strings) => Some(textual_datum(textual, strings.value(row))?),
            None => None,
        },
    };
    value.ok_or_else(|| mismatch(array, ty))
}

fn textual_datum(ty: PgType, text: &str) -> SqlResult<Datum> {
    Ok(match ty {
        PgType::Uuid => Datum::Uuid(parse_uuid(text)?),
        PgType::Json => Datum::Json(text.to_owned()),
        PgType::Jsonb => Datum::Jsonb(text.to_owned()),
        PgType::Jsonpath => Datum::Jsonpath(text.to_owned()),
        _ => Datum::Text(text.to_owned()),
    })
}

fn primitive<T: arrow::datatypes::ArrowPrimitiveType>(
    array: &ArrayRef,
    row: usize,
) -> Option<T::Native> {
    array.as_primitive_opt::<T>().map(|a| a.value(row))
}

/// A numeric, wide or as a decimal.
fn numeric(array: &ArrayRef, row: usize) -> SqlResult<Option<Numeric>> {
    match array.as_binary_opt::<i64>() {
        Some(wides) => wide::decode(wides.value(row)).map(Some),
        None => Ok(decimal(array, row)),
    }
}

/// A decimal with the scale of its column.
pub(crate) fn decimal(array: &ArrayRef, row: usize) -> Option<Numeric> {
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let scale = u16::try_from(*scale).ok()?;
            let unscaled = primitive::<Decimal128Type>(array, row)?;
            Some(Numeric::from_i128(unscaled, scale))
        }
        DataType::Decimal256(_, scale) => {
            let scale = u16::try_from(*scale).ok()?;
            let unscaled = primitive::<Decimal256Type>(array, row)?;
            let unscaled = BigInt::from_signed_bytes_le(&unscaled.to_le_bytes());
            Some(Numeric::from_bigint(unscaled, scale))
        }
        _ => None,
    }
}

/// The array whose image is at a row.
fn array_of(array: &ArrayRef, row: usize, element: PgType) -> SqlResult<Option<Datum>> {
    array
        .as_binary_view_opt()
        .map(|images| image::decode(element, images.value(row)).map(ArrayValue::datum))
        .transpose()
}

#[cold]
fn mismatch(array: &ArrayRef, ty: PgType) -> SqlError {
    SqlError::internal(format!(
        "column of type {} holds {}",
        ty.sql_name(),
        array.data_type()
    ))
}
