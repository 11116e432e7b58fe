//! Subscripts and slices: reading them, and assigning to them.

use super::{ArrayValue, Dimension, MAX_DIMENSIONS, element_count, too_big, too_many_dimensions};
use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::pg_type::PgType;

/// The bounds of one dimension of a slice; `None` where the array's own counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first subscript.
    pub lower: Option<i32>,
    /// The last one.
    pub upper: Option<i32>,
}

/// The element with these subscripts; NULL when there is none.
pub fn element<'a>(array: &'a ArrayValue, subscripts: &[i32]) -> &'a Datum {
    const NULL: &Datum = &Datum::Null;
    match offset(array.dimensions(), subscripts) {
        Some(at) => array.values.get(at).unwrap_or(NULL),
        None => NULL,
    }
}

/// Where an element is stored.
fn offset(dimensions: &[Dimension], subscripts: &[i32]) -> Option<usize> {
    if dimensions.is_empty() || dimensions.len() != subscripts.len() {
        return None;
    }
    let mut offset = 0usize;
    for (dimension, subscript) in dimensions.iter().zip(subscripts) {
        let at = i64::from(*subscript) - i64::from(dimension.lower);
        if !(0..i64::from(dimension.length)).contains(&at) {
            return None;
        }
        let length = usize::try_from(dimension.length).ok()?;
        offset = offset * length + usize::try_from(at).ok()?;
    }
    Some(offset)
}

/// The part of an array between bounds, counted from 1; empty when nothing of
/// the array is there. Dimensions that no bounds are given for stay whole.
///
/// # Errors
/// XX000 when the array is inconsistent.
pub fn slice(array: &ArrayValue, bounds: &[Bounds]) -> SqlResult<ArrayValue> {
    let own = array.dimensions();
    if own.is_empty() || own.len() < bounds.len() {
        return Ok(ArrayValue::empty(array.element));
    }
    let mut ranges = Vec::with_capacity(own.len());
    for (index, dimension) in own.iter().enumerate() {
        let asked = bounds.get(index);
        let lower = asked.and_then(|b| b.lower).unwrap_or(dimension.lower);
        let upper = asked.and_then(|b| b.upper).unwrap_or(dimension.upper());
        let (lower, upper) = (lower.max(dimension.lower), upper.min(dimension.upper()));
        if lower > upper {
            return Ok(ArrayValue::empty(array.element));
        }
        ranges.push((lower, upper));
    }
    let mut values = Vec::new();
    walk(&ranges, |subscripts| {
        values.push(element(array, subscripts).clone());
        Ok(())
    })?;
    let dimensions = ranges
        .iter()
        .map(|(lower, upper)| Dimension {
            lower: 1,
            length: upper - lower + 1,
        })
        .collect();
    ArrayValue::new(array.element, dimensions, values)
}

/// Calls `each` with all subscripts in the ranges, the last running fastest.
fn walk(ranges: &[(i32, i32)], mut each: impl FnMut(&[i32]) -> SqlResult<()>) -> SqlResult<()> {
    let mut at: Vec<i32> = ranges.iter().map(|(lower, _)| *lower).collect();
    loop {
        each(&at)?;
        let mut index = ranges.len();
        loop {
            let Some(before) = index.checked_sub(1) else {
                return Ok(());
            };
            index = before;
            let (Some(value), Some((lower, upper))) = (at.get_mut(index), ranges.get(index)) else {
                return Ok(());
            };
            if *value < *upper {
                *value += 1;
                break;
            }
            *value = *lower;
        }
    }
}

/// The array with one element replaced, or added at either end.
///
/// # Errors
/// 2202E for a wrong number of subscripts, and for one outside of an array of
/// several dimensions; 54000 for too big an array.
pub fn with_element(
    array: Option<ArrayValue>,
    element: PgType,
    subscripts: &[i32],
    value: Datum,
) -> SqlResult<ArrayValue> {
    let array = array.unwrap_or_else(|| ArrayValue::empty(element));
    if subscripts.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(subscripts.len()));
    }
    if array.dimensions().is_empty() {
        let dimensions: Vec<Dimension> = subscripts
            .iter()
            .map(|lower| Dimension {
                lower: *lower,
                length: 1,
            })
            .collect();
        element_count(&dimensions)?;
        return ArrayValue::new(element, dimensions, vec![value]);
    }
    if array.dimensions().len() != subscripts.len() {
        return Err(wrong_number());
    }
    let mut array = match (array.dimensions(), subscripts) {
        ([_], [subscript]) => grown(array, *subscript, *subscript)?,
        _ => array,
    };
    let at = offset(array.dimensions(), subscripts)
        .ok_or_else(|| subscript_error("array subscript out of range"))?;
    if let Some(slot) = array.values.get_mut(at) {
        *slot = value;
    }
    Ok(array)
}

