//! Dates and times by a template: `to_char`, `to_date`, `to_timestamp`.

mod fields;
mod names;
mod read;
mod template;
mod to_char;
mod write;

pub(in crate::query) mod parse;

use super::super::overload::Overload;

/// Overloads of this module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    to_char::OVERLOADS.iter().chain(parse::OVERLOADS)
}
