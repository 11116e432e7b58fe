//! Frames on a replication connection, in bytes.
//!
//! From the dialler, one packet after the other. All integers are little-endian.
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 4 | length of what follows the flags, in bytes |
//! | 4 | 1 | flags; bit 0: compressed with zstd, all others zero |
//! | 5 | 4 | compressed only: length of the frame itself |
//! | … | … | the frame ([`crate::frame`]), or its compressed bytes |
//!
//! A packet of length 0 without flags is a sign of life: one goes out when nothing else
//! did for a quarter of a second. The other side sends single bytes `0` as often, and
//! nothing else.
//!
//! Blocks are mostly ciphertext, which does not shrink. So compression is tried only
//! where the link is slower than we are (other frames wait) and the frame is large; it is
//! used where it saves a tenth, and where it did not, it is not tried for the next frames.

use std::time::Duration;

use crate::frame::{FRAME_HEADER_LEN, FRAME_LEN_MAX, Frame};

/// Time between two signs of life.
pub(super) const BEAT_EVERY: Duration = Duration::from_millis(250);
/// Length of the head of a packet.
pub(super) const PACKET_HEAD_LEN: usize = 5;
/// Length of the field only compressed packets have.
pub(super) const PLAIN_LEN_LEN: usize = 4;

/// Bytes gathered into one write.
const BATCH_LEN: usize = 64 << 10;
/// Shortest frame that is worth compressing.
const COMPRESS_MIN: usize = 64 << 10;
/// Frames after one that did not shrink that are not tried.
const NOT_TRIED: u32 = 32;
/// Capacity a buffer keeps from one frame to the next.
const KEPT_CAPACITY: usize = 4 << 20;

const ZSTD: u8 = 1;

/// What the head of a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A sign of life.
    Beat,
    /// A frame of that many bytes.
    Plain(usize),
    /// A compressed frame: that many bytes follow the head.
    Compressed(usize),
}

impl Head {
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn decode(head: [u8; PACKET_HEAD_LEN]) -> Result<Self, String> {
        let [a, b, c, d, flags] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        match (flags, len) {
            (0, 0) => Ok(Self::Beat),
            (0, FRAME_HEADER_LEN..=FRAME_LEN_MAX) => Ok(Self::Plain(len)),
            (ZSTD, PLAIN_LEN_LEN..=FRAME_LEN_MAX) => Ok(Self::Compressed(len)),
            (0 | ZSTD, _) => Err(format!("a packet of {len} bytes")),
            _ => Err(format!("a packet with flags {flags:#x}")),
        }
    }
}

/// Length of the frame in a compressed packet of `len` bytes.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn plain_len(field: [u8; PLAIN_LEN_LEN], len: usize) -> Result<usize, String> {
    let plain = u32::from_le_bytes(field) as usize;
    match plain {
        FRAME_HEADER_LEN..=FRAME_LEN_MAX if len <= plain => Ok(plain),
        _ => Err(format!("{len} compressed bytes for a frame of {plain}")),
    }
}

/// The frame of a compressed packet; it has exactly the length the packet says.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn decompress(compressed: &[u8], plain_len: usize) -> Result<Vec<u8>, String> {
    // Bounded by FRAME_LEN_MAX: zstd stops at the capacity.
    let plain = zstd::bulk::decompress(compressed, plain_len);
    match plain {
        Ok(plain) if plain.len() == plain_len => Ok(plain),
        Ok(plain) => Err(format!("{} bytes instead of {plain_len}", plain.len())),
        Err(error) => Err(format!("compressed bytes that are none: {error}")),
    }
}

/// Packets that go out with one write.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Frames that still go out uncompressed.
    not_tried: u32,
}

impl Batch {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_LEN
    }

    /// Forgets what has been written.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// Adds a sign of life.
    pub(super) fn beat(&mut self) {
        self.bytes.extend_from_slice(&[0; PACKET_HEAD_LEN]);
    }

    /// Adds a frame of that length. `waiting` says whether others wait behind it.
    pub(super) async fn add(&mut self, frame: Frame, len: usize, waiting: bool) {
        if waiting && len >= COMPRESS_MIN && self.not_tried == 0 {
            return self.add_compressed(frame, len).await;
        }
        self.not_tried = self.not_tried.saturating_sub(1);
        self.put_head(len, 0);
        frame.encode(&mut self.bytes);
    }

    async fn add_compressed(&mut self, frame: Frame, len: usize) {
        // A frame of many MiB takes longer than a task may keep its thread.
        let work = tokio::task::spawn_blocking(move || {
            let mut plain = Vec::new();
            frame.encode(&mut plain);
            let compressed = zstd::bulk::compress(&plain, 1).ok();
            (plain, compressed)
        });
        let Ok((plain, compressed)) = work.await else {
            return; // The runtime ends.
        };
        let saves = |c: &Vec<u8>| PLAIN_LEN_LEN + c.len() <= len - len / 10;
        match compressed.filter(saves) {
            Some(compressed) => {
                self.put_head(PLAIN_LEN_LEN + compressed.len(), ZSTD);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
                self.bytes.extend_from_slice(&compressed);
            }
            None => {
                self.not_tried = NOT_TRIED;
                self.put_head(len, 0);
                self.bytes.extend_from_slice(&plain);
            }
        }
    }

    fn put_head(&mut self, len: usize, flags: u8) {
        self.bytes.reserve(PACKET_HEAD_LEN + len);
        // No frame is longer than FRAME_LEN_MAX: see the sender.
        self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
        self.bytes.push(flags);
    }
}

#[cfg(test)]
#[path = "tests/packet.rs"]
mod tests;
