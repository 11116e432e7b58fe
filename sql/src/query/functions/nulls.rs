//! Which of some values are NULL, and whether a row is: one is NULL when all its
//! attributes are, and not NULL when none is.

use super::overload::{Arg, Overload};
use crate::error::SqlResult;
use crate::types::{Datum, PgType};

/// The names of the tests of a row.
pub(in crate::query) const ROW_IS_NULL: &str = "__row_is_null";
pub(in crate::query) const ROW_IS_NOT_NULL: &str = "__row_is_not_null";

/// Functions of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(ROW_IS_NULL, &[Arg::Any], PgType::Bool, |_, args| {
        Ok(Datum::Bool(attributes(args).all(Datum::is_null)))
    })
    .lenient(),
    Overload::new(ROW_IS_NOT_NULL, &[Arg::Any], PgType::Bool, |_, args| {
        Ok(Datum::Bool(!attributes(args).any(Datum::is_null)))
    })
    .lenient(),
    Overload::new("num_nulls", &[Arg::Any], PgType::Int4, |_, args| {
        count(args, Datum::is_null)
    })
    .lenient()
    .variadic(),
    Overload::new("num_nonnulls", &[Arg::Any], PgType::Int4, |_, args| {
        count(args, |value| !value.is_null())
    })
    .lenient()
    .variadic(),
];

/// The values of the attributes of the first argument; of no row, that it is none.
fn attributes(args: &[Datum]) -> impl Iterator<Item = &Datum> {
    args.iter().take(1).flat_map(|value| match value {
        Datum::Record(record) => record.values.as_slice(),
        other => std::slice::from_ref(other),
    })
}

fn count(args: &[Datum], of: impl Fn(&Datum) -> bool) -> SqlResult<Datum> {
    let found = args.iter().filter(|value| of(value)).count();
    Ok(Datum::Int4(i32::try_from(found).unwrap_or(i32::MAX)))
}
