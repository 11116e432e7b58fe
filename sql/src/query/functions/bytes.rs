//! Functions of bytes, and those of texts that count characters as they do.

use super::args::{INT4, INT8, TEXT, at, mismatch, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

const BYTEA: Arg = Arg::Is(PgType::Bytea);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("substring", &[TEXT, INT4], PgType::Text, text_part),
    Overload::new("substring", &[TEXT, INT4, INT4], PgType::Text, text_part),
    Overload::new("substr", &[TEXT, INT4], PgType::Text, text_part),
    Overload::new("substr", &[TEXT, INT4, INT4], PgType::Text, text_part),
    Overload::new("substring", &[BYTEA, INT4], PgType::Bytea, byte_part),
    Overload::new("substring", &[BYTEA, INT4, INT4], PgType::Bytea, byte_part),
    Overload::new("substr", &[BYTEA, INT4], PgType::Bytea, byte_part),
    Overload::new("substr", &[BYTEA, INT4, INT4], PgType::Bytea, byte_part),
    Overload::new("encode", &[BYTEA, TEXT], PgType::Text, encode),
    Overload::new("decode", &[TEXT, TEXT], PgType::Bytea, decode),
    Overload::new("get_byte", &[BYTEA, INT4], PgType::Int4, get_byte),
    Overload::new("set_byte", &[BYTEA, INT4, INT4], PgType::Bytea, set_byte),
    Overload::new("get_bit", &[BYTEA, INT8], PgType::Int4, get_bit),
    Overload::new("set_bit", &[BYTEA, INT8, INT4], PgType::Bytea, set_bit),
    Overload::new("bit_count", &[BYTEA], PgType::Int8, |_, a| {
        let ones: u32 = bytes(a, 0)?.iter().map(|b| b.count_ones()).sum();
        Ok(Datum::Int8(i64::from(ones)))
    }),
    Overload::new("to_hex", &[INT4], PgType::Text, |_, a| match at(a, 0) {
        Datum::Int4(value) => Ok(Datum::Text(format!("{value:x}"))),
        _ => Err(mismatch()),
    }),
    Overload::new("to_hex", &[INT8], PgType::Text, |_, a| match at(a, 0) {
        Datum::Int8(value) => Ok(Datum::Text(format!("{value:x}"))),
        _ => Err(mismatch()),
    }),
    Overload::new("chr", &[INT4], PgType::Text, character),
    Overload::new("ascii", &[TEXT], PgType::Int4, |_, a| {
        let first = str_at(a, 0).chars().next();
        Ok(Datum::Int4(first.map_or(0, |c| u32::from(c).cast_signed())))
    }),
];

fn bytes(args: &[Datum], index: usize) -> SqlResult<&[u8]> {
    match at(args, index) {
        Datum::Bytea(bytes) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

/// How many of `count` items to leave out and how many to take: from the one that
/// counts `start`, as many as the third argument says.
fn range(args: &[Datum], count: usize) -> SqlResult<(usize, usize)> {
    let Datum::Int4(start) = at(args, 1) else {
        return Err(mismatch());
    };
    let first = i64::from(*start) - 1;
    let end = match args.get(2) {
        Some(Datum::Int4(length)) if *length < 0 => {
            return Err(SqlError::new(
                state::SUBSTRING_ERROR,
                "negative substring length not allowed",
            ));
        }
        Some(Datum::Int4(length)) => first + i64::from(*length),
        _ => i64::MAX,
    };
    let clamp = |n: i64| usize::try_from(n.max(0)).map_or(count, |n| n.min(count));
    let from = clamp(first);
    Ok((from, clamp(end).saturating_sub(from)))
}

fn text_part(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let text = str_at(args, 0);
    if text.is_ascii() {
        let (skip, take) = range(args, text.len())?;
        return Ok(Datum::text(text.get(skip..skip + take).unwrap_or_default()));
    }
    let (skip, take) = range(args, text.chars().count())?;
    Ok(Datum::Text(text.chars().skip(skip).take(take).collect()))
}

fn byte_part(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bytes = bytes(args, 0)?;
    let (skip, take) = range(args, bytes.len())?;
    Ok(Datum::Bytea(
        bytes.iter().skip(skip).take(take).copied().collect(),
    ))
}

fn out_of_range(index: i64, count: usize) -> SqlError {
    let last = i64::try_from(count).unwrap_or(i64::MAX) - 1;
    SqlError::new(
        state::ARRAY_SUBSCRIPT_ERROR,
        format!("index {index} out of valid range, 0..{last}"),
    )
}

/// The place of an item that an argument counts from 0.
fn place(args: &[Datum], count: usize) -> SqlResult<usize> {
    let index = at(args, 1).as_i64().ok_or_else(mismatch)?;
    usize::try_from(index)
        .ok()
        .filter(|index| *index < count)
        .ok_or_else(|| out_of_range(index, count))
}

fn get_byte(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bytes = bytes(args, 0)?;
    let byte = bytes.get(place(args, bytes.len())?).ok_or_else(mismatch)?;
    Ok(Datum::Int4(i32::from(*byte)))
}

fn set_byte(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut bytes = bytes(args, 0)?.to_vec();
    let place = place(args, bytes.len())?;
    let Datum::Int4(value) = at(args, 2) else {
        return Err(mismatch());
    };
    if let Some(byte) = bytes.get_mut(place) {
        // Only the low eight bits are kept.
        *byte = value.to_le_bytes()[0];
    }
    Ok(Datum::Bytea(bytes))
}

fn get_bit(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bytes = bytes(args, 0)?;
    let place = place(args, bytes.len().saturating_mul(8))?;
    let byte = bytes.get(place / 8).ok_or_else(mismatch)?;
    Ok(Datum::Int4(i32::from(byte >> (place % 8) & 1)))
}

fn set_bit(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut bytes = bytes(args, 0)?.to_vec();
    let place = place(args, bytes.len().saturating_mul(8))?;
    let Datum::Int4(value @ (0 | 1)) = at(args, 2) else {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "new bit must be 0 or 1",
        ));
    };
    if let Some(byte) = bytes.get_mut(place / 8) {
        let bit = 1 << (place % 8);
        *byte = if *value == 1 {
            *byte | bit
        } else {
            *byte & !bit
        };
    }
    Ok(Datum::Bytea(bytes))
}

