//! How far the projection is.
//!
//! | Key | Value |
//! |---|---|
//! | `applied` | the last block whose changes are all here |
//! | `bulk` | the block whose large transaction is being ingested; gone when it is |
//! | `control/` … | control events (`layout.rs`) |
//!
//! A position is version u8 (2) ‖ index u64 LE ‖ block hash (32 bytes).

use crate::error::{FormatError, Result, StorageError};
use crate::fields::{FieldWriter, Fields};
use crate::ids::Hash32;

pub(super) const APPLIED: &[u8] = b"applied";
pub(super) const BULK: &[u8] = b"bulk";

/// Changes whenever the layout does. An older projection is not converted but
/// rebuilt from the log.
const VERSION: u8 = 2;

const POSITION_LEN: usize = 41;

/// A block's place in the log and its hash.
pub(super) type Position = (u64, Hash32);

pub(super) fn encode(position: &Position) -> [u8; POSITION_LEN] {
    FieldWriter::new()
        .put(&[VERSION])
        .put(&position.0.to_le_bytes())
        .put(&position.1)
        .done()
}

pub(super) fn decode(stored: &[u8]) -> Result<Position> {
    let read = || -> Result<Position, FormatError> {
        let mut fields = Fields::new("a position of the projection", stored);
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: "the projection",
                found: u32::from(version),
                newest: u32::from(VERSION),
            });
        }
        Ok((fields.u64()?, fields.array()?))
    };
    read().map_err(|error| StorageError::Projection(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn positions_read_back_and_other_versions_do_not() {
        let position = (9, [7; 32]);
        let mut bytes = encode(&position);
        assert_eq!(decode(&bytes).unwrap(), position);
        assert!(decode(&bytes[..40]).is_err());
        bytes[0] = 1;
        assert!(
            decode(&bytes)
                .unwrap_err()
                .to_string()
                .contains("version 1")
        );
    }
}
