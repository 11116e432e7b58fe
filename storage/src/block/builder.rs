//! Making blocks.

use super::{BLOCK_HEADER_LEN, BlockHeader, BlockKind, PAYLOAD_LEN_MAX};
use crate::chain::{self, ChainHead};
use crate::error::FormatError;
use crate::event::{EVENT_HEADER_LEN, EventHeader, leaf_of};
use crate::ids::Hash32;

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
