//! What a result column is, for RowDescription.

use crate::error::{SqlError, state};
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

/// Checks that a statement that is planned again has the columns that its client was told
/// of; the table behind them may be another one.
///
/// # Errors
/// 0A000 when they differ.
pub(super) fn check_result(
    told: Option<&[FieldDescription]>,
    found: Option<&[FieldDescription]>,
) -> Result<(), SqlError> {
    let shown = |fields: Option<&[FieldDescription]>| {
        let of = |field: &FieldDescription| (field.name.clone(), field.ty);
        fields.map(|fields| fields.iter().map(of).collect::<Vec<_>>())
    };
    if shown(told) == shown(found) {
        return Ok(());
    }
    Err(SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        "cached plan must not change result type",
    ))
}
