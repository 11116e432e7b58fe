//! Whether arrays have elements, and `ANY` and `ALL` over them.

use std::cmp::Ordering;

use super::super::args::{TEXT, at, str_at};
use super::super::overload::{Arg, Call, Overload};
use super::array_at;
use crate::error::{SqlError, SqlResult};
use crate::types::{ArrayValue, Datum, PgType};

const ARRAYS: &[Arg] = &[Arg::AnyArray, Arg::AnyArray];

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("@>", ARRAYS, PgType::Bool, |_, a| both(a, contains)),
    Overload::new("<@", ARRAYS, PgType::Bool, |_, a| {
        both(a, |part, whole| contains(whole, part))
    }),
    Overload::new("&&", ARRAYS, PgType::Bool, |_, a| both(a, overlap)),
    Overload::new("arraycontains", ARRAYS, PgType::Bool, |_, a| {
        both(a, contains)
    }),
    Overload::new("arraycontained", ARRAYS, PgType::Bool, |_, a| {
        both(a, |part, whole| contains(whole, part))
    }),
    Overload::new("arrayoverlap", ARRAYS, PgType::Bool, |_, a| {
        both(a, overlap)
    }),
    // A value as bytes in the order of the values.
    Overload::new("__key", &[Arg::Any], PgType::Bytea, |_, a| {
        let mut key = Vec::new();
        crate::types::key::encode(at(a, 0), &mut key)?;
        Ok(Datum::Bytea(key))
    }),
    Overload::new(
        "__any",
        &[TEXT, Arg::Compatible, Arg::CompatibleArray],
        PgType::Bool,
        |c, a| quantified(c, a, false),
    )
    .lenient(),
    Overload::new(
        "__all",
        &[TEXT, Arg::Compatible, Arg::CompatibleArray],
        PgType::Bool,
        |c, a| quantified(c, a, true),
    )
    .lenient(),
];

fn both(args: &[Datum], test: impl Fn(&ArrayValue, &ArrayValue) -> bool) -> SqlResult<Datum> {
    Ok(match (array_at(args, 0), array_at(args, 1)) {
        (Some(a), Some(b)) => Datum::Bool(test(a, b)),
        _ => Datum::Null,
    })
}

/// Elements that are not NULL, sorted.
fn sorted(array: &ArrayValue) -> Vec<&Datum> {
    let mut values: Vec<&Datum> = array.values.iter().filter(|v| !v.is_null()).collect();
    values.sort_unstable();
    values
}

/// Whether every element of `part` is one of `whole`; NULL is no element of
/// anything.
fn contains(whole: &ArrayValue, part: &ArrayValue) -> bool {
    if part.values.iter().any(Datum::is_null) {
        return false;
    }
    let own = sorted(whole);
    part.values
        .iter()
        .all(|value| own.binary_search(&value).is_ok())
}

fn overlap(a: &ArrayValue, b: &ArrayValue) -> bool {
    let own = sorted(a);
    b.values
        .iter()
        .any(|value| !value.is_null() && own.binary_search(&value).is_ok())
}

/// `value op ANY (array)` or `value op ALL (array)`.
fn quantified(_: &Call<'_>, args: &[Datum], all: bool) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 2) else {
        return Ok(Datum::Null);
    };
    let test = comparison(str_at(args, 0))?;
    let value = at(args, 1);
    let mut unknown = false;
    for element in &array.values {
        if value.is_null() || element.is_null() {
            unknown = true;
        } else if test(value.cmp(element)) != all {
            return Ok(Datum::Bool(!all));
        }
    }
    Ok(if unknown {
        Datum::Null
    } else {
        Datum::Bool(all)
    })
}

/// What an operator asks of the order of its operands.
fn comparison(symbol: &str) -> SqlResult<fn(Ordering) -> bool> {
    Ok(match symbol {
        "=" => Ordering::is_eq,
        "<>" => Ordering::is_ne,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        ">" => Ordering::is_gt,
        ">=" => Ordering::is_ge,
        other => {
            return Err(SqlError::unsupported(format!(
                "{other} with ANY or ALL of an array"
            )));
        }
    })
}
