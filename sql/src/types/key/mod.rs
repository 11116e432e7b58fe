//! Keys whose bytes sort as their values do.
//!
//! Each column is a marker (1: a value follows, 2: NULL, so NULLs sort last)
//! and, for a value:
//!
//! | type | bytes |
//! |---|---|
//! | bool | 0 or 1 |
//! | int2, int4, int8, date, time, timestamp(tz) | big endian, sign bit flipped |
//! | oid | big endian |
//! | float4, float8 | IEEE bits big endian; negative: all bits flipped, else sign bit flipped; -0 as 0, one NaN |
//! | numeric | class byte, exponent, digit pairs (see below) |
//! | text, bytea | bytes, 0 written as 0 255, ended by 0 0 |
//! | uuid | 16 bytes |
//! | enum | the position of the label, big endian, sign bit flipped |
//! | bit, bit varying | as bytea, then the number of bits, big endian |
//! | timetz | time in UTC and seconds west of it, big endian, sign bits flipped |
//! | interval | its span in microseconds, i128 big endian, sign bit flipped |
//!
//! Numeric: 0 -Infinity, 1 negative, 2 zero, 3 positive, 4 Infinity, 5 NaN.
//! A finite value is 0.d1d2d3… × 10^e with d1 not 0: e as i32 (sign bit
//! flipped), pairs of digits plus one, a 0 at the end; all of it inverted when
//! negative. Equal values have equal bytes, whatever their scale.
//!
//! No column's bytes are a prefix of another value's of the same type, so
//! columns can follow each other. Decoding gives a value *equal* to the one
//! encoded: scale, sign of zero and the split of an interval are in the row,
//! not in the key.

mod bytes;
mod float;
mod jsonb;
mod numeric;
#[cfg(test)]
mod tests;

use crate::error::{SqlError, SqlResult};
use crate::types::array::image;
use crate::types::bits::Bits;
use crate::types::datum::Datum;
use crate::types::interval::Interval;
use crate::types::pg_type::PgType;
use crate::types::timetz::TimeTz;
use bytes::{decode_bytes, encode_bytes};
use float::{ordered_f32, ordered_f64, plain_f32, plain_f64};
pub(crate) use jsonb::{compare_jsonb, jsonb_key};
pub(crate) use numeric::{decode_numeric, encode_numeric};

const VALUE: u8 = 1;

const NULL: u8 = 2;

const SIGN_128: u128 = 1 << 127;

/// Whether a key can have a column of this type. json has no order.
pub fn supports(ty: PgType) -> bool {
    match ty.element() {
        Some(element) => supports(element),
        None => !matches!(
            ty.base(),
            PgType::Json
                | PgType::Jsonpath
                | PgType::Void
                | PgType::Composite(_)
                | PgType::Stored(_)
        ),
    }
}

/// Appends one key column. 0A000 for a type without key form.
pub fn encode(value: &Datum, out: &mut Vec<u8>) -> SqlResult<()> {
    out.push(VALUE);
    match value {
        Datum::Null => {
            out.pop();
            out.push(NULL);
        }
        Datum::Bool(v) => out.push(u8::from(*v)),
        Datum::Int2(v) => out.extend_from_slice(&(*v ^ i16::MIN).to_be_bytes()),
        Datum::Int4(v) | Datum::Date(v) => out.extend_from_slice(&(*v ^ i32::MIN).to_be_bytes()),
        Datum::Int8(v) | Datum::Time(v) | Datum::Timestamp(v) | Datum::Timestamptz(v) => {
            out.extend_from_slice(&(*v ^ i64::MIN).to_be_bytes());
        }
        Datum::Oid(v) => out.extend_from_slice(&v.to_be_bytes()),
        Datum::Float4(v) => out.extend_from_slice(&ordered_f32(*v).to_be_bytes()),
        Datum::Float8(v) => out.extend_from_slice(&ordered_f64(*v).to_be_bytes()),
        Datum::Numeric(v) => encode_numeric(v, out),
        Datum::Text(v) => encode_bytes(v.as_bytes(), out),
        Datum::Bytea(v) => encode_bytes(v, out),
        Datum::Uuid(v) => out.extend_from_slice(v),
        Datum::Interval(v) => {
            // The cast keeps the bits.
            out.extend_from_slice(&(v.span() as u128 ^ SIGN_128).to_be_bytes());
        }
        Datum::Jsonb(v) => jsonb::encode_jsonb(v, out)?,
        Datum::Array(v) => image::encode_key(v, out)?,
        Datum::Enum(v) => out.extend_from_slice(&(v.position ^ i64::MIN).to_be_bytes()),
        // Only to compare by: rows are no columns of stored keys.
        Datum::Record(v) => {
            encode_all(&v.values, out)?;
            out.push(0);
        }
        Datum::Bits(v) => {
            encode_bytes(v.bytes(), out);
            out.extend_from_slice(&v.len().to_be_bytes());
        }
        Datum::Timetz(v) => {
            out.extend_from_slice(&(v.utc() ^ i64::MIN).to_be_bytes());
            out.extend_from_slice(&(-v.offset ^ i32::MIN).to_be_bytes());
        }
        Datum::Json(_) | Datum::Jsonpath(_) => {
            let name = value
                .natural_type()
                .map_or_else(String::new, PgType::sql_name);
            return Err(SqlError::unsupported(format!(
                "a key column of type {name}"
            )));
        }
    }
    Ok(())
}

