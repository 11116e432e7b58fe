//! Reads PostgreSQL's binary format, as the `*recv` functions do. Everything
//! in it comes from a client and is checked.

use bigdecimal::num_bigint::BigInt;

use crate::error::{SqlError, SqlResult, state};
use crate::types::array::{
    ArrayValue, Dimension, MAX_DIMENSIONS, element_count, too_many_dimensions,
};
use crate::types::bits::Bits;
use crate::types::calendar::{END_DATE, END_TIMESTAMP, MIN_DATE, MIN_TIMESTAMP};
use crate::types::datum::Datum;
use crate::types::interval::{Interval, MICROS_PER_DAY};
use crate::types::json;
use crate::types::jsonpath::JsonPath;
use crate::types::modifier::{self, Conversion};
use crate::types::numeric::{MAX_SCALE, Numeric};
use crate::types::pg_type::PgType;
use crate::types::record;
use crate::types::text_in::no_zero_byte;
use crate::types::timetz::TimeTz;

/// The value these bytes stand for, with the type's modifier applied. 22P03
/// when they are not a value of the type, 22021 for text that is not UTF-8.
pub fn binary_in(ty: PgType, bytes: &[u8]) -> SqlResult<Datum> {
    let ty = ty.base();
    let value = match ty.plain() {
        PgType::Bool => Datum::Bool(fixed::<1>(bytes)? != [0]),
        PgType::Int2 => Datum::Int2(i16::from_be_bytes(fixed(bytes)?)),
        PgType::Int4 => Datum::Int4(i32::from_be_bytes(fixed(bytes)?)),
        PgType::Int8 => Datum::Int8(i64::from_be_bytes(fixed(bytes)?)),
        PgType::Oid => Datum::Oid(u32::from_be_bytes(fixed(bytes)?)),
        PgType::Float4 => Datum::Float4(f32::from_be_bytes(fixed(bytes)?)),
        PgType::Float8 => Datum::Float8(f64::from_be_bytes(fixed(bytes)?)),
        PgType::Numeric(_) => Datum::Numeric(numeric(bytes)?),
        PgType::Bytea => Datum::Bytea(bytes.to_vec()),
        PgType::Uuid => Datum::Uuid(fixed(bytes)?),
        PgType::Date => Datum::Date(date(i32::from_be_bytes(fixed(bytes)?))?),
        PgType::Time => Datum::Time(time(i64::from_be_bytes(fixed(bytes)?))?),
        PgType::Timestamp => Datum::Timestamp(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        PgType::Timestamptz => Datum::Timestamptz(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        PgType::Interval => Datum::Interval(interval(bytes)?),
        PgType::Json => {
            let text = utf8(bytes)?;
            json::validate(text)?;
            Datum::Json(text.to_owned())
        }
        PgType::Jsonb => match bytes {
            [1, text @ ..] => Datum::Jsonb(json::normalize(utf8(text)?)?),
            [version, ..] => {
                return Err(SqlError::new(
                    state::INTERNAL_ERROR,
                    format!("unsupported jsonb version number {version}"),
                ));
            }
            [] => return Err(wrong_format()),
        },
        PgType::Jsonpath => match bytes {
            [1, text @ ..] => Datum::Jsonpath(JsonPath::parse(utf8(text)?)?.text()),
            [version, ..] => {
                return Err(SqlError::new(
                    state::INTERNAL_ERROR,
                    format!("unsupported jsonpath version number: {version}"),
                ));
            }
            [] => return Err(wrong_format()),
        },
        PgType::Bit(_) | PgType::Varbit(_) => Datum::Bits(bits(bytes)?),
        PgType::Timetz => Datum::Timetz(timetz(bytes)?),
        PgType::Array(_) | PgType::Int2Vector | PgType::OidVector => array(ty, bytes)?,
        PgType::Enum(user) => user.read_label(utf8(bytes)?)?,
        PgType::Composite(user) => record::read_binary(user, bytes)?,
        PgType::Void | PgType::Rounded(_) | PgType::Domain(_) | PgType::Stored(_) => Datum::Null,
        PgType::InternalChar => match bytes {
            [byte] => Datum::Text(modifier::internal_char_text(*byte)),
            _ => return Err(wrong_format()),
        },
        PgType::Text | PgType::Varchar(_) | PgType::Char(_) | PgType::Name | PgType::Unknown => {
            Datum::Text(utf8(bytes)?.to_owned())
        }
    };
    modifier::apply(ty, value, Conversion::Assignment)
}

/// Text from a client. 22021 when it is not UTF-8 or has a zero byte.
pub fn utf8(bytes: &[u8]) -> SqlResult<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let wrong = bytes.get(error.valid_up_to()..).unwrap_or_default();
        let length = error.error_len().unwrap_or(wrong.len()).min(4);
        let shown: Vec<String> = wrong
            .iter()
            .take(length)
            .map(|b| format!("0x{b:02x}"))
            .collect();
        SqlError::new(
            state::CHARACTER_NOT_IN_REPERTOIRE,
            format!(
                "invalid byte sequence for encoding \"UTF8\": {}",
                shown.join(" ")
            ),
        )
    })?;
    no_zero_byte(text)?;
    Ok(text)
}

