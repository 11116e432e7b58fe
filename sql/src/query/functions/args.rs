//! What arguments functions take, and reading them.
//!
//! Number and types of the arguments are settled before a function is called,
//! so reading one does not have to say what is wrong with it.

use super::overload::Arg;
use crate::error::SqlError;
use crate::types::{Datum, PgType};

pub(super) const BOOL: Arg = Arg::Is(PgType::Bool);
pub(super) const INT2: Arg = Arg::Is(PgType::Int2);
pub(super) const INT4: Arg = Arg::Is(PgType::Int4);
pub(super) const INT8: Arg = Arg::Is(PgType::Int8);
pub(super) const FLOAT8: Arg = Arg::Is(PgType::Float8);
pub(super) const NUMERIC: Arg = Arg::Is(PgType::Numeric(None));
pub(super) const OID: Arg = Arg::Is(PgType::Oid);
pub(super) const TEXT: Arg = Arg::Is(PgType::Text);
pub(super) const DATE: Arg = Arg::Is(PgType::Date);
pub(super) const TIME: Arg = Arg::Is(PgType::Time);
pub(super) const TIMESTAMP: Arg = Arg::Is(PgType::Timestamp);
pub(super) const TIMESTAMPTZ: Arg = Arg::Is(PgType::Timestamptz);
pub(super) const INTERVAL: Arg = Arg::Is(PgType::Interval);
pub(super) const JSON: Arg = Arg::Is(PgType::Json);
pub(super) const JSONB: Arg = Arg::Is(PgType::Jsonb);

/// An argument.
pub(super) fn at(args: &[Datum], index: usize) -> &Datum {
    args.get(index).unwrap_or(&Datum::Null)
}

/// An argument that is text.
pub(super) fn str_at(args: &[Datum], index: usize) -> &str {
    at(args, index).as_str().unwrap_or_default()
}

/// An argument that is an integer.
pub(super) fn int_at(args: &[Datum], index: usize) -> Option<i32> {
    match at(args, index) {
        Datum::Int4(value) => Some(*value),
        _ => None,
    }
}

/// For an argument that is not what the overload says: a fault of ours.
pub(super) fn mismatch() -> SqlError {
    SqlError::internal("an argument is of another type than announced")
}
