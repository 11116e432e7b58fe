//! The fixed-size beginning of a block.

use super::{
    BLOCK_HASHED_LEN, BLOCK_HEADER_LEN, BLOCK_MAGIC, PAYLOAD_CRC_LEN, PAYLOAD_LEN_MAX, expect_crc,
    expect_hash,
};
use crate::chain;
use crate::error::FormatError;
use crate::event::EVENT_HEADER_LEN;
use crate::fields::{FieldWriter, Fields};
use crate::ids::{Hash32, Lineage};

/// Where `header_crc32` is.
pub(super) const CRC_AT: usize = BLOCK_HEADER_LEN - 4;

const VERSION: u16 = 1;

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// Nothing: a new leader's first block.
    Noop = 1,
    /// Events of tenants.
    Data = 2,
    /// A change of the cluster's members.
    Config = 3,
    /// The begin of a new lineage after a forced recovery.
    Fork = 4,
    /// The switch to a newer format or behaviour, at a definite place.
    Feature = 5,
}

impl BlockKind {
    /// The kind with this code.
    ///
    /// # Errors
    /// [`FormatError::Field`] for a code that is not in use.
    pub const fn from_code(code: u8) -> Result<Self, FormatError> {
        Ok(match code {
            1 => Self::Noop,
            2 => Self::Data,
            3 => Self::Config,
            4 => Self::Fork,
            5 => Self::Feature,
            _ => {
                return Err(FormatError::Field {
                    what: "block kind",
                    value: code as u64,
                });
            }
        })
    }

    /// The byte that stands for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A block header, parsed. See the [module](super) for the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// What the block is for.
    pub kind: BlockKind,
    /// Which history it belongs to.
    pub lineage: Lineage,
    /// The leader's term.
    pub term: u64,
    /// Its place in the log, from 1.
    pub index: u64,
    /// The leader's clock, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// How many events it holds.
    pub event_count: u32,
    /// How many bytes the events take.
    pub payload_len: u32,
    /// Hash of the previous block.
    pub prev_hash: Hash32,
    /// Hash of the leaves.
    pub payload_hash: Hash32,
    /// Hash of this block, as stored; [`Self::verify_hash`] checks it.
    pub block_hash: Hash32,
}

impl BlockHeader {
    fn hashed_bytes(&self) -> [u8; BLOCK_HASHED_LEN] {
        FieldWriter::new()
            .put(&BLOCK_MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&[self.kind.code(), 0])
            .put(&self.lineage.0)
            .put(&self.term.to_le_bytes())
            .put(&self.index.to_le_bytes())
            .put(&self.timestamp_us.to_le_bytes())
            .put(&self.event_count.to_le_bytes())
            .put(&self.payload_len.to_le_bytes())
            .put(&self.prev_hash)
            .put(&self.payload_hash)
            .done()
    }

    /// Writes the header's bytes, its checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; BLOCK_HEADER_LEN] {
        let writer = FieldWriter::new()
            .put(&self.hashed_bytes())
            .put(&self.block_hash);
        let crc = crc32fast::hash(writer.written());
        writer.put(&crc.to_le_bytes()).done()
    }

    /// Reads a header from the beginning of `bytes`: magic, version, checksum,
    /// and that every field can be. The hash is not computed.
    ///
    /// # Errors
    /// [`FormatError`]; [`FormatError::Magic`] when no block begins here at all.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("block header", bytes);
        if fields.array()? != BLOCK_MAGIC {
            return Err(FormatError::Magic);
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: "a block",
                found: u32::from(version),
                newest: u32::from(VERSION),
            });
        }
        check_header_crc(bytes)?;
        let kind = BlockKind::from_code(fields.u8()?)?;
        let flags = fields.u8()?;
        if flags != 0 {
            let value = u64::from(flags);
            return Err(FormatError::Field {
                what: "block flags",
                value,
            });
        }
        let header = Self {
            kind,
            lineage: Lineage(fields.array()?),
            term: fields.u64()?,
            index: fields.u64()?,
            timestamp_us: fields.i64()?,
            event_count: fields.u32()?,
            payload_len: fields.u32()?,
            prev_hash: fields.array()?,
            payload_hash: fields.array()?,
            block_hash: fields.array()?,
        };
        header.check_lengths()?;
        Ok(header)
    }

    fn check_lengths(&self) -> Result<(), FormatError> {
        if self.payload_len > PAYLOAD_LEN_MAX {
            return Err(FormatError::TooLarge {
                what: "block payload",
                len: u64::from(self.payload_len),
                max: u64::from(PAYLOAD_LEN_MAX),
            });
        }
        let least = u64::from(self.event_count) * EVENT_HEADER_LEN as u64;
        let fits = least <= u64::from(self.payload_len);
        if !fits || (self.event_count == 0 && self.payload_len != 0) {
            let value = u64::from(self.event_count);
            return Err(FormatError::Field {
                what: "event count of a block",
                value,
            });
        }
        Ok(())
    }

    /// The hash this header should carry.
    #[must_use]
    pub fn compute_hash(&self) -> Hash32 {
        chain::block_hash(&self.hashed_bytes())
    }

    /// Checks the stored hash.
    ///
    /// # Errors
    /// [`FormatError::Hash`] when it is not the hash of the header.
    pub fn verify_hash(&self) -> Result<(), FormatError> {
        expect_hash("block header", self.compute_hash(), self.block_hash)
    }

    /// Length of the whole block, header to checksum, in bytes.
    #[must_use]
    pub const fn block_len(&self) -> usize {
        BLOCK_HEADER_LEN + self.payload_len as usize + PAYLOAD_CRC_LEN
    }
}

fn check_header_crc(bytes: &[u8]) -> Result<(), FormatError> {
    let mut fields = Fields::new("block header", bytes);
    let covered = fields.slice(CRC_AT)?;
    let found = fields.u32()?;
    expect_crc("block header", crc32fast::hash(covered), found)
}
