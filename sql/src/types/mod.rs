//! Values: PostgreSQL's types, their text, binary, key, row and Arrow forms.

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod array;
pub mod arrow_build;
pub mod arrow_map;
pub mod arrow_read;
pub mod binary_in;
pub mod binary_out;
pub mod calendar;
pub mod cell;
pub mod copy;
mod datetime_fields;
pub mod datetime_in;
pub mod datetime_out;
mod datetime_styled;
pub mod datum;
pub mod float_text;
pub mod format;
pub mod interval;
pub mod interval_in;
mod interval_styled;
pub mod json;
pub mod key;
pub mod modifier;
pub mod numeric;
pub mod oid;
pub mod pg_type;
pub mod record;
pub mod row;
pub mod styles;
pub mod text_in;
pub mod text_out;
#[cfg(test)]
mod text_tests;
mod type_name;
pub mod user;
mod wire_column;
pub mod wire_encode;

pub use array::ArrayValue;
pub use binary_in::binary_in;
pub use binary_out::write_binary;
pub use calendar::TimeZone;
pub use datum::Datum;
pub use format::SessionFormat;
pub use interval::Interval;
pub use modifier::Conversion;
pub use numeric::Numeric;
pub use oid::Oid;
pub use pg_type::PgType;
pub use record::RecordValue;
pub use row::{RowLayout, RowView};
pub use styles::{DateOrder, DateStyle, IntervalStyle, Styles};
pub use text_in::text_in;
pub use text_out::{text_out, write_text};
pub use wire_encode::{BatchEncoder, Format, OutputColumn};
