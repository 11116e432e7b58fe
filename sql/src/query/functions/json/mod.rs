//! Operators and functions of `json` and `jsonb`.
//!
//! `json` keeps its text, so its members are cut out of it as they are written;
//! `jsonb` is in normal form, so that a piece of its text is in normal form too.

mod access;
mod aggregate;
mod build;
mod change;
mod compare;
mod kind;
mod path;
mod pieces;
mod reshape;
mod rows;
mod subscript;

use super::overload::Overload;
use crate::error::SqlResult;
use crate::types::Datum;

pub(in crate::query) use kind::kind;

/// All overloads of the module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    access::OVERLOADS
        .iter()
        .chain(compare::OVERLOADS)
        .chain(change::OVERLOADS)
        .chain(kind::OVERLOADS)
        .chain(build::OVERLOADS)
        .chain(aggregate::OVERLOADS)
        .chain(path::OVERLOADS)
        .chain(reshape::OVERLOADS)
        .chain(rows::OVERLOADS)
        .chain(subscript::OVERLOADS)
}

/// A `jsonb` value.
pub(super) fn written(value: &crate::types::json::Json) -> Datum {
    let mut out = String::new();
    value.write(&mut out);
    Datum::Jsonb(out)
}

/// The text of a JSON value.
pub(super) fn text(value: &Datum) -> &str {
    value.as_str().unwrap_or("null")
}

/// Texts of JSON in `jsonb`'s normal form.
fn normal(text: &str) -> SqlResult<Datum> {
    crate::types::json::normalize(text).map(Datum::Jsonb)
}
