//! Functions of numbers.

mod degrees;
mod float;
mod integer;
mod numeric;

use super::overload::Overload;

/// Overloads of this module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    float::OVERLOADS
        .iter()
        .chain(degrees::OVERLOADS)
        .chain(integer::OVERLOADS)
        .chain(numeric::OVERLOADS)
}