/// Appends several key columns.
pub fn encode_all<'a>(
    values: impl IntoIterator<Item = &'a Datum>,
    out: &mut Vec<u8>,
) -> SqlResult<()> {
    values.into_iter().try_for_each(|value| encode(value, out))
}

/// Takes one key column of type `ty` off the front of `bytes`. XX001 when
/// there is none.
pub fn decode(ty: PgType, bytes: &mut &[u8]) -> SqlResult<Datum> {
    match take::<1>(bytes)? {
        [VALUE] => {}
        [NULL] => return Ok(Datum::Null),
        _ => return Err(corrupt()),
    }
    Ok(match ty.plain() {
        PgType::Bool => match take::<1>(bytes)? {
            [0] => Datum::Bool(false),
            [1] => Datum::Bool(true),
            _ => return Err(corrupt()),
        },
        PgType::Int2 => Datum::Int2(i16::from_be_bytes(take(bytes)?) ^ i16::MIN),
        PgType::Int4 => Datum::Int4(take_i32(bytes)?),
        PgType::Date => Datum::Date(take_i32(bytes)?),
        PgType::Int8 => Datum::Int8(take_i64(bytes)?),
        PgType::Time => Datum::Time(take_i64(bytes)?),
        PgType::Timestamp => Datum::Timestamp(take_i64(bytes)?),
        PgType::Timestamptz => Datum::Timestamptz(take_i64(bytes)?),
        PgType::Oid => Datum::Oid(u32::from_be_bytes(take(bytes)?)),
        PgType::Float4 => Datum::Float4(plain_f32(u32::from_be_bytes(take(bytes)?))),
        PgType::Float8 => Datum::Float8(plain_f64(u64::from_be_bytes(take(bytes)?))),
        PgType::Numeric(modifier) => {
            let value = decode_numeric(bytes)?;
            match modifier {
                Some((_, scale)) => {
                    Datum::Numeric(value.rescale(u16::try_from(scale).unwrap_or(0)))
                }
                None => Datum::Numeric(value),
            }
        }
        PgType::Bytea => Datum::Bytea(decode_bytes(bytes)?),
        PgType::Uuid => Datum::Uuid(take(bytes)?),
        PgType::Interval => {
            // The cast keeps the bits.
            let span = (u128::from_be_bytes(take(bytes)?) ^ SIGN_128) as i128;
            Datum::Interval(Interval::from_span(span).ok_or_else(corrupt)?)
        }
        PgType::Jsonb => Datum::Jsonb(jsonb::decode_jsonb(bytes)?),
        PgType::Enum(user) => user.value_at(take_i64(bytes)?),
        PgType::Bit(_) | PgType::Varbit(_) => {
            let bits = decode_bytes(bytes)?;
            let length = u32::from_be_bytes(take(bytes)?);
            Datum::Bits(Bits::new(length, bits))
        }
        PgType::Timetz => {
            let utc = take_i64(bytes)?;
            let offset = take_i32(bytes)?.checked_neg().ok_or_else(corrupt)?;
            Datum::Timetz(TimeTz {
                micros: utc.saturating_add(i64::from(offset) * 1_000_000),
                offset,
            })
        }
        PgType::Array(_) | PgType::Int2Vector | PgType::OidVector => {
            image::decode_key(ty.element().ok_or_else(corrupt)?, bytes)?.datum()
        }
        ty if ty.is_textual() => {
            Datum::Text(String::from_utf8(decode_bytes(bytes)?).map_err(|_| corrupt())?)
        }
        ty => {
            return Err(SqlError::unsupported(format!(
                "a key column of type {}",
                ty.sql_name()
            )));
        }
    })
}

/// The least key above every key that starts with `prefix`: the end of a
/// range. `None` when there is none (the prefix is empty or all 255).
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> SqlResult<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(corrupt)?;
    *bytes = rest;
    Ok(*head)
}

fn take_i32(bytes: &mut &[u8]) -> SqlResult<i32> {
    Ok(i32::from_be_bytes(take(bytes)?) ^ i32::MIN)
}

fn take_i64(bytes: &mut &[u8]) -> SqlResult<i64> {
    Ok(i64::from_be_bytes(take(bytes)?) ^ i64::MIN)
}

#[cold]
fn corrupt() -> SqlError {
    SqlError::corrupted("stored key does not decode")
}
