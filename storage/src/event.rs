//! Events: one committed transaction (or other fact) of one tenant.
//!
//! # Bytes
//!
//! An event is a header of [`EVENT_HEADER_LEN`] bytes followed by its body. All
//! integers are little-endian.
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 1 | version: 1 |
//! | 1 | 1 | kind ([`EventKind`]) |
//! | 2 | 1 | flags ([`EventFlags`]); bit 0 `redacted`, all others zero |
//! | 3 | 1 | reserved: 0 |
//! | 4 | 16 | `tenant_id` |
//! | 20 | 8 | `tenant_seq`: counts the tenant's events from 0 |
//! | 28 | 8 | `timestamp_us`, signed: the leader's clock at sequencing |
//! | 36 | 8 | `key_id` ([`KeyId`]); 0 = the body is not sealed |
//! | 44 | 32 | `salt`: HKDF salt of the sub-key; zeros when not sealed |
//! | 76 | 12 | `nonce` under the sub-key; zeros when not sealed |
//! | 88 | 4 | `plaintext_len` |
//! | 92 | 4 | `ciphertext_len`: length of the body. Sealed: `plaintext_len` + 16 (the tag is its end); not sealed: `plaintext_len` |
//! | 96 | 32 | `tenant_prev`: leaf of the tenant's previous event; zeros for `tenant_seq` 0 |
//! | 128 | 32 | `ciphertext_sha256`: SHA-256 of the body as it was written |
//! | 160 | `ciphertext_len` | body |
//!
//! # What is hashed
//!
//! `leaf = SHA-256(0x00 ‖ the 160 header bytes, with bit 0 of the byte at offset
//! 2 taken as zero)`. The body is covered through `ciphertext_sha256`, so the
//! leaf survives the loss of the body.
//!
//! # Redaction
//!
//! A redacted event has bit 0 of the flags set and its body overwritten with
//! zeros *in place*: lengths and offsets stay, so segments keep their layout and
//! the file system can be asked to free the bytes (hole punching). Nothing that
//! is hashed changes.

mod sealed;

use sha2::{Digest, Sha256};

pub use sealed::SealedEvent;

use crate::chain;
use crate::error::FormatError;
use crate::fields::{FieldWriter, Fields};
use crate::ids::{Hash32, KeyId, TenantId};

/// Length of an event header in bytes.
pub const EVENT_HEADER_LEN: usize = 160;

/// Longest body of an event in bytes, the tag included: 16 MiB.
pub const EVENT_BODY_LEN_MAX: u32 = 16 << 20;

/// Length of the tag at the end of a sealed body in bytes.
pub const TAG_LEN: u32 = 16;

/// Longest plaintext that can be sealed into one event, in bytes.
pub const EVENT_PLAINTEXT_LEN_MAX: u32 = EVENT_BODY_LEN_MAX - TAG_LEN;

const VERSION: u8 = 1;

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A committed transaction, or the close of one that came in parts.
    Txn = 1,
    /// A piece of a transaction that counts only if its close follows.
    TxnPart = 2,
    /// A wrapped key ([`crate::KeyRecord`]); the body is not sealed, because
    /// the secret in it is.
    Key = 3,
    /// A statement about the log so far, such as tree roots.
    Checkpoint = 4,
    /// A security-relevant occurrence.
    Audit = 5,
    /// The content of a block that is not of kind data (membership, fork,
    /// feature); of the system tenant.
    Control = 6,
}

