//! Arrays: elements of one type in up to six dimensions, each with a lower
//! bound of its own.
//!
//! Arrow's lists know neither dimensions nor lower bounds, and lists of
//! different depth are different types, while PostgreSQL has one `integer[]`
//! for all of them. So outside of this module an array is one binary value, its
//! image ([`image`]): the same bytes are its cell in a stored row and its value
//! in an Arrow `BinaryView` column. Images sort as PostgreSQL sorts arrays, so
//! that the planner's comparisons, sorts and groups work on the bytes as they
//! are (for elements that have several forms of one value, after cutting off
//! what tells the forms apart: [`image::key_of_image`]).

pub mod image;
pub mod subscript;
mod text_in;

use std::cmp::Ordering;

use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::pg_type::PgType;

pub(crate) use text_in::{parse_array, parse_vector};

/// Most dimensions of an array.
pub const MAX_DIMENSIONS: usize = 6;
/// Most elements of an array.
pub const MAX_ELEMENTS: usize = 134_217_727;

/// One dimension of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// The first subscript.
    pub lower: i32,
    /// How many subscripts there are; more than none.
    pub length: i32,
}

impl Dimension {
    /// The last subscript.
    pub fn upper(&self) -> i32 {
        // `new` made sure that it exists.
        self.lower.wrapping_add(self.length).wrapping_sub(1)
    }
}

/// An array. Its order is PostgreSQL's: the elements in storage order, then
/// their number, then the dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArrayValue {
    /// The type of every element.
    pub element: PgType,
    /// The dimensions; none when there are no elements.
    dimensions: Vec<Dimension>,
    /// The elements, the last subscript running fastest; they may be NULL.
    pub values: Vec<Datum>,
}

impl ArrayValue {
    /// An array of one dimension counted from 1; empty without values.
    pub fn list(element: PgType, values: Vec<Datum>) -> ArrayValue {
        ArrayValue::counted_from(1, element, values)
    }

    /// A vector of the system catalogs, which counts from 0.
    pub fn vector(element: PgType, values: Vec<Datum>) -> ArrayValue {
        ArrayValue::counted_from(0, element, values)
    }

    fn counted_from(lower: i32, element: PgType, values: Vec<Datum>) -> ArrayValue {
        let length = i32::try_from(values.len()).unwrap_or(i32::MAX - 1);
        let dimensions = match length {
            0 => Vec::new(),
            length => vec![Dimension { lower, length }],
        };
        ArrayValue {
            element,
            dimensions,
            values,
        }
    }

    /// An array with these dimensions.
    ///
    /// # Errors
    /// 54000 for too many of them or too many elements, XX000 when there are more
    /// or fewer values than they say.
    pub fn new(
        element: PgType,
        dimensions: Vec<Dimension>,
        values: Vec<Datum>,
    ) -> SqlResult<ArrayValue> {
        let count = element_count(&dimensions)?;
        if count != values.len() {
            return Err(SqlError::internal("array elements and dimensions differ"));
        }
        Ok(ArrayValue {
            element,
            dimensions: if count == 0 { Vec::new() } else { dimensions },
            values,
        })
    }

    /// An array without elements.
    pub fn empty(element: PgType) -> ArrayValue {
        ArrayValue::list(element, Vec::new())
    }

    /// The dimensions; none when there are no elements.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The same array of other elements of another type, as many.
    ///
    /// # Errors
    /// Whatever `convert` reports.
    pub fn map<E>(
        self,
        element: PgType,
        convert: impl FnMut(Datum) -> Result<Datum, E>,
    ) -> Result<ArrayValue, E> {
        let values: Result<Vec<Datum>, E> = self.values.into_iter().map(convert).collect();
        Ok(ArrayValue {
            element,
            dimensions: self.dimensions,
            values: values?,
        })
    }

    /// The value as a [`Datum`].
    pub fn datum(self) -> Datum {
        Datum::Array(Box::new(self))
    }
}

impl Ord for ArrayValue {
    fn cmp(&self, other: &Self) -> Ordering {
        let bounds =
            |array: &ArrayValue| -> Vec<i32> { array.dimensions.iter().map(|d| d.lower).collect() };
        let lengths = |array: &ArrayValue| -> Vec<i32> {
            array.dimensions.iter().map(|d| d.length).collect()
        };
        self.values
            .cmp(&other.values)
            .then_with(|| self.dimensions.len().cmp(&other.dimensions.len()))
            .then_with(|| lengths(self).cmp(&lengths(other)))
            .then_with(|| bounds(self).cmp(&bounds(other)))
    }
}

impl PartialOrd for ArrayValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How many elements an array of these dimensions has.
///
/// # Errors
/// 54000 for too many dimensions, elements, or subscripts beyond an integer.
pub fn element_count(dimensions: &[Dimension]) -> SqlResult<usize> {
    if dimensions.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(dimensions.len()));
    }
    let mut count = usize::from(!dimensions.is_empty());
    for dimension in dimensions {
        let length = usize::try_from(dimension.length).map_err(|_| too_big())?;
        count = count
            .checked_mul(length)
            .filter(|n| *n <= MAX_ELEMENTS)
            .ok_or_else(too_big)?;
    }
    for dimension in dimensions {
        if dimension.lower.checked_add(dimension.length).is_none() {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                format!("array lower bound is too large: {}", dimension.lower),
            ));
        }
    }
    Ok(count)
}

/// 54000 for an array of this many dimensions.
pub(crate) fn too_many_dimensions(count: usize) -> SqlError {
    SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        format!(
            "number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
        ),
    )
}

/// 54000 for an array of too many elements.
pub(crate) fn too_big() -> SqlError {
    SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        format!("array size exceeds the maximum allowed ({MAX_ELEMENTS})"),
    )
}
