//! The two hash chains: of blocks (the replica's) and of events (each tenant's).
//!
//! Every hash is SHA-256 with a first byte that says what is hashed, so that no
//! input of one kind can be read as an input of another:
//!
//! | first byte | name | over |
//! |---|---|---|
//! | `0x00` | `leaf` | the 160 bytes of an event header, the redaction flag taken as zero |
//! | `0x01` | `block_hash` | bytes 0 to 119 of a block header (magic to `payload_hash`, `prev_hash` included) |
//! | `0x02` | `payload_hash` | the leaves of the block's events, 32 bytes each, in order |
//!
//! [`merkle`](crate::merkle) also uses `0x01`, for interior nodes over exactly 64
//! bytes, as RFC 6962 prescribes; a block header's hashed part is 120 bytes, so
//! the two inputs differ in length and cannot be equal.

use sha2::{Digest, Sha256};

use crate::block::{BLOCK_HASHED_LEN, BlockHeader, BlockKind};
use crate::event::{EVENT_HEADER_LEN, EventHeader, SealedEvent};
use crate::ids::{Hash32, Hex, Lineage, NO_HASH};

fn tagged(tag: u8, bytes: &[u8]) -> Hash32 {
    let mut hasher = Sha256::new();
    hasher.update([tag]);
    hasher.update(bytes);
    hasher.finalize().into()
}

/// Hash of an event header whose redaction flag is already cleared.
pub(crate) fn leaf_hash(header: &[u8; EVENT_HEADER_LEN]) -> Hash32 {
    tagged(0x00, header)
}

/// Hash of a block header's bytes up to and including `payload_hash`.
pub(crate) fn block_hash(hashed: &[u8; BLOCK_HASHED_LEN]) -> Hash32 {
    tagged(0x01, hashed)
}

/// Hash of a block's leaves, in order.
#[must_use]
pub fn payload_hash<'a>(leaves: impl IntoIterator<Item = &'a Hash32>) -> Hash32 {
    let mut hasher = Sha256::new();
    hasher.update([0x02]);
    for leaf in leaves {
        hasher.update(leaf);
    }
    hasher.finalize().into()
}

/// Why a block does not follow its predecessor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The index is not the next one.
    #[error("block {found} where block {expected} belongs")]
    Index {
        /// The index that belongs there.
        expected: u64,
        /// The index found.
        found: u64,
    },
    /// The block is of another history.
    #[error("lineage {found} in a log of lineage {expected}")]
    Lineage {
        /// The log's lineage.
        expected: Lineage,
        /// The lineage found.
        found: Lineage,
    },
    /// The term goes back.
    #[error("term {found} after term {previous}")]
    Term {
        /// The predecessor's term.
        previous: u64,
        /// The term found.
        found: u64,
    },
    /// The timestamp goes back.
    #[error("timestamp {found_us} after {previous_us}")]
    Time {
        /// The predecessor's timestamp, microseconds.
        previous_us: i64,
        /// The timestamp found, microseconds.
        found_us: i64,
    },
    /// `prev_hash` is not the predecessor's hash.
    #[error("previous hash {} where {} belongs", Hex(found), Hex(expected))]
    PrevHash {
        /// The predecessor's hash.
        expected: Hash32,
        /// The hash found.
        found: Hash32,
    },
    /// The event's number is not the tenant's next one.
    #[error("event {found} of a tenant where event {expected} belongs")]
    TenantSeq {
        /// The number that belongs there.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// `tenant_prev` is not the leaf of the tenant's previous event.
    #[error("tenant hash {} where {} belongs", Hex(found), Hex(expected))]
    TenantPrev {
        /// The leaf of the tenant's previous event.
        expected: Hash32,
        /// The hash found.
        found: Hash32,
    },
}

/// The newest block of a log: what the next one must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Which history.
    pub lineage: Lineage,
    /// Index of the newest block; 0 when there is none (the first is 1).
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// Its timestamp, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// Its hash; zeros when there is none.
    pub hash: Hash32,
}

impl ChainHead {
    /// The head of a log without blocks.
    #[must_use]
    pub const fn genesis(lineage: Lineage) -> Self {
        Self {
            lineage,
            index: 0,
            term: 0,
            timestamp_us: i64::MIN,
            hash: NO_HASH,
        }
    }

    /// The head of a log whose newest block has this header.
    #[must_use]
    pub const fn of(header: &BlockHeader) -> Self {
        Self {
            lineage: header.lineage,
            index: header.index,
            term: header.term,
            timestamp_us: header.timestamp_us,
            hash: header.block_hash,
        }
    }

    /// Checks that `next` follows and makes it the head. The head is unchanged
    /// when it does not. Only a block of kind [`BlockKind::Fork`] may begin a
    /// new lineage. Does not check `next`'s own hash.
    ///
    /// # Errors
    /// [`ChainError`] for the first rule that is broken.
    pub fn advance(&mut self, next: &BlockHeader) -> Result<(), ChainError> {
        let expected = self.index.wrapping_add(1);
        if next.index != expected {
            return Err(ChainError::Index {
                expected,
                found: next.index,
            });
        }
        if next.lineage != self.lineage && next.kind != BlockKind::Fork {
            return Err(ChainError::Lineage {
                expected: self.lineage,
                found: next.lineage,
            });
        }
        if next.term < self.term {
            return Err(ChainError::Term {
                previous: self.term,
                found: next.term,
            });
        }
        if next.timestamp_us < self.timestamp_us {
            return Err(ChainError::Time {
                previous_us: self.timestamp_us,
                found_us: next.timestamp_us,
            });
        }
        if next.prev_hash != self.hash {
            return Err(ChainError::PrevHash {
                expected: self.hash,
                found: next.prev_hash,
            });
        }
        *self = Self::of(next);
        Ok(())
    }
}

/// The newest event of a tenant: what the tenant's next one must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantHead {
    /// The number of the tenant's next event; equally, how many there are.
    pub next_seq: u64,
    /// The leaf of the newest one; zeros when there is none.
    pub prev: Hash32,
}

impl Default for TenantHead {
    fn default() -> Self {
        Self {
            next_seq: 0,
            prev: NO_HASH,
        }
    }
}

impl TenantHead {
    /// Gives a sealed event its place after this head. The head moves when the
    /// leaf is known: call [`Self::advance`] with it.
    #[must_use]
    pub const fn place(&self, event: &SealedEvent, timestamp_us: i64) -> EventHeader {
        event.place(self.next_seq, timestamp_us, self.prev)
    }

    /// Checks that the event `header`, whose leaf is `leaf`, follows, and makes
    /// it the head. The head is unchanged when it does not.
    ///
    /// # Errors
    /// [`ChainError::TenantSeq`] or [`ChainError::TenantPrev`].
    pub fn advance(&mut self, header: &EventHeader, leaf: Hash32) -> Result<(), ChainError> {
        if header.tenant_seq != self.next_seq {
            let (expected, found) = (self.next_seq, header.tenant_seq);
            return Err(ChainError::TenantSeq { expected, found });
        }
        if header.tenant_prev != self.prev {
            let (expected, found) = (self.prev, header.tenant_prev);
            return Err(ChainError::TenantPrev { expected, found });
        }
        *self = Self {
            next_seq: self.next_seq.wrapping_add(1),
            prev: leaf,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