fn fixed<const N: usize>(bytes: &[u8]) -> SqlResult<[u8; N]> {
    bytes.try_into().map_err(|_| wrong_format())
}

#[cold]
fn wrong_format() -> SqlError {
    SqlError::new(
        state::INVALID_BINARY_REPRESENTATION,
        "incorrect binary data format",
    )
}

#[cold]
fn out_of_range(what: &str) -> SqlError {
    SqlError::new(
        state::DATETIME_VALUE_OUT_OF_RANGE,
        format!("{what} out of range"),
    )
}

fn bits(bytes: &[u8]) -> SqlResult<Bits> {
    let (length, bits) = bytes.split_first_chunk::<4>().ok_or_else(wrong_format)?;
    let length = u32::try_from(i32::from_be_bytes(*length)).map_err(|_| wrong_format())?;
    if bits.len() != length.div_ceil(8) as usize {
        return Err(wrong_format());
    }
    Ok(Bits::new(length, bits.to_vec()))
}

fn timetz(bytes: &[u8]) -> SqlResult<TimeTz> {
    let all: [u8; 12] = fixed(bytes)?;
    let (micros, west) = all.split_first_chunk::<8>().ok_or_else(wrong_format)?;
    let west = i32::from_be_bytes(fixed(west)?);
    if west.abs() >= 16 * 3600 {
        return Err(SqlError::new(
            state::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
            "time zone displacement out of range",
        ));
    }
    Ok(TimeTz {
        micros: time(i64::from_be_bytes(*micros))?,
        offset: -west,
    })
}

fn date(days: i32) -> SqlResult<i32> {
    match days {
        i32::MIN | i32::MAX => Ok(days),
        days if (MIN_DATE..END_DATE).contains(&days) => Ok(days),
        _ => Err(out_of_range("date")),
    }
}

fn time(micros: i64) -> SqlResult<i64> {
    match micros {
        0..=MICROS_PER_DAY => Ok(micros),
        _ => Err(out_of_range("time")),
    }
}

fn timestamp(micros: i64) -> SqlResult<i64> {
    match micros {
        i64::MIN | i64::MAX => Ok(micros),
        micros if (MIN_TIMESTAMP..END_TIMESTAMP).contains(&micros) => Ok(micros),
        _ => Err(out_of_range("timestamp")),
    }
}

fn interval(bytes: &[u8]) -> SqlResult<Interval> {
    let all = u128::from_be_bytes(fixed(bytes)?);
    // The casts keep the low bits of each field, which is what they are for.
    Ok(Interval {
        micros: (all >> 64) as i64,
        days: (all >> 32) as i32,
        months: all as i32,
    })
}

fn numeric(bytes: &[u8]) -> SqlResult<Numeric> {
    let invalid = |what: &str| {
        SqlError::new(
            state::INVALID_BINARY_REPRESENTATION,
            format!("invalid {what} in external \"numeric\" value"),
        )
    };
    let (header, digits) = bytes.split_first_chunk::<8>().ok_or_else(wrong_format)?;
    let [a, b, c, d, e, f, g, h] = *header;
    let count = u16::from_be_bytes([a, b]);
    let weight = i16::from_be_bytes([c, d]);
    let scale = u16::from_be_bytes([g, h]);
    if digits.len() != usize::from(count) * 2 {
        return Err(wrong_format());
    }
    let negative = match u16::from_be_bytes([e, f]) {
        0 => false,
        0x4000 => true,
        0xC000 => return Ok(Numeric::NAN),
        0xD000 => return Ok(Numeric::INFINITY),
        0xF000 => return Ok(Numeric::NEG_INFINITY),
        _ => return Err(invalid("sign")),
    };
    if scale > MAX_SCALE {
        return Err(invalid("scale"));
    }
    let mut text = Vec::with_capacity(usize::from(count) * 4);
    for pair in digits.chunks_exact(2) {
        let digit = pair.try_into().map(u16::from_be_bytes).unwrap_or(u16::MAX);
        if digit > 9999 {
            return Err(invalid("digit"));
        }
        for divisor in [1000, 100, 10, 1] {
            text.push(b'0' + u8::try_from(digit / divisor % 10).unwrap_or(0));
        }
    }
    if text.is_empty() {
        return Ok(Numeric::from_i128(0, scale));
    }
    // Digits behind the point in the groups; negative when zeros must follow.
    let behind = (i32::from(count) - 1 - i32::from(weight)) * 4;
    let zeros = usize::try_from(-behind).unwrap_or(0);
    text.resize(text.len() + zeros, b'0');
    // Groups that start far behind the point round to nothing; bounded, as
    // the weight has 16 bits.
    let behind = u32::try_from(behind.max(0)).unwrap_or(0);
    let magnitude = BigInt::parse_bytes(&text, 10).ok_or_else(wrong_format)?;
    let signed = if negative { -magnitude } else { magnitude };
    if let Ok(own) = u16::try_from(behind) {
        return Ok(Numeric::from_bigint(signed, own).truncate(scale));
    }
    Ok(Numeric::from_i128(0, scale))
}

