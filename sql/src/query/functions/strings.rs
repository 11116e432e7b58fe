//! Functions that texts and bytes share: trimming, replacing a part, finding one.

use super::args::{INT4, TEXT, at, int_at, mismatch, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

const BYTEA: Arg = Arg::Is(PgType::Bytea);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("btrim", &[TEXT], PgType::Text, |_, a| {
        trim_text(a, true, true)
    }),
    Overload::new("btrim", &[TEXT, TEXT], PgType::Text, |_, a| {
        trim_text(a, true, true)
    }),
    Overload::new("ltrim", &[TEXT], PgType::Text, |_, a| {
        trim_text(a, true, false)
    }),
    Overload::new("ltrim", &[TEXT, TEXT], PgType::Text, |_, a| {
        trim_text(a, true, false)
    }),
    Overload::new("rtrim", &[TEXT], PgType::Text, |_, a| {
        trim_text(a, false, true)
    }),
    Overload::new("rtrim", &[TEXT, TEXT], PgType::Text, |_, a| {
        trim_text(a, false, true)
    }),
    Overload::new("btrim", &[BYTEA, BYTEA], PgType::Bytea, |_, a| {
        trim_bytes(a, true, true)
    }),
    Overload::new("ltrim", &[BYTEA, BYTEA], PgType::Bytea, |_, a| {
        trim_bytes(a, true, false)
    }),
    Overload::new("rtrim", &[BYTEA, BYTEA], PgType::Bytea, |_, a| {
        trim_bytes(a, false, true)
    }),
    Overload::new("overlay", &[TEXT, TEXT, INT4], PgType::Text, overlay_text),
    Overload::new(
        "overlay",
        &[TEXT, TEXT, INT4, INT4],
        PgType::Text,
        overlay_text,
    ),
    Overload::new(
        "overlay",
        &[BYTEA, BYTEA, INT4],
        PgType::Bytea,
        overlay_bytes,
    ),
    Overload::new(
        "overlay",
        &[BYTEA, BYTEA, INT4, INT4],
        PgType::Bytea,
        overlay_bytes,
    ),
    Overload::new("position", &[TEXT, TEXT], PgType::Int4, |_, a| {
        let (whole, part) = (str_at(a, 1), str_at(a, 0));
        Ok(counted(whole.find(part).map(|at| {
            whole.get(..at).map_or(0, |before| before.chars().count())
        })))
    }),
    Overload::new("position", &[BYTEA, BYTEA], PgType::Int4, |_, a| {
        let (part, whole) = (bytes(a, 0)?, bytes(a, 1)?);
        let found = if part.is_empty() {
            Some(0)
        } else {
            whole.windows(part.len()).position(|window| window == part)
        };
        Ok(counted(found))
    }),
    Overload::new("bit_length", &[TEXT], PgType::Int4, |_, a| {
        bit_length(str_at(a, 0).len())
    }),
    Overload::new("bit_length", &[BYTEA], PgType::Int4, |_, a| {
        bit_length(bytes(a, 0)?.len())
    }),
    Overload::new("split_part", &[TEXT, TEXT, INT4], PgType::Text, split_part),
    Overload::new("unistr", &[TEXT], PgType::Text, |_, a| {
        unescaped(str_at(a, 0)).map(Datum::Text)
    }),
];

fn bytes(args: &[Datum], index: usize) -> SqlResult<&[u8]> {
    match at(args, index) {
        Datum::Bytea(bytes) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

/// A place counted from 1, 0 for none.
fn counted(place: Option<usize>) -> Datum {
    Datum::Int4(place.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX)))
}

fn bit_length(bytes: usize) -> SqlResult<Datum> {
    bytes
        .checked_mul(8)
        .and_then(|bits| i32::try_from(bits).ok())
        .map(Datum::Int4)
        .ok_or_else(|| SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
}

fn trim_text(args: &[Datum], left: bool, right: bool) -> SqlResult<Datum> {
    let set = if args.len() > 1 { str_at(args, 1) } else { " " };
    let mut text = str_at(args, 0);
    if left {
        text = text.trim_start_matches(|c| set.contains(c));
    }
    if right {
        text = text.trim_end_matches(|c| set.contains(c));
    }
    Ok(Datum::text(text))
}

fn trim_bytes(args: &[Datum], left: bool, right: bool) -> SqlResult<Datum> {
    let (mut rest, set) = (bytes(args, 0)?, bytes(args, 1)?);
    while let Some((first, after)) = rest.split_first()
        && left
        && set.contains(first)
    {
        rest = after;
    }
    while let Some((last, before)) = rest.split_last()
        && right
        && set.contains(last)
    {
        rest = before;
    }
    Ok(Datum::Bytea(rest.to_vec()))
}

/// The part between separators that a number, from 1 or from the end, asks for.
fn split_part(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, separator) = (str_at(args, 0), str_at(args, 1));
    let number = int_at(args, 2).ok_or_else(mismatch)?;
    let skipped = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(skipped) = skipped.checked_sub(1) else {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "field position must not be zero",
        ));
    };
    let part = match (separator.is_empty(), number > 0) {
        (true, _) => (skipped == 0 && !text.is_empty()).then_some(text),
        (false, true) => text.split(separator).nth(skipped),
        // From the front: separators that overlap are found as for a positive number.
        (false, false) => {
            let parts: Vec<&str> = text.split(separator).collect();
            let place = parts.len().checked_sub(skipped + 1);
            place.and_then(|place| parts.get(place).copied())
        }
    };
    Ok(Datum::text(part.unwrap_or_default()))
}

