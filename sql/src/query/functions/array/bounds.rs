//! What dimensions an array has.

use super::super::args::{INT4, int_at};
use super::super::overload::{Arg, Call, Overload};
use super::array_at;
use crate::error::SqlResult;
use crate::types::array::Dimension;
use crate::types::{ArrayValue, Datum, PgType};

/// `integer[]`.
const INTEGERS: PgType = PgType::Array(&PgType::Int4);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("array_ndims", &[Arg::AnyArray], PgType::Int4, |_, a| {
        let count = array_at(a, 0).map_or(0, |array| array.dimensions().len());
        Ok(match i32::try_from(count) {
            Ok(0) | Err(_) => Datum::Null,
            Ok(count) => Datum::Int4(count),
        })
    }),
    Overload::new("array_dims", &[Arg::AnyArray], PgType::Text, dims),
    Overload::new(
        "array_lower",
        &[Arg::AnyArray, INT4],
        PgType::Int4,
        |_, a| Ok(of_dimension(a, |d| d.lower)),
    ),
    Overload::new(
        "array_upper",
        &[Arg::AnyArray, INT4],
        PgType::Int4,
        |_, a| Ok(of_dimension(a, Dimension::upper)),
    ),
    Overload::new(
        "array_length",
        &[Arg::AnyArray, INT4],
        PgType::Int4,
        |_, a| Ok(of_dimension(a, |d| d.length)),
    ),
    Overload::new("cardinality", &[Arg::AnyArray], PgType::Int4, |_, a| {
        Ok(Datum::Int4(count(a)))
    }),
    Overload::new("__positions", &[Arg::AnyArray], INTEGERS, |_, a| {
        Ok(integers(1, count(a)))
    }),
    Overload::new("__subscripts", &[Arg::AnyArray, INT4], INTEGERS, |_, a| {
        Ok(subscripts(a, false))
    }),
    Overload::new(
        "__subscripts",
        &[Arg::AnyArray, INT4, Arg::Is(PgType::Bool)],
        INTEGERS,
        |_, a| {
            Ok(subscripts(
                a,
                a.get(2).and_then(Datum::as_bool) == Some(true),
            ))
        },
    ),
];

fn count(args: &[Datum]) -> i32 {
    let count = array_at(args, 0).map_or(0, |array| array.values.len());
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The dimension whose number is the second argument.
fn dimension(args: &[Datum]) -> Option<Dimension> {
    let number = usize::try_from(int_at(args, 1)?).ok()?.checked_sub(1)?;
    array_at(args, 0)?.dimensions().get(number).copied()
}

fn of_dimension(args: &[Datum], get: impl Fn(&Dimension) -> i32) -> Datum {
    dimension(args).map_or(Datum::Null, |dimension| Datum::Int4(get(&dimension)))
}

fn dims(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let text: String = array_at(args, 0)
        .map(ArrayValue::dimensions)
        .unwrap_or_default()
        .iter()
        .map(|d| format!("[{}:{}]", d.lower, d.upper()))
        .collect();
    Ok(if text.is_empty() {
        Datum::Null
    } else {
        Datum::Text(text)
    })
}

fn subscripts(args: &[Datum], reverse: bool) -> Datum {
    let Some(dimension) = dimension(args) else {
        return ArrayValue::empty(PgType::Int4).datum();
    };
    let mut values: Vec<Datum> = (dimension.lower..=dimension.upper())
        .map(Datum::Int4)
        .collect();
    if reverse {
        values.reverse();
    }
    ArrayValue::list(PgType::Int4, values).datum()
}

/// `count` integers, the first of which is `first`.
fn integers(first: i32, count: i32) -> Datum {
    let values = (first..first.saturating_add(count))
        .map(Datum::Int4)
        .collect();
    ArrayValue::list(PgType::Int4, values).datum()
}
