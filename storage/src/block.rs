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

use crate::chain::{self, ChainHead};
use crate::error::FormatError;
use crate::event::{EVENT_HEADER_LEN, EventFlags, EventHeader, EventRef, leaf_of};
use crate::fields::{FieldWriter, Fields};
use crate::ids::{Hash32, Lineage};

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

const CRC_AT: usize = BLOCK_HEADER_LEN - 4;
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

/// A block header, parsed. See the [module](self) for the bytes.
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

/// A finished block: the bytes to write and what is known about them.
#[derive(Clone, Debug)]
pub struct EncodedBlock {
    /// The header.
    pub header: BlockHeader,
    /// The whole block, header to checksum.
    pub bytes: Vec<u8>,
    /// The events' leaves, in order.
    pub leaves: Vec<Hash32>,
}

/// Builds a block in one buffer, hashing as it goes.
#[derive(Debug)]
pub struct BlockBuilder {
    after: ChainHead,
    kind: BlockKind,
    term: u64,
    timestamp_us: i64,
    bytes: Vec<u8>,
    leaves: Vec<Hash32>,
}

impl BlockBuilder {
    /// Begins the block after `head`. Its timestamp is `now_us`, or the head's if
    /// the clock went back.
    #[must_use]
    pub fn after(head: &ChainHead, kind: BlockKind, term: u64, now_us: i64) -> Self {
        Self {
            after: *head,
            kind,
            term,
            timestamp_us: now_us.max(head.timestamp_us),
            bytes: vec![0; BLOCK_HEADER_LEN],
            leaves: Vec::new(),
        }
    }

    /// The block's timestamp, for the events in it; microseconds since 1970 UTC.
    #[must_use]
    pub const fn timestamp_us(&self) -> i64 {
        self.timestamp_us
    }

    /// How many events there are; the ordinal of the next one.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.leaves.len()
    }

    /// How many bytes the events take so far.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.bytes.len() - BLOCK_HEADER_LEN
    }

    /// Adds an event and returns its leaf.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when the block would be over
    /// [`PAYLOAD_LEN_MAX`], [`FormatError::Field`] when `body` has not the length
    /// that `header` says. The block is unchanged.
    pub fn push(&mut self, header: &EventHeader, body: &[u8]) -> Result<Hash32, FormatError> {
        if body.len() != header.ciphertext_len as usize {
            let value = body.len() as u64;
            return Err(FormatError::Field {
                what: "length of an event body",
                value,
            });
        }
        let len = self.payload_len() + EVENT_HEADER_LEN + body.len();
        if len > PAYLOAD_LEN_MAX as usize {
            return Err(FormatError::TooLarge {
                what: "block payload",
                len: len as u64,
                max: u64::from(PAYLOAD_LEN_MAX),
            });
        }
        let header_bytes = header.encode();
        let leaf = leaf_of(&header_bytes);
        self.bytes.extend_from_slice(&header_bytes);
        self.bytes.extend_from_slice(body);
        self.leaves.push(leaf);
        Ok(leaf)
    }

    /// Completes the block.
    #[must_use]
    pub fn finish(mut self) -> EncodedBlock {
        let payload = self.bytes.get(BLOCK_HEADER_LEN..).unwrap_or_default();
        let payload_crc = crc32fast::hash(payload);
        let mut header = BlockHeader {
            kind: self.kind,
            lineage: self.after.lineage,
            term: self.term,
            index: self.after.index.saturating_add(1),
            timestamp_us: self.timestamp_us,
            // Both are bounded by PAYLOAD_LEN_MAX in `push`.
            event_count: self.leaves.len() as u32,
            payload_len: payload.len() as u32,
            prev_hash: self.after.hash,
            payload_hash: chain::payload_hash(&self.leaves),
            block_hash: [0; 32],
        };
        header.block_hash = header.compute_hash();
        self.bytes.extend_from_slice(&payload_crc.to_le_bytes());
        if let Some(room) = self.bytes.first_chunk_mut::<BLOCK_HEADER_LEN>() {
            *room = header.encode();
        }
        EncodedBlock {
            header,
            bytes: self.bytes,
            leaves: self.leaves,
        }
    }
}

/// Removes the body of event `ordinal` from an encoded block: overwrites it with
/// zeros, sets its redaction flag and renews the payload's checksum. No hash
/// changes. Returns the range of the body in `bytes`, for hole punching.
///
/// # Errors
/// [`FormatError`] when `bytes` is not exactly one intact block, or has no such
/// event.
pub fn redact(bytes: &mut [u8], ordinal: usize) -> Result<std::ops::Range<usize>, FormatError> {
    let block = Block::decode(bytes)?;
    let payload_end = BLOCK_HEADER_LEN + block.header.payload_len as usize;
    let before: usize = block
        .events
        .iter()
        .take(ordinal)
        .map(|e| e.header.event_len())
        .sum();
    let Some(event) = block.events.get(ordinal) else {
        let value = ordinal as u64;
        return Err(FormatError::Field {
            what: "ordinal of an event",
            value,
        });
    };
    let start = BLOCK_HEADER_LEN + before;
    let body = start + EVENT_HEADER_LEN..start + event.header.event_len();
    if let Some(flags) = bytes.get_mut(start + EVENT_FLAGS_AT) {
        *flags |= EventFlags::REDACTED.bits();
    }
    if let Some(room) = bytes.get_mut(body.clone()) {
        room.fill(0);
    }
    let crc = crc32fast::hash(bytes.get(BLOCK_HEADER_LEN..payload_end).unwrap_or_default());
    if let Some(room) = bytes.get_mut(payload_end..payload_end + PAYLOAD_CRC_LEN) {
        room.copy_from_slice(&crc.to_le_bytes());
    }
    Ok(body)
}

/// Where the flags byte is in an event header.
const EVENT_FLAGS_AT: usize = 2;

#[cfg(test)]
mod tests;
