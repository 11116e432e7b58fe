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

use bigdecimal::num_bigint::BigInt;

use crate::error::{SqlError, SqlResult};
use crate::types::datum::Datum;
use crate::types::interval::Interval;
use crate::types::numeric::{Kind, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric};
use crate::types::pg_type::PgType;

const VALUE: u8 = 1;
const NULL: u8 = 2;

const SIGN_128: u128 = 1 << 127;

/// Whether a key can have a column of this type. json, jsonb and arrays have
/// no byte order here.
pub fn supports(ty: PgType) -> bool {
    !matches!(
        ty,
        PgType::Json
            | PgType::Jsonb
            | PgType::Array(_)
            | PgType::Int2Vector
            | PgType::OidVector
            | PgType::Void
    )
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
        Datum::Json(_) | Datum::Jsonb(_) | Datum::Array(_) => {
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
    Ok(match ty {
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

fn ordered_f64(value: f64) -> u64 {
    let bits = if value.is_nan() {
        f64::NAN.to_bits() & !(1 << 63)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 63 == 1 {
        !bits
    } else {
        bits ^ (1 << 63)
    }
}

fn plain_f64(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits ^ (1 << 63)
    } else {
        !bits
    })
}

fn ordered_f32(value: f32) -> u32 {
    let bits = if value.is_nan() {
        f32::NAN.to_bits() & !(1 << 31)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 31 == 1 {
        !bits
    } else {
        bits ^ (1 << 31)
    }
}

fn plain_f32(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 {
        bits ^ (1 << 31)
    } else {
        !bits
    })
}

fn encode_bytes(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(zero) = memchr::memchr(0, bytes) {
        let (head, tail) = bytes.split_at(zero + 1);
        out.extend_from_slice(head);
        out.push(255);
        bytes = tail;
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0, 0]);
}

fn decode_bytes(bytes: &mut &[u8]) -> SqlResult<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let zero = memchr::memchr(0, bytes).ok_or_else(corrupt)?;
        let (head, tail) = bytes.split_at(zero);
        out.extend_from_slice(head);
        match tail {
            [0, 0, rest @ ..] => {
                *bytes = rest;
                return Ok(out);
            }
            [0, 255, rest @ ..] => {
                out.push(0);
                *bytes = rest;
            }
            _ => return Err(corrupt()),
        }
    }
}

fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    let class = match value.kind() {
        Kind::NegInf => 0,
        Kind::PosInf => 4,
        Kind::NaN => 5,
        Kind::Finite if value.is_zero() => 2,
        Kind::Finite if value.is_negative() => 1,
        Kind::Finite => 3,
    };
    out.push(class);
    if class != 1 && class != 3 {
        return;
    }
    let start = out.len();
    let digits = value.digits();
    // At most 131,072 + 16,383 digits, so neither cast nor sum overflows.
    let exponent = digits.len() as i32 - i32::from(value.scale());
    out.extend_from_slice(&(exponent ^ i32::MIN).to_be_bytes());
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let tens = pair.first().map_or(0, |d| d - b'0');
        let ones = pair.get(1).map_or(0, |d| d - b'0');
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
    if class == 1
        && let Some(body) = out.get_mut(start..)
    {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn decode_numeric(bytes: &mut &[u8]) -> SqlResult<Numeric> {
    let [class] = take::<1>(bytes)?;
    let flip = match class {
        0 => return Ok(Numeric::NEG_INFINITY),
        1 => 255,
        2 => return Ok(Numeric::ZERO),
        3 => 0,
        4 => return Ok(Numeric::INFINITY),
        5 => return Ok(Numeric::NAN),
        _ => return Err(corrupt()),
    };
    let exponent = i32::from_be_bytes(take::<4>(bytes)?.map(|byte| byte ^ flip)) ^ i32::MIN;
    let mut digits = Vec::new();
    loop {
        let [byte] = take::<1>(bytes)?;
        match byte ^ flip {
            0 => break,
            pair @ 1..=100 => {
                digits.push((pair - 1) / 10 + b'0');
                digits.push((pair - 1) % 10 + b'0');
            }
            _ => return Err(corrupt()),
        }
        if digits.len() > MAX_INTEGER_DIGITS + usize::from(MAX_SCALE) + 2 {
            return Err(corrupt());
        }
    }
    if digits.last() == Some(&b'0') {
        digits.pop();
    }
    let count = i32::try_from(digits.len()).map_err(|_| corrupt())?;
    let scale = count.checked_sub(exponent).ok_or_else(corrupt)?;
    let padding = usize::try_from(-i64::from(scale)).unwrap_or(0);
    if padding > MAX_INTEGER_DIGITS {
        return Err(corrupt());
    }
    digits.resize(digits.len() + padding, b'0');
    let scale = u16::try_from(scale.max(0)).map_err(|_| corrupt())?;
    let magnitude = BigInt::parse_bytes(&digits, 10).ok_or_else(corrupt)?;
    if scale > MAX_SCALE {
        return Err(corrupt());
    }
    let signed = if class == 1 { -magnitude } else { magnitude };
    Ok(Numeric::from_bigint(signed, scale))
}

#[cold]
fn corrupt() -> SqlError {
    SqlError::corrupted("stored key does not decode")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::arbitrary::{nullable, pg_type};
    use proptest::prelude::*;

    fn key(value: &Datum) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out).unwrap();
        out
    }

    fn key_type() -> BoxedStrategy<PgType> {
        pg_type()
            .prop_filter("has a key form", |ty| supports(*ty))
            .boxed()
    }

    #[test]
    fn the_bytes_are_as_documented() {
        assert_eq!(key(&Datum::Null), [2]);
        assert_eq!(key(&Datum::Int4(-1)), [1, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(key(&Datum::text("a\0b")), [1, b'a', 0, 255, b'b', 0, 0]);
        let n = |t| Datum::Numeric(Numeric::parse(t).unwrap());
        assert_eq!(key(&n("123.40")), [1, 3, 0x80, 0, 0, 3, 13, 35, 0]);
        assert_eq!(key(&n("-0.01")), [1, 1, 0x80, 0, 0, 0, 0xff - 11, 0xff]);
    }

    #[test]
    fn equal_numbers_have_one_key() {
        let n = |t| Datum::Numeric(Numeric::parse(t).unwrap());
        assert_eq!(key(&n("1.50")), key(&n("1.5")));
        assert_eq!(key(&n("100")), key(&n("1e2")));
        assert_eq!(key(&Datum::Float8(-0.0)), key(&Datum::Float8(0.0)));
        assert_eq!(
            key(&Datum::Float8(f64::NAN)),
            key(&Datum::Float8(-f64::NAN))
        );
    }

    #[test]
    fn json_has_no_key() {
        assert!(
            encode(&Datum::Jsonb("1".into()), &mut Vec::new())
                .unwrap_err()
                .is("0A000")
        );
    }

    #[test]
    fn successor_is_the_end_of_the_prefix() {
        assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(successor(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(successor(&[255]), None);
        assert_eq!(successor(&[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn bytes_sort_as_values((a, b) in key_type().prop_flat_map(|ty| (nullable(ty), nullable(ty)))) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b), "{:?} {:?}", a, b);
        }

        #[test]
        fn columns_sort_one_after_the_other(
            (a, b) in prop::collection::vec(key_type(), 1..4).prop_flat_map(|types| {
                let row = |types: &[PgType]| types.iter().map(|ty| nullable(*ty)).collect::<Vec<_>>();
                (row(&types), row(&types))
            })
        ) {
            let join = |row: &[Datum]| { let mut out = Vec::new(); encode_all(row, &mut out).unwrap(); out };
            prop_assert_eq!(join(&a).cmp(&join(&b)), a.cmp(&b));
        }

        #[test]
        fn decoding_gives_an_equal_value_and_the_rest(
            (ty, value) in key_type().prop_flat_map(|ty| (Just(ty), nullable(ty))),
            tail in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut bytes = key(&value);
            bytes.extend_from_slice(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(decode(ty, &mut rest).unwrap(), value);
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn any_bytes_decode_or_fail(ty in key_type(), mut bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(first) = bytes.first_mut() { *first = 1; }
            if let Err(error) = decode(ty, &mut bytes.as_slice()) {
                prop_assert!(error.is("XX001"));
            }
        }
    }
}