impl EventKind {
    /// The kind with this code.
    ///
    /// # Errors
    /// [`FormatError::Field`] for a code that is not in use.
    pub const fn from_code(code: u8) -> Result<Self, FormatError> {
        Ok(match code {
            1 => Self::Txn,
            2 => Self::TxnPart,
            3 => Self::Key,
            4 => Self::Checkpoint,
            5 => Self::Audit,
            6 => Self::Control,
            _ => {
                return Err(FormatError::Field {
                    what: "event kind",
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

/// The flags byte of an event header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFlags(u8);

impl EventFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The body was removed and is now zeros. Not covered by the leaf.
    pub const REDACTED: Self = Self(1);

    const HASHED: u8 = !Self::REDACTED.0;

    /// The byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the body was removed.
    #[must_use]
    pub const fn redacted(self) -> bool {
        self.0 & Self::REDACTED.0 != 0
    }

    const fn from_bits(bits: u8) -> Result<Self, FormatError> {
        if bits & !Self::REDACTED.0 != 0 {
            return Err(FormatError::Field {
                what: "event flags",
                value: bits as u64,
            });
        }
        Ok(Self(bits))
    }
}

/// An event header, parsed. See the [module](self) for the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// What the event says.
    pub kind: EventKind,
    /// Whether the body is still there.
    pub flags: EventFlags,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number among the tenant's events, from 0.
    pub tenant_seq: u64,
    /// The leader's clock at sequencing, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// Under which of the tenant's keys it is sealed.
    pub key_id: KeyId,
    /// The salt of the sub-key.
    pub salt: [u8; 32],
    /// The nonce under the sub-key.
    pub nonce: [u8; 12],
    /// Length of the plaintext in bytes.
    pub plaintext_len: u32,
    /// Length of the body in bytes.
    pub ciphertext_len: u32,
    /// Leaf of the tenant's previous event.
    pub tenant_prev: Hash32,
    /// SHA-256 of the body as written.
    pub ciphertext_sha256: Hash32,
}

impl EventHeader {
    /// Writes the header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; EVENT_HEADER_LEN] {
        FieldWriter::new()
            .put(&[VERSION, self.kind.code(), self.flags.bits(), 0])
            .put(&self.tenant.0)
            .put(&self.tenant_seq.to_le_bytes())
            .put(&self.timestamp_us.to_le_bytes())
            .put(&self.key_id.0.to_le_bytes())
            .put(&self.salt)
            .put(&self.nonce)
            .put(&self.plaintext_len.to_le_bytes())
            .put(&self.ciphertext_len.to_le_bytes())
            .put(&self.tenant_prev)
            .put(&self.ciphertext_sha256)
            .done()
    }

    /// Reads a header from the beginning of `bytes`.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are too few or a field holds an impossible
    /// value, lengths over their limit included.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("event header", bytes);
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version {
                what: "an event",
                found: u32::from(version),
                newest: u32::from(VERSION),
            });
        }
        let kind = EventKind::from_code(fields.u8()?)?;
        let flags = EventFlags::from_bits(fields.u8()?)?;
        let reserved = fields.u8()?;
        if reserved != 0 {
            let value = u64::from(reserved);
            return Err(FormatError::Field {
                what: "reserved byte of an event",
                value,
            });
        }
        let header = Self {
            kind,
            flags,
            tenant: TenantId(fields.array()?),
            tenant_seq: fields.u64()?,
            timestamp_us: fields.i64()?,
            key_id: KeyId(fields.u64()?),
            salt: fields.array()?,
            nonce: fields.array()?,
            plaintext_len: fields.u32()?,
            ciphertext_len: fields.u32()?,
            tenant_prev: fields.array()?,
            ciphertext_sha256: fields.array()?,
        };
        header.check_lengths()?;
        Ok(header)
    }

    fn check_lengths(&self) -> Result<(), FormatError> {
        if self.ciphertext_len > EVENT_BODY_LEN_MAX {
            return Err(FormatError::TooLarge {
                what: "event body",
                len: u64::from(self.ciphertext_len),
                max: u64::from(EVENT_BODY_LEN_MAX),
            });
        }
        let overhead = if self.key_id.is_none() { 0 } else { TAG_LEN };
        if self.plaintext_len.checked_add(overhead) != Some(self.ciphertext_len) {
            let value = u64::from(self.plaintext_len);
            return Err(FormatError::Field {
                what: "plaintext length of an event",
                value,
            });
        }
        if self.key_id.is_none() && (self.salt != [0; 32] || self.nonce != [0; 12]) {
            return Err(FormatError::Field {
                what: "salt of an event without a key",
                value: 1,
            });
        }
        Ok(())
    }

    /// The event's leaf hash; see the [module](self).
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        leaf_of(&self.encode())
    }

    /// Length of the whole event, header and body, in bytes.
    #[must_use]
    pub const fn event_len(&self) -> usize {
        EVENT_HEADER_LEN + self.ciphertext_len as usize
    }
}

/// The leaf hash of encoded header bytes.
pub(crate) fn leaf_of(header: &[u8; EVENT_HEADER_LEN]) -> Hash32 {
    let mut hashed = *header;
    hashed[2] &= EventFlags::HASHED;
    chain::leaf_hash(&hashed)
}

/// An event in the bytes of a block, borrowed.
#[derive(Clone, Debug)]
pub struct EventRef<'a> {
    /// The header, parsed.
    pub header: EventHeader,
    /// The body: sealed, or plain when there is no key, or zeros when redacted.
    pub body: &'a [u8],
    header_bytes: &'a [u8; EVENT_HEADER_LEN],
}

impl<'a> EventRef<'a> {
    /// Reads the event at the beginning of `bytes` and returns what follows it.
    ///
    /// # Errors
    /// [`FormatError`] as for [`EventHeader::decode`], or when the body is cut
    /// short.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), FormatError> {
        let Some((header_bytes, rest)) = bytes.split_first_chunk::<EVENT_HEADER_LEN>() else {
            return Err(FormatError::Truncated {
                what: "event header",
                needed: EVENT_HEADER_LEN as u64,
                have: bytes.len() as u64,
            });
        };
        let header = EventHeader::decode(header_bytes)?;
        let mut fields = Fields::new("event body", rest);
        let body = fields.slice(header.ciphertext_len as usize)?;
        Ok((
            Self {
                header,
                body,
                header_bytes,
            },
            fields.rest(),
        ))
    }

    /// The event's leaf hash, over the bytes that are there.
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        leaf_of(self.header_bytes)
    }

    /// Checks the body against the header: its SHA-256, or, when redacted, that
    /// every byte is zero.
    ///
    /// # Errors
    /// [`FormatError::Hash`] or [`FormatError::Field`].
    pub fn verify_body(&self) -> Result<(), FormatError> {
        if self.header.flags.redacted() {
            return match self.body.iter().find(|byte| **byte != 0) {
                None => Ok(()),
                Some(byte) => {
                    let value = u64::from(*byte);
                    Err(FormatError::Field {
                        what: "byte of a redacted body",
                        value,
                    })
                }
            };
        }
        let computed = sha256(self.body);
        if computed == self.header.ciphertext_sha256 {
            return Ok(());
        }
        Err(FormatError::Hash {
            what: "event body",
            expected: Box::new(computed),
            found: Box::new(self.header.ciphertext_sha256),
        })
    }
}

/// SHA-256 of a body.
pub(crate) fn sha256(body: &[u8]) -> Hash32 {
    Sha256::digest(body).into()
}

#[cfg(test)]
mod tests;
