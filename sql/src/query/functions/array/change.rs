//! Arrays with elements added, replaced or taken away.

use super::super::args::{INT4, at, int_at};
use super::super::overload::{Arg, Call, Gives, Overload};
use super::{array_at, element_type, one_dimension, subscript_error};
use crate::error::{SqlError, SqlResult, state};
use crate::types::array::Dimension;
use crate::types::array::subscript::{Bounds, slice};
use crate::types::{ArrayValue, Datum};

const ARRAY: Arg = Arg::CompatibleArray;
const ELEMENT: Arg = Arg::Compatible;

/// Overloads of this module. Of two arrays, or an array and NULL, `||` takes
/// both for arrays.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::generic("||", &[ARRAY, ARRAY], Gives::Array, concat).lenient(),
    Overload::generic("||", &[ARRAY, ELEMENT], Gives::Array, append).lenient(),
    Overload::generic("||", &[ELEMENT, ARRAY], Gives::Array, prepend).lenient(),
    Overload::generic("array_cat", &[ARRAY, ARRAY], Gives::Array, concat).lenient(),
    Overload::generic("array_append", &[ARRAY, ELEMENT], Gives::Array, append).lenient(),
    Overload::generic("array_prepend", &[ELEMENT, ARRAY], Gives::Array, prepend).lenient(),
    Overload::generic("array_remove", &[ARRAY, ELEMENT], Gives::Array, remove).lenient(),
    Overload::generic(
        "array_replace",
        &[ARRAY, ELEMENT, ELEMENT],
        Gives::Array,
        replace,
    )
    .lenient(),
    Overload::generic("trim_array", &[Arg::AnyArray, INT4], Gives::Array, trim),
];

fn append(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    add(element_type(call, 0), array_at(args, 0), at(args, 1), false)
}

fn prepend(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    add(element_type(call, 1), array_at(args, 1), at(args, 0), true)
}

/// An array with an element more at one end. The lower bound stays.
fn add(
    element: crate::types::PgType,
    array: Option<&ArrayValue>,
    value: &Datum,
    front: bool,
) -> SqlResult<Datum> {
    let (lower, mut values) = match array.map(|a| (a.dimensions(), &a.values)) {
        None | Some(([], _)) => (1, Vec::with_capacity(1)),
        Some(([dimension], values)) => (dimension.lower, values.clone()),
        Some(_) => {
            return Err(SqlError::new(
                state::DATA_EXCEPTION,
                "argument must be empty or one-dimensional array",
            ));
        }
    };
    values.insert(if front { 0 } else { values.len() }, value.clone());
    from(element, lower, values)
}

/// A one-dimensional array that counts from `lower`.
fn from(element: crate::types::PgType, lower: i32, values: Vec<Datum>) -> SqlResult<Datum> {
    let length = i32::try_from(values.len()).map_err(|_| crate::types::array::too_big())?;
    let dimensions = vec![Dimension { lower, length }];
    Ok(ArrayValue::new(element, dimensions, values)?.datum())
}

fn concat(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (left, right) = match (array_at(args, 0), array_at(args, 1)) {
        (Some(left), Some(right)) => (left, right),
        (Some(one), None) | (None, Some(one)) => return Ok(Datum::Array(Box::new(one.clone()))),
        (None, None) => return Ok(Datum::Null),
    };
    let (a, b) = (left.dimensions(), right.dimensions());
    if a.is_empty() {
        return Ok(Datum::Array(Box::new(right.clone())));
    }
    if b.is_empty() {
        return Ok(Datum::Array(Box::new(left.clone())));
    }
    let dimensions = joined(a, b)?;
    let mut values = left.values.clone();
    values.extend(right.values.iter().cloned());
    Ok(ArrayValue::new(left.element, dimensions, values)?.datum())
}

/// The dimensions of two arrays put together: both have the same members, or
/// one is a member of the other.
fn joined(a: &[Dimension], b: &[Dimension]) -> SqlResult<Vec<Dimension>> {
    let unlike = |what: &str| {
        subscript_error("cannot concatenate incompatible arrays").detail(format!(
            "Arrays with differing {what} are not compatible for concatenation."
        ))
    };
    let inner = |all: &[Dimension]| all.get(1..).unwrap_or_default().to_vec();
    let outer = |all: &[Dimension], more: i32| -> SqlResult<Vec<Dimension>> {
        let mut all = all.to_vec();
        if let Some(first) = all.first_mut() {
            first.length = first
                .length
                .checked_add(more)
                .ok_or_else(crate::types::array::too_big)?;
        }
        Ok(all)
    };
    let first = |all: &[Dimension]| all.first().map_or(0, |d| d.length);
    match a.len().abs_diff(b.len()) {
        0 if inner(a) == inner(b) => outer(a, first(b)),
        0 => Err(unlike("element dimensions")),
        1 if a.len() > b.len() && inner(a) == b => outer(a, 1),
        1 if a.len() < b.len() && inner(b) == a => outer(b, 1),
        _ => Err(unlike("dimensions")),
    }
}

fn remove(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    one_dimension(array, "removing elements from")?;
    let unwanted = at(args, 1);
    let kept: Vec<Datum> = array
        .values
        .iter()
        .filter(|value| *value != unwanted)
        .cloned()
        .collect();
    match array.dimensions() {
        [dimension] => from(array.element, dimension.lower, kept),
        _ => Ok(ArrayValue::empty(array.element).datum()),
    }
}

fn replace(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let (from, to) = (at(args, 1), at(args, 2));
    let element = array.element;
    Ok(array
        .clone()
        .map(element, |value| {
            Ok::<_, SqlError>(if value == *from { to.clone() } else { value })
        })?
        .datum())
}

fn trim(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (Some(array), Some(count)) = (array_at(args, 0), int_at(args, 1)) else {
        return Ok(Datum::Null);
    };
    let first = array.dimensions().first().copied();
    let length = first.map_or(0, |d| d.length);
    if !(0..=length).contains(&count) {
        return Err(subscript_error(&format!(
            "number of elements to trim must be between 0 and {length}"
        )));
    }
    let upper = first.map(|d| d.upper().saturating_sub(count));
    Ok(slice(array, &[Bounds { lower: None, upper }])?.datum())
}
