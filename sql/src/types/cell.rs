//! The bytes of one value inside a stored row.
//!
//! | type | bytes |
//! |---|---|
//! | bool | 1: 0 or 1 |
//! | int2, int4, int8, float4, float8, oid, date, time, timestamp(tz) | little endian |
//! | interval | micros i64, days i32, months i32, little endian |
//! | uuid | 16 |
//! | numeric(p <= 18, s) / numeric(p <= 38, s) | the unscaled value as i64 / i128, little endian |
//! | other numeric | 4 and the wide form (see [`crate::types::numeric`]); older rows: a tag (0 finite, 1 NaN, 2 Infinity, 3 -Infinity), scale u16 LE, unscaled value, two's complement LE |
//! | text, varchar, char(n), name, json, jsonb, jsonpath | UTF-8 |
//! | enum | the position of the label, i64 little endian |
//! | rows | see [`crate::types::record`] |
//! | bytea | as is |
//! | bit, bit varying | number of bits u32 LE, the bits |
//! | timetz | micros i64, seconds east of UTC i32, little endian |
//! | arrays | their image (see [`crate::types::array::image`]) |

use bigdecimal::num_bigint::BigInt;

use crate::error::{SqlError, SqlResult};
use crate::types::array::image;
use crate::types::bits::Bits;
use crate::types::datum::Datum;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::numeric::wide::{self, narrow};
use crate::types::pg_type::PgType;
use crate::types::record;
use crate::types::row::Width;
use crate::types::timetz::TimeTz;

/// Digits an `i64` certainly holds.
const I64_DIGITS: u8 = 18;
/// Tag of a numeric in wide form.
const WIDE: u8 = 4;

/// Whether a `numeric(p, s)` is kept as an `i64` rather than an `i128`, and its
/// scale; `None` when it is kept in the form of other numerics.
fn fixed_numeric((precision, scale): (u16, i16)) -> Option<(bool, u16)> {
    let (precision, scale) = narrow(precision, scale)?;
    Some((precision <= I64_DIGITS, u16::from(scale.unsigned_abs())))
}

/// How many bytes a value of the type has in a row.
pub fn width(ty: PgType) -> Width {
    match ty.plain() {
        PgType::Bool => Width::Fixed(1),
        PgType::Int2 => Width::Fixed(2),
        PgType::Int4 | PgType::Float4 | PgType::Oid | PgType::Date => Width::Fixed(4),
        PgType::Int8
        | PgType::Float8
        | PgType::Time
        | PgType::Timestamp
        | PgType::Timestamptz
        | PgType::Enum(_) => Width::Fixed(8),
        PgType::Uuid | PgType::Interval => Width::Fixed(16),
        PgType::Numeric(Some(modifier)) => match fixed_numeric(modifier) {
            Some((true, _)) => Width::Fixed(8),
            Some((false, _)) => Width::Fixed(16),
            None => Width::Variable,
        },
        _ => Width::Variable,
    }
}

