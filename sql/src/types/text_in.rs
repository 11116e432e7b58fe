//! Reads the text of every type, as PostgreSQL 15 does.

use crate::error::{SqlError, SqlResult, state};
use crate::types::bits::Bits;
use crate::types::datum::Datum;
pub use crate::types::format::SessionFormat;
use crate::types::json;
use crate::types::jsonpath::JsonPath;
use crate::types::modifier::{self, Conversion};
use crate::types::numeric::Numeric;
use crate::types::numeric::is_space;
use crate::types::pg_type::PgType;
use crate::types::styles::IntervalStyle;
use crate::types::{array, datetime_in, interval_in, record};

/// The value a text stands for, with the type's modifier applied. Errors are
/// PostgreSQL's (22P02, 22003, 22007, 22008, 22001).
pub fn text_in(ty: PgType, text: &str, format: &SessionFormat) -> SqlResult<Datum> {
    let ty = ty.base();
    let value = match ty.plain() {
        PgType::Bool => Datum::Bool(parse_bool(text)?),
        PgType::Int2 => Datum::Int2(parse_integer(text, "smallint")?),
        PgType::Int4 => Datum::Int4(parse_integer(text, "integer")?),
        PgType::Int8 => Datum::Int8(parse_integer(text, "bigint")?),
        PgType::Oid => Datum::Oid(parse_oid(text)?),
        PgType::Float4 => Datum::Float4(parse_f32(text)?),
        PgType::Float8 => Datum::Float8(parse_f64(text)?),
        PgType::Numeric(_) => Datum::Numeric(Numeric::parse(text)?),
        PgType::Bytea => Datum::Bytea(parse_bytea(text)?),
        PgType::Uuid => Datum::Uuid(parse_uuid(text)?),
        PgType::Date => Datum::Date(datetime_in::parse_date(text, format)?),
        PgType::Time => Datum::Time(datetime_in::parse_time(text, format)?),
        PgType::Timestamp => Datum::Timestamp(datetime_in::parse_timestamp(text, format)?),
        PgType::Timestamptz => Datum::Timestamptz(datetime_in::parse_timestamptz(text, format)?),
        PgType::Interval => Datum::Interval(match format.styles.interval {
            IntervalStyle::SqlStandard => interval_in::parse_sql_standard(text)?,
            _ => interval_in::parse_interval(text)?,
        }),
        PgType::Timetz => Datum::Timetz(datetime_in::parse_timetz(text, format)?),
        PgType::Bit(_) | PgType::Varbit(_) => Datum::Bits(Bits::parse(text)?),
        PgType::Jsonpath => Datum::Jsonpath(JsonPath::parse(text)?.text()),
        PgType::Json => {
            json::validate(text)?;
            Datum::Json(text.to_owned())
        }
        PgType::Jsonb => Datum::Jsonb(json::normalize(text)?),
        PgType::Array(element) => array::parse_array(*element, text, format)?,
        PgType::Int2Vector => array::parse_vector(PgType::Int2, text, format)?,
        PgType::OidVector => array::parse_vector(PgType::Oid, text, format)?,
        PgType::Enum(user) => user.read_label(text)?,
        PgType::Composite(user) => record::read_text(user, text, format)?,
        PgType::Void | PgType::Rounded(_) | PgType::Domain(_) | PgType::Stored(_) => Datum::Null,
        PgType::Text
        | PgType::Varchar(_)
        | PgType::Char(_)
        | PgType::Name
        | PgType::InternalChar
        | PgType::Unknown => {
            no_zero_byte(text)?;
            Datum::Text(text.to_owned())
        }
    };
    modifier::apply(ty, value, Conversion::Assignment)
}

/// 22021 for a text PostgreSQL cannot hold.
pub fn no_zero_byte(text: &str) -> SqlResult<()> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(SqlError::new(
            state::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(())
}

/// "invalid input syntax for type …" (22P02).
#[cold]
pub(crate) fn syntax(type_name: &str, text: &str) -> SqlError {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

#[cold]
fn out_of_range(type_name: &str, text: &str) -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// Reads a `boolean`: any beginning of a word that is no other's beginning.
pub fn parse_bool(text: &str) -> SqlResult<bool> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let starts = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if starts("true", 1) || starts("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if starts("false", 1) || starts("no", 1) || starts("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(syntax("boolean", text))
    }
}

/// Reads an integer; `type_name` is for the error.
pub fn parse_integer<T: TryFrom<i64>>(text: &str, type_name: &str) -> SqlResult<T> {
    let trimmed = text.trim_matches(is_space);
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(syntax(type_name, text));
    }
    // Counted downwards, because there is one more negative number.
    let value = digits.iter().try_fold(0i64, |value, digit| {
        value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))
    });
    let value = if negative {
        value
    } else {
        value.and_then(i64::checked_neg)
    };
    match value.map(T::try_from) {
        Some(Ok(value)) => Ok(value),
        _ => Err(out_of_range(type_name, text)),
    }
}

