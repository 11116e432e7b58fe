//! The read buffer of one connection, and framing.
//!
//! A message is `type u8 | length i32 (itself included) | body`; the packets
//! before authentication have no type. A length is checked before the body is
//! waited for, and memory grows with what arrived, not with what was announced.

use bytes::{Buf, Bytes, BytesMut};
use kimberlite_sql::error::{Severity, SqlError, SqlResult};

use super::frontend::Kind;
use super::reader::protocol;

/// First and smallest size of a read, in bytes.
const SMALL_READ: usize = 8 << 10;
/// Largest size of a read, and the most a quiet connection keeps.
const LARGE_READ: usize = 64 << 10;

/// One message: its type and exactly its body.
#[derive(Debug)]
pub(super) struct Frame {
    /// The type.
    pub(super) kind: Kind,
    /// The body, sharing memory with the read buffer.
    pub(super) body: Bytes,
}

/// Bytes received and not yet decoded.
#[derive(Debug)]
pub(super) struct Input {
    buffer: BytesMut,
    /// Bytes the message at the front needs in all, as far as known.
    needed: usize,
    /// Size of the next read.
    read_size: usize,
    /// The largest message since the buffer was last given back.
    largest: usize,
}

impl Input {
    /// An empty buffer; no memory is taken before the first read.
    pub(super) fn new() -> Self {
        Input {
            buffer: BytesMut::new(),
            needed: 0,
            read_size: SMALL_READ,
            largest: 0,
        }
    }

    /// Whether every received byte was decoded.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Takes every byte that was not decoded; they are decoded elsewhere.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer).into()
    }

    /// Whether a read ahead of the decoder still fits.
    pub(super) fn has_room_ahead(&self) -> bool {
        self.buffer.len() < LARGE_READ
    }

    /// The buffer with room for the next read, which appends to it.
    pub(super) fn prepare(&mut self) -> &mut BytesMut {
        let missing = self.needed.saturating_sub(self.buffer.len());
        // A message may announce far more than ever comes: take at most as
        // much again as is already here.
        let ceiling = self.buffer.len().max(LARGE_READ);
        let room = missing.max(self.read_size).min(ceiling);
        self.buffer.reserve(room);
        &mut self.buffer
    }

    /// Notes what a read brought: full reads grow the next one.
    pub(super) fn received(&mut self, count: usize) {
        if count >= self.read_size {
            self.read_size = (self.read_size * 2).min(LARGE_READ);
        }
    }

    /// Gives back memory that a large message took. Call when the connection
    /// waits for its client.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() && self.largest > LARGE_READ {
            self.buffer = BytesMut::new();
            self.read_size = SMALL_READ;
            self.largest = 0;
        }
    }

    /// Takes the next complete message, or `None` until more bytes are here.
    ///
    /// An unknown type and an impossible length are FATAL: nothing after them
    /// can be trusted to be the start of a message.
    pub(super) fn next_frame(&mut self, max_body: usize) -> SqlResult<Option<Frame>> {
        let Some((header, _)) = self.buffer.split_first_chunk::<5>() else {
            // The type alone is enough to refuse.
            if let Some(byte) = self.buffer.first() {
                known(*byte)?;
            }
            self.needed = 5;
            return Ok(None);
        };
        let [byte, length @ ..] = *header;
        let kind = known(byte)?;
        let body = u32::from_be_bytes(length)
            .checked_sub(4)
            .map(|body| usize::try_from(body).unwrap_or(usize::MAX))
            .filter(|body| *body <= kind.max_body(max_body))
            .ok_or_else(|| fatal("invalid message length"))?;
        self.needed = body.saturating_add(5);
        if self.buffer.len() < self.needed {
            return Ok(None);
        }
        self.largest = self.largest.max(self.needed);
        self.needed = 0;
        self.buffer.advance(5);
        let body = self.buffer.split_to(body).freeze();
        Ok(Some(Frame { kind, body }))
    }

    /// Takes the next untyped packet of the startup phase, without its length.
    ///
    /// Bounds are in bytes and include the length field, as PostgreSQL's do.
    pub(super) fn next_packet(
        &mut self,
        min: usize,
        max: usize,
    ) -> Result<Option<Bytes>, BadPacket> {
        let Some((length, _)) = self.buffer.split_first_chunk::<4>() else {
            self.needed = 4;
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length < min || length > max {
            return Err(BadPacket);
        }
        self.needed = length;
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.needed = 0;
        let mut packet = self.buffer.split_to(length);
        packet.advance(4);
        Ok(Some(packet.freeze()))
    }
}

