//! `a[1]`, `a[1:2]`, and the values that assignments to them make.
//!
//! A call says in a text what its subscripts are, one letter for each: `i` an
//! index; `b`, `l`, `u` and `n` a slice with both bounds, only the lower, only
//! the upper, none. Each bound that is there is an argument.

use super::super::args::{INT4, TEXT, at, int_at, str_at};
use super::super::overload::{Arg, Call, Gives, Overload};
use super::{array_at, element_type};
use crate::error::{SqlError, SqlResult, state};
use crate::types::array::subscript::{self, Bounds};
use crate::types::{ArrayValue, Datum};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::generic(
        "__subscript",
        &[Arg::AnyArray, INT4],
        Gives::Element,
        element,
    )
    .variadic(),
    Overload::generic("__slice", &[Arg::AnyArray, TEXT, INT4], Gives::Array, slice).variadic(),
    Overload::generic(
        "__with_element",
        &[Arg::AnyArray, Arg::AnyElement, INT4],
        Gives::Array,
        with_element,
    )
    .variadic()
    .lenient(),
    Overload::generic(
        "__with_slice",
        &[Arg::AnyArray, Arg::AnyArray, TEXT, INT4],
        Gives::Array,
        with_slice,
    )
    .variadic()
    .lenient(),
];

fn element(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let subscripts: Vec<i32> = (1..args.len()).filter_map(|i| int_at(args, i)).collect();
    Ok(subscript::element(array, &subscripts).clone())
}

/// The bounds that the letters in `shape` say the arguments from `first` on are.
/// Where there is a slice, a plain index stands for "up to".
fn bounds(shape: &str, args: &[Datum], first: usize) -> SqlResult<Vec<Bounds>> {
    let mut next = first;
    let mut take = || {
        next += 1;
        int_at(args, next - 1)
            .map(Some)
            .ok_or_else(|| SqlError::internal("a bound is missing"))
    };
    shape
        .chars()
        .map(|letter| {
            Ok(match letter {
                'i' => Bounds {
                    lower: Some(1),
                    upper: take()?,
                },
                'b' => Bounds {
                    lower: take()?,
                    upper: take()?,
                },
                'l' => Bounds {
                    lower: take()?,
                    upper: None,
                },
                'u' => Bounds {
                    lower: None,
                    upper: take()?,
                },
                _ => Bounds {
                    lower: None,
                    upper: None,
                },
            })
        })
        .collect()
}

fn slice(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(array) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let bounds = bounds(str_at(args, 1), args, 2)?;
    Ok(subscript::slice(array, &bounds)?.datum())
}

/// Subscripts of an assignment must be there.
fn no_nulls(args: &[Datum]) -> SqlResult<()> {
    if args.iter().any(Datum::is_null) {
        return Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "array subscript in assignment must not be null",
        ));
    }
    Ok(())
}

fn owned(args: &[Datum]) -> Option<ArrayValue> {
    array_at(args, 0).cloned()
}

fn with_element(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    no_nulls(args.get(2..).unwrap_or_default())?;
    let subscripts: Vec<i32> = (2..args.len()).filter_map(|i| int_at(args, i)).collect();
    let value = at(args, 1).clone();
    Ok(subscript::with_element(owned(args), element_type(call, 0), &subscripts, value)?.datum())
}

fn with_slice(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    no_nulls(args.get(3..).unwrap_or_default())?;
    // Nothing is assigned then.
    let Some(source) = array_at(args, 1) else {
        return Ok(at(args, 0).clone());
    };
    let bounds = bounds(str_at(args, 2), args, 3)?;
    Ok(subscript::with_slice(owned(args), element_type(call, 0), &bounds, source)?.datum())
}
