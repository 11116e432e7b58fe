//! Functions of arrays, patterns and sizes that catalog queries use.

use super::args::{INT4, TEXT, at, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{ArrayValue, Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "array_upper",
        &[Arg::Any, INT4],
        PgType::Int4,
        |call, args| bound(call, args, true),
    ),
    Overload::new(
        "array_lower",
        &[Arg::Any, INT4],
        PgType::Int4,
        |call, args| bound(call, args, false),
    ),
    Overload::new("like_escape", &[TEXT, TEXT], PgType::Text, like_escape),
    Overload::new("__positions", &[Arg::Any], SUBSCRIPTS, |_, args| {
        Ok(integers(1, elements(args)))
    }),
    Overload::new("array_length", &[Arg::Any, INT4], PgType::Int4, length),
    Overload::new("cardinality", &[Arg::Any], PgType::Int4, |_, args| {
        Ok(Datum::Int4(elements(args)))
    }),
    Overload::new("__subscripts", &[Arg::Any], SUBSCRIPTS, subscripts),
    Overload::new(
        "pg_size_pretty",
        &[Arg::Is(PgType::Int8)],
        PgType::Text,
        |_, args| Ok(Datum::Text(size_pretty(at(args, 0).as_i64().unwrap_or(0)))),
    ),
];

/// `integer[]`.
const SUBSCRIPTS: PgType = PgType::Array(&PgType::Int4);

/// Vectors count from 0, arrays from 1.
fn first_subscript(call: &Call<'_>) -> i32 {
    let vector = matches!(
        call.types.first(),
        Some(PgType::Int2Vector | PgType::OidVector)
    );
    i32::from(!vector)
}

fn elements(args: &[Datum]) -> i32 {
    match at(args, 0) {
        Datum::Array(array) => i32::try_from(array.values.len()).unwrap_or(i32::MAX),
        _ => 0,
    }
}

/// The first or last subscript; NULL for an empty array and for a dimension that
/// arrays here do not have.
fn bound(call: &Call<'_>, args: &[Datum], upper: bool) -> SqlResult<Datum> {
    let (first, count) = (first_subscript(call), elements(args));
    if at(args, 1).as_i64() != Some(1) || count == 0 {
        return Ok(Datum::Null);
    }
    let last = first.saturating_add(count).saturating_sub(1);
    Ok(Datum::Int4(if upper { last } else { first }))
}

fn length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let count = elements(args);
    let known = at(args, 1).as_i64() == Some(1) && count > 0;
    Ok(if known {
        Datum::Int4(count)
    } else {
        Datum::Null
    })
}

fn subscripts(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(integers(first_subscript(call), elements(args)))
}

/// A LIKE pattern whose escape character is a backslash instead of another, or of
/// none.
fn like_escape(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut own = str_at(args, 1).chars();
    let (escape, None) = (own.next(), own.next()) else {
        return Err(
            SqlError::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                .hint("Escape string must be empty or one character."),
        );
    };
    let mut pattern = String::new();
    let mut rest = str_at(args, 0).chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            pattern.push('\\');
            pattern.extend(rest.next());
        } else if c == '\\' {
            pattern.push_str("\\\\");
        } else {
            pattern.push(c);
        }
    }
    Ok(Datum::Text(pattern))
}

/// `count` integers, the first of which is `first`.
fn integers(first: i32, count: i32) -> Datum {
    Datum::Array(Box::new(ArrayValue {
        element: PgType::Int4,
        values: (first..first.saturating_add(count))
            .map(Datum::Int4)
            .collect(),
    }))
}

/// A number of bytes in the unit in which it has at most five digits, rounded
/// half up at each step, as PostgreSQL does.
fn size_pretty(bytes: i64) -> String {
    const LIMIT: i64 = 10 * 1024;
    // The smallest number has no positive counterpart; what is divided has.
    if bytes.checked_abs().is_some_and(|size| size < LIMIT) {
        return format!("{bytes} bytes");
    }
    // One bit more than the unit has, for rounding.
    let mut twice = bytes / 512;
    for unit in ["kB", "MB", "GB", "TB"] {
        if twice.abs() < 2 * LIMIT - 1 {
            return format!("{} {unit}", half_rounded(twice));
        }
        twice /= 1024;
    }
    format!("{} PB", half_rounded(twice))
}

fn half_rounded(twice: i64) -> i64 {
    (twice + twice.signum()) / 2
}