/// What came first is not a packet of this protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPacket;

fn known(byte: u8) -> SqlResult<Kind> {
    Kind::from_byte(byte).ok_or_else(|| fatal(format!("invalid frontend message type {byte}")))
}

fn fatal(message: impl Into<String>) -> SqlError {
    protocol(message).severity(Severity::Fatal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    const MAX: usize = 1 << 20;

    fn input(bytes: &[u8]) -> Input {
        let mut input = Input::new();
        input.prepare().extend_from_slice(bytes);
        input
    }

    #[test]
    fn messages_come_out_whole_wherever_reads_are_cut() {
        let stream = b"Q\0\0\0\x06a\0S\0\0\0\x04X\0\0\0\x04";
        for cut in 0..=stream.len() {
            let mut input = Input::new();
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                input.prepare().extend_from_slice(part);
                while let Some(frame) = input.next_frame(MAX).unwrap() {
                    seen.push((frame.kind, frame.body.len()));
                }
            }
            assert_eq!(
                seen,
                vec![(Kind::Query, 2), (Kind::Sync, 0), (Kind::Terminate, 0)],
                "cut at {cut}"
            );
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_length_below_four_is_fatal() {
        for length in 0..4 {
            let error = input(&[b'Q', 0, 0, 0, length]).next_frame(MAX).unwrap_err();
            assert_eq!(error.sqlstate(), "08P01");
            assert_eq!(error.get_severity(), Severity::Fatal);
        }
    }

    #[test]
    fn a_length_over_the_bound_is_refused_before_its_body_comes() {
        let mut long = input(b"Q\x00\x10\x00\x05");
        assert!(long.next_frame(MAX).is_err());
        let mut longest = input(b"Q\x00\x10\x00\x04");
        assert!(longest.next_frame(MAX).unwrap().is_none());
        let mut negative = input(b"Q\xff\xff\xff\xff");
        assert!(negative.next_frame(MAX).is_err());
    }

    #[test]
    fn a_message_without_data_has_a_small_bound() {
        assert!(input(b"S\0\x01\0\0").next_frame(MAX).is_err());
    }

    #[test]
    fn an_unknown_type_is_refused_at_its_first_byte() {
        let error = input(b"!").next_frame(MAX).unwrap_err();
        assert_eq!(error.message(), "invalid frontend message type 33");
        assert_eq!(error.get_severity(), Severity::Fatal);
    }

    #[test]
    fn an_announced_length_takes_no_memory_before_its_bytes_come() {
        let mut input = input(b"Q\x0f\xff\xff\xff");
        assert!(input.next_frame(256 << 20).unwrap().is_none());
        assert!(input.prepare().capacity() < 1 << 20);
    }

    #[test]
    fn a_large_message_gives_its_memory_back() {
        let mut input = input(b"Q\x00\x08\x00\x04");
        while input.next_frame(MAX).unwrap().is_none() {
            let room = input.prepare();
            let count = room.capacity() - room.len();
            let count = count.min((1 << 19) + 5 - room.len());
            room.extend_from_slice(&vec![b' '; count]);
            input.received(count);
        }
        assert!(input.is_empty());
        input.rest();
        assert!(input.prepare().capacity() <= LARGE_READ);
    }

    #[test]
    fn startup_packets_are_bounded_on_both_sides() {
        assert_eq!(input(b"\0\0\0\x07").next_packet(8, 100), Err(BadPacket));
        assert_eq!(input(b"\0\0\0\x65").next_packet(8, 100), Err(BadPacket));
        assert_eq!(input(b"GET / HTTP").next_packet(8, 100), Err(BadPacket));
        assert_eq!(input(b"\0\0\0\x08ab").next_packet(8, 100), Ok(None));
        let packet = input(b"\0\0\0\x08abcdX").next_packet(8, 100);
        assert_eq!(packet, Ok(Some(Bytes::from_static(b"abcd"))));
    }
}