/// How many items stay before the new part, and from which on they stay behind it.
fn kept(args: &[Datum], count: usize, new: usize) -> SqlResult<(usize, usize)> {
    let start = at(args, 2).as_i64().ok_or_else(mismatch)?;
    let length = match args.get(3) {
        Some(length) => length.as_i64().ok_or_else(mismatch)?,
        None => i64::try_from(new).unwrap_or(i64::MAX),
    };
    if start <= 0 {
        return Err(SqlError::new(
            state::SUBSTRING_ERROR,
            "negative substring length not allowed",
        ));
    }
    if i32::try_from(start.saturating_add(length)).is_err() {
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            "integer out of range",
        ));
    }
    let clamp = |n: i64| usize::try_from(n.max(0)).map_or(count, |n| n.min(count));
    Ok((clamp(start - 1), clamp(start - 1 + length)))
}

fn overlay_text(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, new) = (str_at(args, 0), str_at(args, 1));
    let (before, behind) = kept(args, text.chars().count(), new.chars().count())?;
    let mut out: String = text.chars().take(before).collect();
    out.push_str(new);
    out.extend(text.chars().skip(behind));
    Ok(Datum::Text(out))
}

fn overlay_bytes(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (bytes, new) = (bytes(args, 0)?, bytes(args, 1)?);
    let (before, behind) = kept(args, bytes.len(), new.len())?;
    let mut out = bytes.get(..before).unwrap_or_default().to_vec();
    out.extend_from_slice(new);
    out.extend_from_slice(bytes.get(behind..).unwrap_or_default());
    Ok(Datum::Bytea(out))
}

/// A text with its Unicode escapes read: `\XXXX`, `\uXXXX`, `\+XXXXXX`, `\UXXXXXXXX`.
fn unescaped(text: &str) -> SqlResult<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut high: Option<u32> = None;
    while let Some(first) = rest.chars().next() {
        let plain = first != '\\' || rest.starts_with("\\\\");
        if plain {
            if high.is_some() {
                return Err(bad_pair());
            }
            out.push(first);
            let used = first.len_utf8() + usize::from(first == '\\');
            rest = rest.get(used..).unwrap_or_default();
            continue;
        }
        let (code, used) = escape(rest)?;
        rest = rest.get(used..).unwrap_or_default();
        let code = match (high.take(), code) {
            (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00),
            (Some(_), _) | (None, 0xDC00..=0xDFFF) => return Err(bad_pair()),
            (None, 0xD800..=0xDBFF) => {
                high = Some(code);
                continue;
            }
            (None, code) => code,
        };
        out.push(char::from_u32(code).filter(|c| *c != '\0').ok_or_else(|| {
            SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("invalid Unicode code point: {code:04X}"),
            )
        })?);
    }
    match high {
        Some(_) => Err(bad_pair()),
        None => Ok(out),
    }
}

fn bad_pair() -> SqlError {
    SqlError::new(state::SYNTAX_ERROR, "invalid Unicode surrogate pair")
}

/// The code of an escape at the beginning, and how long the escape is.
fn escape(text: &str) -> SqlResult<(u32, usize)> {
    let after = text.get(1..).unwrap_or_default();
    let (prefix, digits) = match after.as_bytes().first() {
        Some(b'u') => (1, 4),
        Some(b'+') => (1, 6),
        Some(b'U') => (1, 8),
        _ => (0, 4),
    };
    after
        .get(prefix..prefix + digits)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .map(|code| (code, 1 + prefix + digits))
        .ok_or_else(|| {
            SqlError::new(state::SYNTAX_ERROR, "invalid Unicode escape")
                .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
        })
}
