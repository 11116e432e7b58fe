//! A checked reader over the body of one message.
//!
//! Every method answers an error when the body is shorter than it claims;
//! nothing is indexed and nothing is sized by an untrusted count.

use bytes::{Buf, Bytes};
use kimberlite_sql::error::{SqlError, SqlResult, state};

/// Reads fields from the front of a message body.
#[derive(Debug)]
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Starts at the first byte of a body.
    pub(super) fn new(body: Bytes) -> Self {
        Reader { rest: body }
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> SqlResult<u8> {
        self.rest.try_get_u8().map_err(|_| insufficient())
    }

    /// A big-endian 16-bit integer.
    pub(super) fn i16(&mut self) -> SqlResult<i16> {
        self.rest.try_get_i16().map_err(|_| insufficient())
    }

    /// A big-endian unsigned 16-bit integer: every count in the protocol.
    pub(super) fn count(&mut self) -> SqlResult<usize> {
        let count = self.rest.try_get_u16().map_err(|_| insufficient())?;
        Ok(usize::from(count))
    }

    /// A big-endian 32-bit integer.
    pub(super) fn i32(&mut self) -> SqlResult<i32> {
        self.rest.try_get_i32().map_err(|_| insufficient())
    }

    /// A big-endian unsigned 32-bit integer.
    pub(super) fn u32(&mut self) -> SqlResult<u32> {
        self.rest.try_get_u32().map_err(|_| insufficient())
    }

    /// `len` bytes, sharing the message's memory.
    pub(super) fn bytes(&mut self, len: usize) -> SqlResult<Bytes> {
        if len > self.rest.len() {
            return Err(insufficient());
        }
        Ok(self.rest.split_to(len))
    }

    /// A string that ends at a zero byte, without it. Must be UTF-8.
    pub(super) fn text(&mut self) -> SqlResult<Text> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| protocol("invalid string in message"))?;
        let raw = self.rest.split_to(end);
        self.rest.advance(1);
        Text::new(raw)
    }

    /// A list of `i16` with its count in front.
    pub(super) fn i16_list(&mut self) -> SqlResult<Vec<i16>> {
        let count = self.count()?;
        if self.rest.len() < count * 2 {
            return Err(insufficient());
        }
        (0..count).map(|_| self.i16()).collect()
    }

    /// A list of `u32` with its count in front.
    pub(super) fn u32_list(&mut self) -> SqlResult<Vec<u32>> {
        let count = self.count()?;
        if self.rest.len() < count * 4 {
            return Err(insufficient());
        }
        (0..count).map(|_| self.u32()).collect()
    }

    /// Bytes not yet read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The body must be used up.
    pub(super) fn end(&self) -> SqlResult<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(protocol("invalid message format"))
        }
    }
}

/// UTF-8 text that shares the memory of the message it came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(Bytes);

impl Text {
    fn new(raw: Bytes) -> SqlResult<Text> {
        match std::str::from_utf8(&raw) {
            Ok(_) => Ok(Text(raw)),
            Err(error) => Err(invalid_utf8(&raw, error.valid_up_to())),
        }
    }

    /// The text. Checked when the value was made; the second check keeps this
    /// free of unsafe code.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// 22021, with the bytes of the character that is none.
fn invalid_utf8(raw: &[u8], at: usize) -> SqlError {
    let bad = raw.get(at..).unwrap_or_default();
    let claimed = match bad.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    let shown: Vec<String> = bad
        .iter()
        .take(claimed)
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    SqlError::new(
        state::CHARACTER_NOT_IN_REPERTOIRE,
        format!(
            "invalid byte sequence for encoding \"UTF8\": {}",
            shown.join(" ")
        ),
    )
}

/// 08P01 with a message.
pub(super) fn protocol(message: impl Into<String>) -> SqlError {
    SqlError::new(state::PROTOCOL_VIOLATION, message)
}

fn insufficient() -> SqlError {
    protocol("insufficient data left in message")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn text_stops_at_its_zero() {
        let mut reader = reader(b"ab\0c\0");
        assert_eq!(reader.text().unwrap().as_str(), "ab");
        assert_eq!(reader.text().unwrap().as_str(), "c");
        reader.end().unwrap();
    }

    #[test]
    fn text_without_a_zero_is_refused() {
        assert_eq!(reader(b"ab").text().unwrap_err().sqlstate(), "08P01");
        assert_eq!(reader(b"").text().unwrap_err().sqlstate(), "08P01");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_and_named() {
        let error = reader(b"a\xc3(\0").text().unwrap_err();
        assert_eq!(error.sqlstate(), "22021");
        assert_eq!(
            error.message(),
            "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28"
        );
        let error = reader(b"\xff\0").text().unwrap_err();
        assert_eq!(
            error.message(),
            "invalid byte sequence for encoding \"UTF8\": 0xff"
        );
    }

    #[test]
    fn a_count_larger_than_the_body_is_refused() {
        assert!(reader(b"\xff\xff\0\0").i16_list().is_err());
        assert!(reader(b"\0\x02\0\0\0\x01\0\0").u32_list().is_err());
        assert_eq!(reader(b"\0\x01\0\x01").i16_list().unwrap(), vec![1]);
        assert!(reader(b"abc").bytes(4).is_err());
    }

    #[test]
    fn leftover_bytes_are_refused() {
        let mut reader = reader(b"\x01\x02");
        assert_eq!(reader.u8().unwrap(), 1);
        assert_eq!(reader.end().unwrap_err().sqlstate(), "08P01");
    }
}
