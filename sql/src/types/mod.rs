//! Values: PostgreSQL's types, their text, binary, key, row and Arrow forms.

pub mod oid;
pub mod pg_type;
mod type_name;

pub use oid::Oid;
pub use pg_type::PgType;