fn array(ty: PgType, bytes: &[u8]) -> SqlResult<Datum> {
    let mut rest = bytes;
    let element = ty.element().ok_or_else(wrong_format)?;
    let dimensions = array_header(element, &mut rest)?;
    let count = element_count(&dimensions)?;
    // Each element has at least its length.
    let mut values = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        match i32::from_be_bytes(word(&mut rest)?) {
            -1 => values.push(Datum::Null),
            length => {
                let length = usize::try_from(length).map_err(|_| wrong_format())?;
                let (value, tail) = rest.split_at_checked(length).ok_or_else(wrong_format)?;
                values.push(binary_in(element, value)?);
                rest = tail;
            }
        }
    }
    if !rest.is_empty() {
        return Err(wrong_format());
    }
    Ok(ArrayValue::new(element, dimensions, values)?.datum())
}

/// Takes the header off the front: the dimensions.
fn array_header(element: PgType, rest: &mut &[u8]) -> SqlResult<Vec<Dimension>> {
    let count = i32::from_be_bytes(word(rest)?);
    let flags = i32::from_be_bytes(word(rest)?);
    let oid = u32::from_be_bytes(word(rest)?);
    if !(0..=1).contains(&flags) {
        return Err(wrong_format());
    }
    if oid != element.oid() {
        return Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "binary data has array element type {oid} instead of expected {}",
                element.oid()
            ),
        ));
    }
    let count = usize::try_from(count).map_err(|_| wrong_format())?;
    if count > MAX_DIMENSIONS {
        return Err(too_many_dimensions(count));
    }
    let mut dimensions = Vec::with_capacity(count);
    for _ in 0..count {
        let length = i32::from_be_bytes(word(rest)?);
        let lower = i32::from_be_bytes(word(rest)?);
        if length < 0 {
            return Err(wrong_format());
        }
        dimensions.push(Dimension { lower, length });
    }
    Ok(dimensions)
}

fn word(rest: &mut &[u8]) -> SqlResult<[u8; 4]> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or_else(wrong_format)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::arbitrary::{identical, pg_type, value};
    use crate::types::binary_out::write_binary;
    use crate::types::format::SessionFormat;
    use crate::types::text_in::text_in;
    use proptest::prelude::*;

    fn binary(ty: PgType, value: &Datum) -> Vec<u8> {
        let mut out = Vec::new();
        write_binary(ty, value, &mut out);
        out
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    // Type name, text, and `encode(<type>send('…'), 'hex')` on PostgreSQL 15.
    const SEND: &[(&str, &str, &str)] = include!("testdata/send.txt");

    #[test]
    fn bytes_are_postgresqls() {
        for (name, text, expected) in SEND {
            let ty = PgType::from_name(name).unwrap();
            let value = text_in(ty, text, &SessionFormat::default()).unwrap();
            assert_eq!(hex(&binary(ty, &value)), *expected, "{name} {text}");
            assert!(
                identical(&binary_in(ty, &binary(ty, &value)).unwrap(), &value),
                "{name} {text}"
            );
        }
    }

    #[test]
    fn wrong_bytes_have_an_sqlstate() {
        for (ty, bytes, state) in [
            (PgType::Int4, &[0u8, 1, 2][..], "22P03"),
            (PgType::Text, &[b'a', 0xff], "22021"),
            (PgType::Text, b"a\0", "22021"),
            (
                PgType::Numeric(None),
                &[0, 1, 0, 0, 0x12, 0, 0, 0, 0, 1],
                "22P03",
            ),
            (
                PgType::Numeric(None),
                &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
                "22P03",
            ),
            (PgType::Time, &[0xff; 8], "22008"),
            (PgType::Varchar(Some(2)), b"abc", "22001"),
        ] {
            assert_eq!(binary_in(ty, bytes).unwrap_err().sqlstate(), state);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn binary_round_trips((ty, value) in pg_type().prop_flat_map(|ty| (Just(ty), value(ty)))) {
            let back = binary_in(ty, &binary(ty, &value)).unwrap();
            prop_assert!(identical(&back, &value), "{:?} {:?}", back, value);
        }

        #[test]
        fn any_bytes_read_or_fail(ty in pg_type(), bytes in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40)) {
            let _ = binary_in(ty, &bytes);
        }
    }
}
