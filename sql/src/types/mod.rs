//! Values: PostgreSQL's types, their text, binary, key, row and Arrow forms.

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod cell;
pub mod datum;
pub mod interval;
pub mod json;
pub mod key;
pub mod numeric;
mod numeric_text;
pub mod oid;
pub mod pg_type;
pub mod row;
mod type_name;

pub use datum::{ArrayValue, Datum};
pub use interval::Interval;
pub use numeric::Numeric;
pub use oid::Oid;
pub use pg_type::PgType;
pub use row::{RowLayout, RowView};
