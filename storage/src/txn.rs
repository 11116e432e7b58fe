//! What a transaction says: the plaintext of `txn` and `txn_part` events.
//!
//! # Bytes
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 1 | version: 1 |
//! | 1 | 1 | compression: 0 none, 1 zstd (one frame) |
//! | 2 | 4 | length of the message in bytes, little-endian |
//! | 6 | | the message, a Protocol Buffers `Txn` (`proto/event.proto`) |
//!
//! Messages above [`COMPRESS_ABOVE`] are compressed when that makes them smaller.
//! Keys, values and column numbers mean nothing to this crate.
//!
//! A transaction too large for one event comes as `txn_part` events, whose
//! messages carry only `streams`, and a closing `txn` event whose `part_count`
//! says how many parts there are; [`split()`] cuts it so.

mod split;

use std::cell::RefCell;

use bytes::Bytes;
use prost::Message;

pub use split::split;

use crate::error::{FormatError, Result, StorageError};

/// Messages of more bytes than this are compressed.
pub const COMPRESS_ABOVE: usize = 1024;

/// Longest message in bytes, compressed or not: 64 MiB.
pub const MESSAGE_LEN_MAX: usize = 64 << 20;

/// The level of zstd: sealing must keep up with the disk.
const ZSTD_LEVEL: i32 = 1;

const VERSION: u8 = 1;
const PREFIX_LEN: usize = 6;

/// Which projection space a change is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Space {
    /// Rows of tables.
    Rows = 1,
    /// Entries of secondary indexes.
    Index = 2,
    /// Definitions: tables, types, grants.
    Catalog = 3,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Op {
    /// The key did not exist and now holds `value`.
    Insert = 1,
    /// The key existed and now holds `value`.
    Update = 2,
    /// The key existed and is gone; `value` is empty.
    Delete = 3,
}

/// One key that changed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Change {
    /// An [`Op`].
    #[prost(enumeration = "Op", tag = "1")]
    pub op: i32,
    /// The key below tenant and stream.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: Bytes,
    /// The new value; empty for a delete.
    #[prost(bytes = "bytes", tag = "3")]
    pub value: Bytes,
    /// Numbers of the columns that an update changed.
    #[prost(uint32, repeated, tag = "4")]
    pub changed: Vec<u32>,
}

/// Changes of one stream, in the order they are to be applied.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct StreamChanges {
    /// The stream: a table's or an index's id.
    #[prost(uint64, tag = "1")]
    pub stream: u64,
    /// A [`Space`].
    #[prost(enumeration = "Space", tag = "2")]
    pub space: i32,
    /// The changes.
    #[prost(message, repeated, tag = "3")]
    pub changes: Vec<Change>,
}

/// One committed transaction, or a part of one.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Txn {
    /// Who did it. Empty in a part.
    #[prost(string, tag = "1")]
    pub principal: String,
    /// When it began, by the session's clock; microseconds since 1970 UTC. The
    /// order of transactions is the log's, not this.
    #[prost(sint64, tag = "2")]
    pub time_us: i64,
    /// Fingerprints of its statements: their text without the constants.
    #[prost(string, repeated, tag = "3")]
    pub statements: Vec<String>,
    /// What changed.
    #[prost(message, repeated, tag = "4")]
    pub streams: Vec<StreamChanges>,
    /// In a closing event: how many `txn_part` events of this tenant, directly
    /// before it in the tenant's chain, belong to it.
    #[prost(uint32, tag = "5")]
    pub part_count: u32,
}

thread_local! {
    /// A compression context is half a megabyte to set up: one a thread.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        const { RefCell::new(None) };
}

/// Writes the plaintext of an event.
///
/// # Errors
/// [`StorageError::TooLarge`] when the message is over [`MESSAGE_LEN_MAX`]: cut
/// it ([`split()`]). Whether the result fits an event is checked at sealing.
pub fn encode(txn: &Txn) -> Result<Vec<u8>> {
    let len = txn.encoded_len();
    let header_len = match u32::try_from(len) {
        Ok(header_len) if len <= MESSAGE_LEN_MAX => header_len,
        _ => {
            return Err(StorageError::TooLarge {
                what: "a transaction message",
                len: len as u64,
                max: MESSAGE_LEN_MAX as u64,
            });
        }
    };
    // Room for the tag that sealing appends, so that it need not move the bytes.
    let mut out = Vec::with_capacity(PREFIX_LEN + len + crate::event::TAG_LEN as usize);
    out.extend_from_slice(&[VERSION, 0]);
    out.extend_from_slice(&header_len.to_le_bytes());
    txn.encode_raw(&mut out);
    if len > COMPRESS_ABOVE
        && let Some(smaller) = compress(&out, len)?
    {
        return Ok(smaller);
    }
    Ok(out)
}

