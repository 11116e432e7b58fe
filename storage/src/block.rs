//! Blocks: the unit of group commit, of fsync and of the replica's hash chain.
//!
//! # Bytes
//!
//! A block is a header of [`BLOCK_HEADER_LEN`] bytes, its events one after the
//! other without gaps, and a checksum. All integers are little-endian.
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 4 | magic: `KBLK` |
//! | 4 | 2 | version: 1 |
//! | 6 | 1 | kind ([`BlockKind`]) |
//! | 7 | 1 | flags: 0 |
//! | 8 | 16 | `lineage` |
//! | 24 | 8 | `term` |
//! | 32 | 8 | `index`, the first block of a log is 1 |
//! | 40 | 8 | `timestamp_us`, signed; never goes back along the log |
//! | 48 | 4 | `event_count` |
//! | 52 | 4 | `payload_len`: bytes of the events, without `payload_crc32` |
//! | 56 | 32 | `prev_hash`: the previous block's `block_hash`; zeros for the first |
//! | 88 | 32 | `payload_hash` |
//! | 120 | 32 | `block_hash` |
//! | 152 | 4 | `header_crc32` over bytes 0 to 151 |
//! | 156 | `payload_len` | events ([`event`](crate::event)) |
//! | 156 + `payload_len` | 4 | `payload_crc32` over the events |
//!
//! CRC32 is the IEEE polynomial (as in zlib and Ethernet). It catches rot
//! cheaply and first; the hashes are the authority.
//!
//! # What is hashed
//!
//! `block_hash = SHA-256(0x01 ‖ bytes 0 to 119)`: everything in the header before
//! `block_hash` itself. `payload_hash = SHA-256(0x02 ‖ leaf₁ ‖ … ‖ leafₙ)`, and
//! the leaves cover the events except for their redaction flags. `payload_crc32`
//! is not hashed, because redaction changes it.
//!
//! # Limits
//!
//! `payload_len` is at most [`PAYLOAD_LEN_MAX`]; the writer makes blocks of about
//! 1 MiB. A reader believes no length before `header_crc32` has matched.

mod builder;
mod header;
mod redaction;

pub use builder::{BlockBuilder, EncodedBlock};
pub use header::{BlockHeader, BlockKind};
pub use redaction::redact;

use crate::chain;
use crate::error::FormatError;
use crate::event::EventRef;
use crate::fields::Fields;
use crate::ids::Hash32;

/// Length of a block header in bytes.
pub const BLOCK_HEADER_LEN: usize = 156;

/// How many bytes of the header the block hash covers, from the first.
pub const BLOCK_HASHED_LEN: usize = 120;

/// Most bytes of events a block may hold: 64 MiB.
pub const PAYLOAD_LEN_MAX: u32 = 64 << 20;

/// Length of the checksum after the events in bytes.
pub const PAYLOAD_CRC_LEN: usize = 4;

/// The first four bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"KBLK";

const fn expect_crc(what: &'static str, expected: u32, found: u32) -> Result<(), FormatError> {
    if expected == found {
        return Ok(());
    }
    Err(FormatError::Checksum {
        what,
        expected,
        found,
    })
}

fn expect_hash(what: &'static str, computed: Hash32, stored: Hash32) -> Result<(), FormatError> {
    if computed == stored {
        return Ok(());
    }
    Err(FormatError::Hash {
        what,
        expected: Box::new(computed),
        found: Box::new(stored),
    })
}

/// A block in bytes that are borrowed, checksums matched and structure parsed.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// The header.
    pub header: BlockHeader,
    /// The events, in order.
    pub events: Vec<EventRef<'a>>,
}

impl<'a> Block<'a> {
    /// Reads the block at the beginning of `bytes`; more may follow it
    /// ([`BlockHeader::block_len`] says where). Checks both checksums and the
    /// structure; [`Self::verify`] checks the hashes.
    ///
    /// # Errors
    /// [`FormatError`]; [`FormatError::Truncated`] when `bytes` ends early.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let header = BlockHeader::decode(bytes)?;
        let mut fields = Fields::new("block", bytes);
        fields.slice(BLOCK_HEADER_LEN)?;
        let payload = fields.slice(header.payload_len as usize)?;
        expect_crc("block payload", crc32fast::hash(payload), fields.u32()?)?;
        let events = parse_events(&header, payload)?;
        Ok(Self { header, events })
    }

    /// Checks the header's hash and that it covers exactly these events, and
    /// returns the events' leaves. Bodies are not read: see
    /// [`EventRef::verify_body`].
    ///
    /// # Errors
    /// [`FormatError::Hash`].
    pub fn verify(&self) -> Result<Vec<Hash32>, FormatError> {
        self.header.verify_hash()?;
        let leaves: Vec<Hash32> = self.events.iter().map(EventRef::leaf).collect();
        expect_hash(
            "block payload",
            chain::payload_hash(&leaves),
            self.header.payload_hash,
        )?;
        Ok(leaves)
    }

    /// Checks everything that can be checked without keys and without the rest of
    /// the log: hashes and bodies. Returns the leaves.
    ///
    /// # Errors
    /// [`FormatError`] for the first thing that does not match.
    pub fn verify_full(&self) -> Result<Vec<Hash32>, FormatError> {
        let leaves = self.verify()?;
        self.events.iter().try_for_each(EventRef::verify_body)?;
        Ok(leaves)
    }
}

fn parse_events<'a>(
    header: &BlockHeader,
    payload: &'a [u8],
) -> Result<Vec<EventRef<'a>>, FormatError> {
    // The header's check bounds event_count by payload_len, which is there.
    let mut events = Vec::with_capacity(header.event_count as usize);
    let mut rest = payload;
    for _ in 0..header.event_count {
        let (event, after) = EventRef::decode(rest)?;
        events.push(event);
        rest = after;
    }
    if !rest.is_empty() {
        let value = rest.len() as u64;
        return Err(FormatError::Field {
            what: "bytes after the last event of a block",
            value,
        });
    }
    Ok(events)
}

#[cfg(test)]
mod tests;
