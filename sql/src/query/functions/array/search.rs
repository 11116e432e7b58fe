//! Where elements are in an array.

use std::cmp::Ordering;

use super::super::args::{INT4, at, int_at};
use super::super::overload::{Arg, Call, Overload};
use super::{array_at, one_dimension, subscript_error};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{ArrayValue, Datum, PgType};

const ARRAY: Arg = Arg::CompatibleArray;
const ELEMENT: Arg = Arg::Compatible;

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("array_position", &[ARRAY, ELEMENT], PgType::Int4, position).lenient(),
    Overload::new(
        "array_position",
        &[ARRAY, ELEMENT, INT4],
        PgType::Int4,
        position,
    )
    .lenient(),
    Overload::new(
        "array_positions",
        &[ARRAY, ELEMENT],
        PgType::Array(&PgType::Int4),
        positions,
    )
    .lenient(),
    Overload::new("width_bucket", &[ELEMENT, ARRAY], PgType::Int4, bucket),
];

/// Subscripts and elements of a one-dimensional array.
fn subscripted(array: &ArrayValue) -> SqlResult<impl Iterator<Item = (i32, &Datum)>> {
    one_dimension(array, "searching for elements in")?;
    let first = array.dimensions().first().map_or(1, |d| d.lower);
    Ok((first..=i32::MAX).zip(&array.values))
}

fn position(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let start = match args.get(2) {
        Some(Datum::Null) => {
            return Err(SqlError::new(
                state::NULL_VALUE_NOT_ALLOWED,
                "initial position must not be null",
            ));
        }
        _ => int_at(args, 2).unwrap_or(i32::MIN),
    };
    let found = subscripted(array)?
        .skip_while(|(subscript, _)| *subscript < start)
        .find(|(_, value)| *value == at(args, 1));
    Ok(found.map_or(Datum::Null, |(subscript, _)| Datum::Int4(subscript)))
}

fn positions(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let found = subscripted(array)?
        .filter(|(_, value)| *value == at(args, 1))
        .map(|(subscript, _)| Datum::Int4(subscript))
        .collect();
    Ok(ArrayValue::list(PgType::Int4, found).datum())
}

/// How many of the sorted thresholds are not above the operand.
fn bucket(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(thresholds) = array_at(args, 1) else {
        return Ok(Datum::Null);
    };
    if thresholds.dimensions().len() > 1 {
        return Err(subscript_error("thresholds must be one-dimensional array"));
    }
    if thresholds.values.iter().any(Datum::is_null) {
        return Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "thresholds array must not contain NULLs",
        ));
    }
    let below = thresholds
        .values
        .partition_point(|threshold| threshold.cmp(at(args, 0)) != Ordering::Greater);
    Ok(Datum::Int4(i32::try_from(below).unwrap_or(i32::MAX)))
}
