//! `format`: values put into a text.

use super::args::{TEXT, at};
use super::overload::{Arg, Call, Overload};
use super::quote::{quote_ident, quote_literal};
use super::text::shown;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// The overload of `format`.
pub(super) static OVERLOADS: &[Overload] =
    &[
        Overload::new("format", &[TEXT, Arg::Any], PgType::Text, format)
            .variadic()
            .lenient()
            .stable(),
    ];

/// `format`: `%s`, `%I`, `%L`, `%%` and positions (`%2$s`); no widths.
fn format(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(pattern) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut next = 1;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = after.split_at(digits);
        let (position, tail) = match (number.parse::<usize>(), tail.strip_prefix('$')) {
            (Ok(n), Some(tail)) => (Some(n), tail),
            (Err(_), _) => (None, tail),
            _ => return Err(SqlError::unsupported("a width in format()")),
        };
        let mut chars = tail.chars();
        let kind = chars
            .next()
            .ok_or_else(|| bad_format("unterminated format() type specifier"))?;
        rest = chars.as_str();
        if kind == '%' {
            out.push('%');
            continue;
        }
        let index = position.unwrap_or(next);
        next = index + 1;
        if index == 0 || index >= args.len() {
            return Err(bad_format("too few arguments for format()"));
        }
        out.push_str(&written(kind, shown(call, args, index))?);
    }
    out.push_str(rest);
    Ok(Datum::Text(out))
}

/// A value as the letter behind `%` asks for it.
fn written(kind: char, value: Option<String>) -> SqlResult<String> {
    match (kind, value) {
        ('s', value) => Ok(value.unwrap_or_default()),
        ('I', Some(value)) => Ok(quote_ident(&value)),
        ('I', None) => Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "null values cannot be formatted as an SQL identifier",
        )),
        ('L', value) => Ok(value.map_or_else(|| "NULL".to_owned(), |v| quote_literal(&v))),
        (other, _) => Err(bad_format(&format!(
            "unrecognized format() type specifier \"{other}\""
        ))),
    }
}

fn bad_format(message: &str) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message.to_owned())
}
