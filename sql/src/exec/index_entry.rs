//! Entries of secondary indexes.
//!
//! | index | key | value |
//! |---|---|---|
//! | exclusive | memcomparable columns | row key |
//! | otherwise | memcomparable columns ‖ row key | length of the columns part, `u16` little-endian |
//!
//! Entries of a unique index are exclusive, but for those with a NULL in the key
//! when NULLs are distinct: they take the second form and never collide. The
//! first byte of a value tells the forms apart: `0` row key follows, `1` a length
//! follows.

use crate::error::SqlError;
use crate::types::{Datum, key};

const ROW_KEY_FOLLOWS: u8 = 0;
const LENGTH_FOLLOWS: u8 = 1;

/// An encoded entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// Key below the index's stream.
    pub(crate) key: Vec<u8>,
    /// Value.
    pub(crate) value: Vec<u8>,
    /// Whether no other row may have the same key.
    pub(crate) exclusive: bool,
}

/// Which entries exclude others with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uniqueness {
    /// None: the index is not unique.
    None,
    /// Those without a NULL.
    NullsDistinct,
    /// All.
    NullsEqual,
}

/// Encodes the entry of one row.
///
/// # Errors
/// 54000 when the indexed columns take more than 64 KiB.
pub(crate) fn encode(
    uniqueness: Uniqueness,
    columns: &[&Datum],
    row_key: &[u8],
) -> Result<IndexEntry, SqlError> {
    let mut entry_key = Vec::with_capacity(32 + row_key.len());
    for column in columns {
        key::encode(column, &mut entry_key)?;
    }
    let exclusive = match uniqueness {
        Uniqueness::None => false,
        Uniqueness::NullsDistinct => columns.iter().all(|c| !c.is_null()),
        Uniqueness::NullsEqual => true,
    };
    if exclusive {
        let mut value = Vec::with_capacity(1 + row_key.len());
        value.push(ROW_KEY_FOLLOWS);
        value.extend_from_slice(row_key);
        return Ok(IndexEntry {
            key: entry_key,
            value,
            exclusive: true,
        });
    }
    let length = u16::try_from(entry_key.len()).map_err(|_| too_long())?;
    entry_key.extend_from_slice(row_key);
    let [low, high] = length.to_le_bytes();
    Ok(IndexEntry {
        key: entry_key,
        value: vec![LENGTH_FOLLOWS, low, high],
        exclusive: false,
    })
}

/// The row key that an entry points to.
///
/// # Errors
/// XX001 when the entry is damaged.
pub(crate) fn row_key<'a>(key: &'a [u8], value: &'a [u8]) -> Result<&'a [u8], SqlError> {
    match value {
        [ROW_KEY_FOLLOWS, row_key @ ..] => Ok(row_key),
        [LENGTH_FOLLOWS, low, high] => key
            .get(usize::from(u16::from_le_bytes([*low, *high]))..)
            .ok_or_else(damaged),
        _ => Err(damaged()),
    }
}

fn damaged() -> SqlError {
    SqlError::corrupted("an index entry is unreadable")
        .hint("Rebuild the projection: kimberlite-cli projection rebuild.")
}

fn too_long() -> SqlError {
    SqlError::new(
        crate::error::state::PROGRAM_LIMIT_EXCEEDED,
        "index row size exceeds maximum 65535",
    )
}