fn parse_oid(text: &str) -> SqlResult<u32> {
    let value: i64 = parse_integer(text, "oid")?;
    u32::try_from(value)
        .ok()
        // PostgreSQL lets negative numbers wrap around.
        .or_else(|| i32::try_from(value).ok().map(i32::cast_unsigned))
        .ok_or_else(|| out_of_range("oid", text))
}

/// Reads a `double precision`.
pub fn parse_f64(text: &str) -> SqlResult<f64> {
    const TYPE: &str = "double precision";
    let trimmed = float_text(text).ok_or_else(|| syntax(TYPE, text))?;
    let value: f64 = trimmed.parse().map_err(|_| syntax(TYPE, text))?;
    if lost_range(trimmed, value.is_infinite(), value == 0.0) {
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{trimmed}\" is out of range for type {TYPE}"),
        ));
    }
    Ok(value)
}

/// Reads a `real`.
pub fn parse_f32(text: &str) -> SqlResult<f32> {
    const TYPE: &str = "real";
    let trimmed = float_text(text).ok_or_else(|| syntax(TYPE, text))?;
    let value: f32 = trimmed.parse().map_err(|_| syntax(TYPE, text))?;
    if lost_range(trimmed, value.is_infinite(), value == 0.0) {
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{trimmed}\" is out of range for type {TYPE}"),
        ));
    }
    Ok(value)
}

fn float_text(text: &str) -> Option<&str> {
    let trimmed = text.trim_matches(is_space);
    (!trimmed.is_empty()).then_some(trimmed)
}

/// Whether a number became infinite or zero by being read.
fn lost_range(text: &str, infinite: bool, zero: bool) -> bool {
    if infinite {
        return text.bytes().any(|b| b.is_ascii_digit());
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    zero && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'))
}

/// Reads a `bytea`: hexadecimal after `\x`, else the escape format.
pub fn parse_bytea(text: &str) -> SqlResult<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        return parse_hex(hex);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        if *first != b'\\' {
            out.push(*first);
            bytes = rest;
            continue;
        }
        bytes = match rest {
            [b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest
            }
            _ => {
                return Err(SqlError::new(
                    state::INVALID_TEXT_REPRESENTATION,
                    "invalid input syntax for type bytea",
                ));
            }
        };
    }
    Ok(out)
}

fn parse_hex(hex: &str) -> SqlResult<Vec<u8>> {
    let invalid = |message: String| SqlError::new(state::INVALID_PARAMETER_VALUE, message);
    let mut out = Vec::with_capacity(hex.len() / 2);
    let mut chars = hex.chars();
    let value = |c: char| {
        c.to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")))
    };
    while let Some(first) = chars.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = value(first)?;
        let Some(second) = chars.next() else {
            return Err(invalid(
                "invalid hexadecimal data: odd number of digits".to_owned(),
            ));
        };
        out.push((high << 4) | value(second)?);
    }
    Ok(out)
}

/// Reads a `uuid`: 32 digits, a hyphen allowed after each group of four, all
/// of it in braces if wanted.
pub fn parse_uuid(text: &str) -> SqlResult<[u8; 16]> {
    let bytes = text.as_bytes();
    let mut rest = match bytes {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return Err(syntax("uuid", text)),
        all => all,
    };
    let mut out = [0u8; 16];
    for (index, byte) in out.iter_mut().enumerate() {
        let [high, low, after @ ..] = rest else {
            return Err(syntax("uuid", text));
        };
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => *byte = (high << 4) | low,
            _ => return Err(syntax("uuid", text)),
        }
        rest = after;
        if index % 2 == 1
            && index < 15
            && let Some(after) = rest.strip_prefix(b"-")
        {
            rest = after;
        }
    }
    if rest.is_empty() {
        Ok(out)
    } else {
        Err(syntax("uuid", text))
    }
}