/// Appends a value's bytes. The value must have the column's type (see
/// [`Datum::fits`]) and obey its modifier; XX000 otherwise. NULL has no bytes.
pub fn encode(ty: PgType, value: &Datum, out: &mut Vec<u8>) -> SqlResult<()> {
    match (ty.plain(), value) {
        (PgType::Bool, Datum::Bool(v)) => out.push(u8::from(*v)),
        (PgType::Int2, Datum::Int2(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (PgType::Int4, Datum::Int4(v)) | (PgType::Date, Datum::Date(v)) => {
            out.extend_from_slice(&v.to_le_bytes());
        }
        (PgType::Int8, Datum::Int8(v))
        | (PgType::Time, Datum::Time(v))
        | (PgType::Timestamp, Datum::Timestamp(v))
        | (PgType::Timestamptz, Datum::Timestamptz(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (PgType::Oid, Datum::Oid(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (PgType::Float4, Datum::Float4(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (PgType::Float8, Datum::Float8(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (PgType::Numeric(modifier), Datum::Numeric(v)) => encode_numeric(modifier, v, out)?,
        (PgType::Bytea, Datum::Bytea(v)) => out.extend_from_slice(v),
        (PgType::Uuid, Datum::Uuid(v)) => out.extend_from_slice(v),
        (PgType::Interval, Datum::Interval(v)) => {
            out.extend_from_slice(&v.micros.to_le_bytes());
            out.extend_from_slice(&v.days.to_le_bytes());
            out.extend_from_slice(&v.months.to_le_bytes());
        }
        (PgType::Json, Datum::Json(v)) | (PgType::Jsonb, Datum::Jsonb(v)) => {
            out.extend_from_slice(v.as_bytes());
        }
        (PgType::Jsonpath, Datum::Jsonpath(v)) => out.extend_from_slice(v.as_bytes()),
        (PgType::Bit(_) | PgType::Varbit(_), Datum::Bits(v)) => out.extend_from_slice(&v.image()),
        (PgType::Timetz, Datum::Timetz(v)) => out.extend_from_slice(&v.image()),
        (ty, Datum::Text(v)) if ty.is_textual() => out.extend_from_slice(v.as_bytes()),
        (_, Datum::Array(array)) => image::encode(array, out)?,
        (PgType::Enum(_), Datum::Enum(v)) => out.extend_from_slice(&v.position.to_le_bytes()),
        (PgType::Composite(_), Datum::Record(v)) => v.encode(out)?,
        _ => return Err(mismatch(ty, value)),
    }
    Ok(())
}

/// The value with these bytes. XX001 when they are not a value of the type.
pub fn decode(ty: PgType, bytes: &[u8]) -> SqlResult<Datum> {
    Ok(match ty.plain() {
        PgType::Bool => Datum::Bool(boolean(bytes)?),
        PgType::Int2 => Datum::Int2(i16::from_le_bytes(fixed(bytes)?)),
        PgType::Int4 => Datum::Int4(i32::from_le_bytes(fixed(bytes)?)),
        PgType::Int8 => Datum::Int8(i64::from_le_bytes(fixed(bytes)?)),
        PgType::Float4 => Datum::Float4(f32::from_le_bytes(fixed(bytes)?)),
        PgType::Float8 => Datum::Float8(f64::from_le_bytes(fixed(bytes)?)),
        PgType::Oid => Datum::Oid(u32::from_le_bytes(fixed(bytes)?)),
        PgType::Date => Datum::Date(i32::from_le_bytes(fixed(bytes)?)),
        PgType::Time => Datum::Time(i64::from_le_bytes(fixed(bytes)?)),
        PgType::Timestamp => Datum::Timestamp(i64::from_le_bytes(fixed(bytes)?)),
        PgType::Timestamptz => Datum::Timestamptz(i64::from_le_bytes(fixed(bytes)?)),
        PgType::Uuid => Datum::Uuid(fixed(bytes)?),
        PgType::Interval => Datum::Interval(interval(bytes)?),
        PgType::Numeric(modifier) => Datum::Numeric(numeric(modifier, bytes)?),
        PgType::Bytea => Datum::Bytea(bytes.to_vec()),
        PgType::Json => Datum::Json(text(bytes)?.to_owned()),
        PgType::Jsonb => Datum::Jsonb(text(bytes)?.to_owned()),
        PgType::Jsonpath => Datum::Jsonpath(text(bytes)?.to_owned()),
        PgType::Bit(_) | PgType::Varbit(_) => Datum::Bits(bits(bytes)?),
        PgType::Timetz => Datum::Timetz(timetz(bytes)?),
        PgType::Array(_) | PgType::Int2Vector | PgType::OidVector => decode_array(ty, bytes)?,
        PgType::Enum(user) => user.value_at(i64::from_le_bytes(fixed(bytes)?)),
        PgType::Composite(user) => record::decode(user, bytes)?,
        PgType::Void => Datum::Null,
        _ => Datum::Text(text(bytes)?.to_owned()),
    })
}

/// The bytes as a fixed-size array.
#[inline]
pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> SqlResult<[u8; N]> {
    match bytes.try_into() {
        Ok(array) => Ok(array),
        Err(_) => Err(corrupt("stored value has a wrong length")),
    }
}

/// A stored text.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> SqlResult<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(corrupt("stored text is not UTF-8")),
    }
}

/// A stored boolean.
#[inline]
pub(crate) fn boolean(bytes: &[u8]) -> SqlResult<bool> {
    match bytes {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(corrupt("stored boolean is neither true nor false")),
    }
}

/// A stored interval.
pub(crate) fn interval(bytes: &[u8]) -> SqlResult<Interval> {
    let all = u128::from_le_bytes(fixed(bytes)?);
    // The casts keep the low bits of each field, which is what they are for.
    Ok(Interval {
        micros: all as i64,
        days: (all >> 64) as i32,
        months: (all >> 96) as i32,
    })
}

/// A stored bit string.
pub(crate) fn bits(bytes: &[u8]) -> SqlResult<Bits> {
    Bits::from_image(bytes).ok_or_else(|| corrupt("stored bit string has a wrong length"))
}

/// A stored time with its zone.
pub(crate) fn timetz(bytes: &[u8]) -> SqlResult<TimeTz> {
    TimeTz::from_image(bytes).ok_or_else(|| corrupt("stored time has a wrong length"))
}

/// A stored numeric.
pub(crate) fn numeric(modifier: Option<(u16, i16)>, bytes: &[u8]) -> SqlResult<Numeric> {
    match modifier.and_then(fixed_numeric) {
        Some((true, scale)) => {
            let unscaled = i64::from_le_bytes(fixed(bytes)?);
            return Ok(Numeric::from_i128(i128::from(unscaled), scale));
        }
        Some((false, scale)) => {
            let unscaled = i128::from_le_bytes(fixed(bytes)?);
            return Ok(Numeric::from_i128(unscaled, scale));
        }
        None => {}
    }
    if let Some((&WIDE, wide)) = bytes.split_first() {
        return wide::decode(wide);
    }
    let Some((&[tag, low, high], unscaled)) = bytes.split_first_chunk::<3>() else {
        return Err(corrupt("stored numeric is too short"));
    };
    let scale = u16::from_le_bytes([low, high]);
    match tag {
        0 if scale <= crate::types::numeric::MAX_SCALE => Ok(Numeric::from_bigint(
            BigInt::from_signed_bytes_le(unscaled),
            scale,
        )),
        1 => Ok(Numeric::NAN),
        2 => Ok(Numeric::INFINITY),
        3 => Ok(Numeric::NEG_INFINITY),
        _ => Err(corrupt("stored numeric has an unknown form")),
    }
}

/// Appends the wide form of a stored numeric that has no fixed scale.
pub(crate) fn append_wide(bytes: &[u8], out: &mut Vec<u8>) -> SqlResult<()> {
    match bytes.split_first() {
        Some((&WIDE, wide)) => out.extend_from_slice(wide),
        _ => wide::encode(&numeric(None, bytes)?, out),
    }
    Ok(())
}

fn encode_numeric(
    modifier: Option<(u16, i16)>,
    value: &Numeric,
    out: &mut Vec<u8>,
) -> SqlResult<()> {
    let Some((small, scale)) = modifier.and_then(fixed_numeric) else {
        out.push(WIDE);
        wide::encode(value, out);
        return Ok(());
    };
    let unscaled = value.exact_i128_at(scale);
    let wrong = || SqlError::internal("numeric does not fit its column");
    if small {
        let unscaled = unscaled.and_then(|v| i64::try_from(v).ok());
        out.extend_from_slice(&unscaled.ok_or_else(wrong)?.to_le_bytes());
    } else {
        out.extend_from_slice(&unscaled.ok_or_else(wrong)?.to_le_bytes());
    }
    Ok(())
}

/// The array with this image.
fn decode_array(ty: PgType, bytes: &[u8]) -> SqlResult<Datum> {
    let element = ty
        .element()
        .ok_or_else(|| corrupt("stored array has no element type"))?;
    Ok(image::decode(element, bytes)?.datum())
}

#[cold]
fn corrupt(message: &'static str) -> SqlError {
    SqlError::corrupted(message)
}

#[cold]
fn mismatch(ty: PgType, value: &Datum) -> SqlError {
    SqlError::internal(format!(
        "value of type {:?} in a column of type {}",
        value.natural_type(),
        ty.sql_name()
    ))
}
