//! Values as they stand in keys.

use super::assign::assign;
use crate::error::SqlError;
use crate::types::{Datum, PgType, SessionFormat};

/// A value as it stands in a key of type `ty`; nothing when no stored value can
/// equal it.
///
/// # Errors
/// Conversion errors.
pub(crate) fn as_key(
    value: Datum,
    ty: PgType,
    format: &SessionFormat,
) -> Result<Option<Datum>, SqlError> {
    let integer = value.as_i64();
    Ok(match (ty, integer) {
        (PgType::Int2, Some(n)) => i16::try_from(n).ok().map(Datum::Int2),
        (PgType::Int4, Some(n)) => i32::try_from(n).ok().map(Datum::Int4),
        (PgType::Int8, Some(n)) => Some(Datum::Int8(n)),
        _ => {
            let bare = match ty {
                // Without a length: trailing blanks are cut, nothing is refused.
                PgType::Char(_) => PgType::Char(0),
                other => other.unmodified(),
            };
            Some(assign(value, bare, format)?)
        }
    })
}
