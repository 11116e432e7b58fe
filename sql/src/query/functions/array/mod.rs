//! Operators and functions of arrays.

mod bounds;
mod build;
mod change;
mod member;
mod search;
mod subscript;
mod text;

use super::args::at;
use super::overload::{Call, Overload};
use crate::error::{SqlError, state};
use crate::types::{ArrayValue, Datum, PgType};

/// All overloads of the module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    build::OVERLOADS
        .iter()
        .chain(bounds::OVERLOADS)
        .chain(change::OVERLOADS)
        .chain(member::OVERLOADS)
        .chain(search::OVERLOADS)
        .chain(subscript::OVERLOADS)
        .chain(text::OVERLOADS)
}

/// An argument that is an array; `None` when it is NULL.
fn array_at(args: &[Datum], index: usize) -> Option<&ArrayValue> {
    match at(args, index) {
        Datum::Array(array) => Some(array),
        _ => None,
    }
}

/// The element type of an argument that is an array.
fn element_type(call: &Call<'_>, index: usize) -> PgType {
    let ty = call.types.get(index).copied();
    ty.and_then(PgType::element).unwrap_or(PgType::Text)
}

/// An error about subscripts or bounds.
fn subscript_error(message: &str) -> SqlError {
    SqlError::new(state::ARRAY_SUBSCRIPT_ERROR, message)
}

/// Refuses what is only there for arrays of one dimension.
fn one_dimension(array: &ArrayValue, what: &str) -> crate::error::SqlResult<()> {
    if array.dimensions().len() > 1 {
        return Err(SqlError::unsupported(format!(
            "{what} multidimensional arrays"
        )));
    }
    Ok(())
}

/// What is wrong with arguments that a piece of array syntax has no function for;
/// `None` for other functions.
pub(super) fn no_overload(name: &str, types: &[PgType]) -> Option<SqlError> {
    let ty = |index: usize| types.get(index).copied().unwrap_or(PgType::Unknown);
    Some(match name {
        "__array" => {
            let known = |ty: &&PgType| **ty != PgType::Unknown;
            let first = types.iter().find(known).copied().unwrap_or(PgType::Text);
            let other = types
                .iter()
                .filter(known)
                .find(|ty| super::super::plan::unify(first, **ty).is_none())
                .copied()
                .unwrap_or(first);
            SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "ARRAY types {} and {} cannot be matched",
                    first.base_name(),
                    other.base_name()
                ),
            )
        }
        "__subscript" | "__slice" if ty(0).element().is_none() => SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "cannot subscript type {} because it does not support subscripting",
                ty(0).base_name()
            ),
        ),
        "__subscript" | "__slice" => SqlError::new(
            state::DATATYPE_MISMATCH,
            "array subscript must have type integer",
        ),
        "__any" | "__all" if ty(2).element().is_none() => SqlError::new(
            state::WRONG_OBJECT_TYPE,
            "op ANY/ALL (array) requires array on right side",
        ),
        _ => return None,
    })
}