fn character(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Int4(code) = at(args, 0) else {
        return Err(mismatch());
    };
    let refuse = |message: String| Err(SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, message));
    let character = match u32::try_from(*code) {
        Err(_) => {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                "character number must be positive",
            ));
        }
        Ok(0) => return refuse("null character not permitted".to_owned()),
        Ok(code) if code > 0x10_ffff => {
            return refuse(format!(
                "requested character too large for encoding: {code}"
            ));
        }
        Ok(code) => char::from_u32(code),
    };
    match character {
        Some(character) => Ok(Datum::Text(character.into())),
        None => refuse(format!(
            "requested character not valid for encoding: {code}"
        )),
    }
}

fn unknown_encoding(name: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("unrecognized encoding: \"{name}\""),
    )
}

/// Characters of a line of base64.
const BASE64_LINE: usize = 76;

fn encode(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let bytes = bytes(args, 0)?;
    let name = str_at(args, 1);
    Ok(Datum::Text(match name.to_ascii_lowercase().as_str() {
        "hex" => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        "base64" => {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            let mut out = String::with_capacity(text.len() + text.len() / BASE64_LINE);
            for (at, c) in text.chars().enumerate() {
                if at > 0 && at % BASE64_LINE == 0 {
                    out.push('\n');
                }
                out.push(c);
            }
            out
        }
        "escape" => bytes
            .iter()
            .map(|byte| match byte {
                b'\\' => "\\\\".to_owned(),
                0 | 0x80.. => format!("\\{byte:03o}"),
                byte => char::from(*byte).to_string(),
            })
            .collect(),
        _ => return Err(unknown_encoding(name)),
    }))
}

fn decode(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, name) = (str_at(args, 0), str_at(args, 1));
    Ok(Datum::Bytea(match name.to_ascii_lowercase().as_str() {
        "hex" => from_hex(text)?,
        "base64" => from_base64(text)?,
        "escape" => from_escape(text)?,
        _ => return Err(unknown_encoding(name)),
    }))
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message.into())
}

fn from_hex(text: &str) -> SqlResult<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c.to_digit(16) {
            Some(digit) => digits.push(u8::try_from(digit).unwrap_or(0)),
            None if matches!(c, ' ' | '\n' | '\t' | '\r') => {}
            None => return Err(invalid(format!("invalid hexadecimal digit: \"{c}\""))),
        }
    }
    if digits.len() % 2 == 1 {
        return Err(invalid("invalid hexadecimal data: odd number of digits"));
    }
    Ok(digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect())
}

fn from_base64(text: &str) -> SqlResult<Vec<u8>> {
    use base64::Engine as _;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '\n' | '\t' | '\r' => {}
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' | '=' => plain.push(c),
            other => {
                return Err(invalid(format!(
                    "invalid symbol \"{other}\" found while decoding base64 sequence"
                )));
            }
        }
    }
    base64::engine::general_purpose::STANDARD
        .decode(plain)
        .map_err(|_| {
            invalid("invalid base64 end sequence")
                .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
        })
}

fn from_escape(text: &str) -> SqlResult<Vec<u8>> {
    let wrong = || {
        SqlError::new(
            state::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type bytea",
        )
    };
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'\\' {
            out.push(*byte);
            rest = after;
            continue;
        }
        match after {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(out)
}
