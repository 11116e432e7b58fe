//! What a result column is, for RowDescription.

use crate::query::OutputColumn;
use crate::types::{Format, PgType};

/// A result column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// Column name.
    pub name: String,
    /// The table it comes from, or 0.
    pub table_oid: u32,
    /// Its attribute number in that table, or 0.
    pub column: i16,
    /// Type.
    pub ty: PgType,
    /// Text or binary.
    pub format: Format,
}

impl FieldDescription {
    /// A column in text format.
    pub fn new(name: String, ty: PgType, table_oid: u32, column: i16) -> Self {
        Self {
            name,
            table_oid,
            column,
            // Clients are told of the type that a domain is over.
            ty: ty.base(),
            format: Format::Text,
        }
    }

    /// How values of the column are encoded.
    pub(crate) fn output(&self) -> crate::types::OutputColumn {
        crate::types::OutputColumn {
            pg_type: self.ty,
            format: self.format,
        }
    }

    /// Type identifier.
    pub fn type_oid(&self) -> u32 {
        self.ty.oid()
    }

    /// Length of a value in bytes, or -1.
    pub fn type_len(&self) -> i16 {
        self.ty.typlen()
    }

    /// Type modifier, or -1.
    pub fn typmod(&self) -> i32 {
        self.ty.typmod()
    }
}

impl From<&OutputColumn> for FieldDescription {
    fn from(column: &OutputColumn) -> Self {
        Self::new(
            column.name.clone(),
            column.pg_type,
            column.table_oid,
            column.attnum,
        )
    }
}
