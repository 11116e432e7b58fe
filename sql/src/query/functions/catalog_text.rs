//! Functions of patterns and sizes that catalog queries use.

use super::args::{TEXT, at, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("like_escape", &[TEXT, TEXT], PgType::Text, like_escape),
    Overload::new(
        "pg_size_pretty",
        &[Arg::Is(PgType::Int8)],
        PgType::Text,
        |_, args| Ok(Datum::Text(size_pretty(at(args, 0).as_i64().unwrap_or(0)))),
    ),
];

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
