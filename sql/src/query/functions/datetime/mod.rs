//! Functions of dates and times, a file for each thing that is asked of them.

mod age;
mod bin;
mod day;
mod extract;
mod justify;
mod make;
mod now;
mod parts;
mod to_char;
mod truncate;
mod zone;

use super::overload::Overload;

pub(in crate::query) use extract::extract_function;

/// All overloads of the module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    now::OVERLOADS
        .iter()
        .chain(zone::OVERLOADS)
        .chain(extract::OVERLOADS)
        .chain(extract::extract_overloads())
        .chain(truncate::OVERLOADS)
        .chain(age::OVERLOADS)
        .chain(bin::OVERLOADS)
        .chain(make::OVERLOADS)
        .chain(justify::OVERLOADS)
        .chain(to_char::OVERLOADS)
}