/// A one-dimensional array made longer, with NULLs, so that it has the
/// subscripts from `lower` to `upper`.
fn grown(mut array: ArrayValue, lower: i32, upper: i32) -> SqlResult<ArrayValue> {
    let [dimension] = array.dimensions() else {
        return Ok(array);
    };
    let (own_lower, own_upper) = (dimension.lower, dimension.upper());
    let (new_lower, new_upper) = (own_lower.min(lower), own_upper.max(upper));
    let length = i64::from(new_upper) - i64::from(new_lower) + 1;
    let dimension = Dimension {
        lower: new_lower,
        length: i32::try_from(length).map_err(|_| too_big())?,
    };
    let count = element_count(&[dimension])?;
    let before = usize::try_from(i64::from(own_lower) - i64::from(new_lower)).unwrap_or(0);
    array
        .values
        .splice(0..0, std::iter::repeat_n(Datum::Null, before));
    array.values.resize(count, Datum::Null);
    ArrayValue::new(array.element, vec![dimension], array.values)
}

/// The array with a slice replaced by the elements of another array.
///
/// # Errors
/// 2202E for bounds that make no sense, are missing where the array is empty, or
/// lie outside of an array of several dimensions, and for too few new elements.
pub fn with_slice(
    array: Option<ArrayValue>,
    element: PgType,
    bounds: &[Bounds],
    source: &ArrayValue,
) -> SqlResult<ArrayValue> {
    let array = array.unwrap_or_else(|| ArrayValue::empty(element));
    if bounds.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(bounds.len()));
    }
    let mut array = if array.dimensions().is_empty() {
        fresh(element, bounds, source)?
    } else {
        if array.dimensions().len() < bounds.len() {
            return Err(wrong_number());
        }
        array
    };
    let mut ranges = Vec::with_capacity(array.dimensions().len());
    for (index, dimension) in array.dimensions().iter().enumerate() {
        let asked = bounds.get(index);
        let lower = asked.and_then(|b| b.lower).unwrap_or(dimension.lower);
        let upper = asked.and_then(|b| b.upper).unwrap_or(dimension.upper());
        if lower > upper && !(lower == dimension.lower && upper == dimension.upper()) {
            return Err(subscript_error(
                "upper bound cannot be less than lower bound",
            ));
        }
        ranges.push((lower, upper));
    }
    if let [(lower, upper)] = ranges.as_slice() {
        array = grown(array, *lower, *upper)?;
    }
    for ((lower, upper), dimension) in ranges.iter().zip(array.dimensions()) {
        if *lower < dimension.lower || *upper > dimension.upper() {
            return Err(subscript_error("array subscript out of range"));
        }
    }
    let mut wanted = 1usize;
    for (lower, upper) in &ranges {
        wanted = wanted.saturating_mul(
            usize::try_from(i64::from(*upper) - i64::from(*lower) + 1).unwrap_or(0),
        );
    }
    if source.values.len() < wanted {
        return Err(too_small());
    }
    let dimensions = array.dimensions().to_vec();
    let mut next = source.values.iter();
    walk(&ranges, |subscripts| {
        if let (Some(at), Some(value)) = (offset(&dimensions, subscripts), next.next())
            && let Some(slot) = array.values.get_mut(at)
        {
            *slot = value.clone();
        }
        Ok(())
    })?;
    Ok(array)
}

/// An array of NULLs with the bounds of a slice.
fn fresh(element: PgType, bounds: &[Bounds], source: &ArrayValue) -> SqlResult<ArrayValue> {
    let mut dimensions = Vec::with_capacity(bounds.len());
    for bound in bounds {
        let (Some(lower), Some(upper)) = (bound.lower, bound.upper) else {
            return Err(
                subscript_error("array slice subscript must provide both boundaries").detail(
                    "When assigning to a slice of an empty array value, slice boundaries must be fully specified.",
                ),
            );
        };
        if lower > upper {
            return Err(subscript_error(
                "upper bound cannot be less than lower bound",
            ));
        }
        let length = i64::from(upper) - i64::from(lower) + 1;
        dimensions.push(Dimension {
            lower,
            length: i32::try_from(length).map_err(|_| too_big())?,
        });
    }
    let count = element_count(&dimensions)?;
    if source.values.len() < count {
        return Err(too_small());
    }
    ArrayValue::new(element, dimensions, vec![Datum::Null; count])
}

fn too_small() -> SqlError {
    subscript_error("source array too small")
}

fn wrong_number() -> SqlError {
    subscript_error("wrong number of array subscripts")
}

fn subscript_error(message: &str) -> SqlError {
    SqlError::new(state::ARRAY_SUBSCRIPT_ERROR, message)
}
