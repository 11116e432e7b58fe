//! Arrays made of values: `ARRAY[…]`, `array_fill`, and the aggregate.

use super::super::args::{at, int_at};
use super::super::overload::{Arg, Call, Gives, Overload};
use super::{array_at, element_type, subscript_error};
use crate::error::{SqlError, SqlResult, state};
use crate::types::array::Dimension;
use crate::types::{ArrayValue, Datum, PgType};

/// `integer[]`.
const INTEGERS: Arg = Arg::Is(PgType::Array(&PgType::Int4));

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    // `ARRAY[…]`.
    Overload::generic("__array", &[Arg::Compatible], Gives::Array, |c, a| {
        nested(c, a, 0)
    })
    .variadic()
    .lenient(),
    // `ARRAY[…]::type[]`: the first argument is NULL and of that type.
    Overload::generic(
        "__array_of",
        &[Arg::CompatibleArray, Arg::ElementOrArray],
        Gives::Array,
        |c, a| nested(c, a, 1),
    )
    .variadic()
    .lenient(),
    // The elements as a list, for the planner's `unnest`.
    Overload::generic("__list", &[Arg::AnyArray], Gives::List, |_, a| {
        Ok(at(a, 0).clone())
    }),
    // The list of an aggregate as an array.
    Overload::generic("__from_list", &[Arg::AnyArray], Gives::Array, from_list),
    Overload::generic(
        "array_fill",
        &[Arg::AnyElement, INTEGERS],
        Gives::Array,
        fill,
    )
    .lenient(),
    Overload::generic(
        "array_fill",
        &[Arg::AnyElement, INTEGERS, INTEGERS],
        Gives::Array,
        fill,
    )
    .lenient(),
];

/// An array of elements; when they are arrays, one of a dimension more.
fn nested(call: &Call<'_>, args: &[Datum], first: usize) -> SqlResult<Datum> {
    let values = args.get(first..).unwrap_or_default();
    let types = call.types.get(first..).unwrap_or_default();
    let ty = types.first().copied().unwrap_or(PgType::Text);
    match ty.array_element() {
        Some(element) => join(element, values.iter()).map(ArrayValue::datum),
        None => {
            let element = if first == 0 {
                ty
            } else {
                element_type(call, 0)
            };
            Ok(ArrayValue::list(element, values.to_vec()).datum())
        }
    }
}

/// Arrays of the same dimensions, one after the other, as one array.
pub(super) fn join<'a>(
    element: PgType,
    arrays: impl ExactSizeIterator<Item = &'a Datum>,
) -> SqlResult<ArrayValue> {
    let count = i32::try_from(arrays.len()).map_err(|_| crate::types::array::too_big())?;
    let mut inner: Option<Vec<Dimension>> = None;
    let mut values = Vec::new();
    for item in arrays {
        let own = match item {
            Datum::Array(array) => {
                values.extend(array.values.iter().cloned());
                array.dimensions().to_vec()
            }
            _ => Vec::new(),
        };
        match &inner {
            Some(first) if *first != own => {
                return Err(subscript_error(
                    "multidimensional arrays must have array expressions with matching dimensions",
                ));
            }
            _ => inner = Some(own),
        }
    }
    let inner = inner.unwrap_or_default();
    if inner.is_empty() {
        return Ok(ArrayValue::empty(element));
    }
    let mut dimensions = vec![Dimension {
        lower: 1,
        length: count,
    }];
    dimensions.extend(inner);
    ArrayValue::new(element, dimensions, values)
}

/// What `array_agg` gathered. Arrays are gathered to an array of one dimension
/// more.
fn from_list(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(list) = array_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let arrays = list.values.iter().any(|v| matches!(v, Datum::Array(_)));
    if !arrays || list.element.is_vector() {
        return Ok(Datum::Array(Box::new(list.clone())));
    }
    let mut first: Option<&[Dimension]> = None;
    for value in &list.values {
        let Datum::Array(array) = value else {
            return Err(SqlError::new(
                state::NULL_VALUE_NOT_ALLOWED,
                "cannot accumulate null arrays",
            ));
        };
        if array.dimensions().is_empty() {
            return Err(subscript_error("cannot accumulate empty arrays"));
        }
        if first.is_some_and(|first| first != array.dimensions()) {
            return Err(subscript_error(
                "cannot accumulate arrays of different dimensionality",
            ));
        }
        first = Some(array.dimensions());
    }
    join(list.element, list.values.iter()).map(ArrayValue::datum)
}

fn fill(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let element = call.types.first().copied().unwrap_or(PgType::Text);
    let missing = || {
        SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "dimension array or low bound array cannot be null",
        )
    };
    let lengths = integers(array_at(args, 1).ok_or_else(missing)?, "Dimension")?;
    let lowers = match args.len() {
        3 => integers(array_at(args, 2).ok_or_else(missing)?, "Low bound")?,
        _ => vec![1; lengths.len()],
    };
    if lowers.len() != lengths.len() {
        return Err(subscript_error("wrong number of array subscripts")
            .detail("Low bound array has different size than dimensions array."));
    }
    let dimensions: Vec<Dimension> = lengths
        .iter()
        .zip(&lowers)
        .map(|(length, lower)| Dimension {
            lower: *lower,
            length: *length,
        })
        .collect();
    let count = crate::types::array::element_count(&dimensions)?;
    let values = vec![at(args, 0).clone(); count];
    Ok(ArrayValue::new(element, dimensions, values)?.datum())
}

/// The integers of a one-dimensional array without NULLs.
fn integers(array: &ArrayValue, what: &str) -> SqlResult<Vec<i32>> {
    if array.dimensions().len() > 1 {
        return Err(subscript_error("wrong number of array subscripts")
            .detail(format!("{what} array must be one dimensional.")));
    }
    (0..array.values.len())
        .map(|index| {
            int_at(&array.values, index).ok_or_else(|| {
                SqlError::new(
                    state::NULL_VALUE_NOT_ALLOWED,
                    "dimension values cannot be null",
                )
            })
        })
        .collect()
}
