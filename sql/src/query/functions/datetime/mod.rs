//! Functions of dates and times, a file for each thing that is asked of them.

mod age;
mod bin;
mod day;
mod extract;
pub(in crate::query) mod format;
mod justify;
mod make;
mod make_interval;
mod now;
mod overlaps;
mod parts;
mod timetz;
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
        .chain(make_interval::OVERLOADS)
        .chain(justify::OVERLOADS)
        .chain(format::overloads())
        .chain(timetz::OVERLOADS)
        .chain(overlaps::OVERLOADS)
}