/// Compresses the message in `plain`; `None` when that does not make it smaller.
fn compress(plain: &[u8], len: usize) -> Result<Option<Vec<u8>>> {
    let (prefix, message) = plain.split_at_checked(PREFIX_LEN).unwrap_or_default();
    // A frame that does not fit in fewer bytes than the message is not wanted.
    let mut frame = vec![0; PREFIX_LEN + len];
    let written = {
        let Some((head, room)) = frame.split_first_chunk_mut::<PREFIX_LEN>() else {
            return Ok(None);
        };
        head.copy_from_slice(prefix);
        head[1] = 1;
        let room_len = room.len().saturating_sub(1);
        let Some(room) = room.get_mut(..room_len) else {
            return Ok(None);
        };
        with_compressor(|compressor| compressor.compress_to_buffer(message, room).ok())?
    };
    Ok(written.map(|written| {
        frame.truncate(PREFIX_LEN + written);
        // Queues count lengths: do not keep the unused part allocated.
        frame.shrink_to(PREFIX_LEN + written + crate::event::TAG_LEN as usize);
        frame
    }))
}

fn with_compressor<R>(f: impl FnOnce(&mut zstd::bulk::Compressor<'static>) -> R) -> Result<R> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(
                zstd::bulk::Compressor::new(ZSTD_LEVEL)
                    .map_err(|error| StorageError::io("set up compression", error))?,
            ),
        };
        Ok(f(compressor))
    })
}

/// Reads the plaintext of an event. Keys and values share one buffer.
///
/// # Errors
/// [`FormatError`] when it is not what [`encode`] writes. Allocates no more than
/// [`MESSAGE_LEN_MAX`] for the message, whatever the bytes say.
pub fn decode(plaintext: impl Into<Bytes>) -> Result<Txn> {
    let txn = decode_unchecked(plaintext.into())?;
    check_codes(&txn)?;
    Ok(txn)
}

fn decode_unchecked(plaintext: Bytes) -> Result<Txn, FormatError> {
    let Some(&[version, compression, a, b, c, d]) = plaintext.first_chunk::<PREFIX_LEN>() else {
        return Err(FormatError::Truncated {
            what: "a transaction",
            needed: PREFIX_LEN as u64,
            have: plaintext.len() as u64,
        });
    };
    if version != VERSION {
        return Err(FormatError::Version {
            what: "a transaction",
            found: u32::from(version),
            newest: u32::from(VERSION),
        });
    }
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if len > MESSAGE_LEN_MAX {
        return Err(FormatError::TooLarge {
            what: "a transaction message",
            len: len as u64,
            max: MESSAGE_LEN_MAX as u64,
        });
    }
    let stored = plaintext.slice(PREFIX_LEN..);
    let message = match compression {
        0 => stored,
        1 => Bytes::from(decompress(&stored, len)?),
        other => {
            let value = u64::from(other);
            return Err(FormatError::Field {
                what: "compression of a transaction",
                value,
            });
        }
    };
    if message.len() != len {
        let value = message.len() as u64;
        return Err(FormatError::Field {
            what: "length of a transaction message",
            value,
        });
    }
    Txn::decode(message).map_err(|error| malformed(error.to_string()))
}

fn malformed(detail: String) -> FormatError {
    FormatError::Message {
        what: "a transaction",
        detail,
    }
}

/// Decompresses into a buffer of at most `len` bytes.
fn decompress(frame: &[u8], len: usize) -> Result<Vec<u8>, FormatError> {
    zstd::bulk::decompress(frame, len).map_err(|error| malformed(error.to_string()))
}

/// Refuses operations and spaces that this program does not know: applying a
/// block must not have to guess.
fn check_codes(txn: &Txn) -> Result<(), FormatError> {
    for stream in &txn.streams {
        check_code("space", stream.space, Space::is_valid)?;
        for change in &stream.changes {
            check_code("operation", change.op, Op::is_valid)?;
        }
    }
    Ok(())
}

fn check_code(what: &'static str, code: i32, known: fn(i32) -> bool) -> Result<(), FormatError> {
    if known(code) {
        return Ok(());
    }
    Err(FormatError::Field {
        what,
        value: u64::from(code.cast_unsigned()),
    })
}

#[cfg(test)]
mod tests;
