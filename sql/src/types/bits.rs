//! Bit strings: `bit(n)` and `bit varying(n)`.

use std::cmp::Ordering;

use crate::error::{SqlError, SqlResult, state};

/// A string of bits. The bits behind the last one of the last byte are zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bits {
    length: u32,
    bytes: Vec<u8>,
}

/// Most bits a string may have.
const MOST: usize = i32::MAX as usize;

impl Bits {
    /// So many bits out of bytes; what is behind them is dropped, what is missing is
    /// zero.
    pub fn new(length: u32, mut bytes: Vec<u8>) -> Bits {
        bytes.resize(length.div_ceil(8) as usize, 0);
        let rest = length % 8;
        if rest > 0
            && let Some(last) = bytes.last_mut()
        {
            *last &= 0xff << (8 - rest);
        }
        Bits { length, bytes }
    }

    /// Bits one by one.
    pub fn from_bits(bits: impl IntoIterator<Item = bool>) -> Bits {
        let mut bytes = Vec::new();
        let mut length = 0u32;
        for bit in bits {
            if length.is_multiple_of(8) {
                bytes.push(0);
            }
            if bit && let Some(last) = bytes.last_mut() {
                *last |= 0x80 >> (length % 8);
            }
            length += 1;
        }
        Bits { length, bytes }
    }

    /// Reads `0101`, `b0101` or `x05`.
    ///
    /// # Errors
    /// 22P02 for another digit.
    pub fn parse(text: &str) -> SqlResult<Bits> {
        let too_long = || {
            SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "bit string length exceeds the maximum allowed",
            )
        };
        if let Some(digits) = text.strip_prefix(['x', 'X']) {
            let mut bytes = vec![0u8; digits.len().div_ceil(2)];
            let mut count = 0u32;
            for (index, digit) in digits.chars().enumerate() {
                let value = digit
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
                    .ok_or_else(|| invalid(digit, "hexadecimal"))?;
                if let Some(byte) = bytes.get_mut(index / 2) {
                    *byte |= if index % 2 == 0 { value << 4 } else { value };
                }
                count = count.checked_add(4).ok_or_else(too_long)?;
            }
            return Ok(Bits::new(count, bytes));
        }
        let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
        if digits.len() > MOST {
            return Err(too_long());
        }
        let bits: Vec<bool> = digits
            .chars()
            .map(|digit| match digit {
                '0' => Ok(false),
                '1' => Ok(true),
                other => Err(invalid(other, "binary")),
            })
            .collect::<SqlResult<_>>()?;
        Ok(Bits::from_bits(bits))
    }

    /// How many bits there are.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bits, eight to a byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bit at an index, counted from the left; beyond the end `None`.
    pub fn bit(&self, index: u32) -> Option<bool> {
        if index >= self.length {
            return None;
        }
        let byte = self.bytes.get(index as usize / 8)?;
        Some(byte & (0x80 >> (index % 8)) != 0)
    }

    /// All bits from the left.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.length).map(|index| self.bit(index) == Some(true))
    }

    /// The string with exactly this length: cut, or zeros added on the right.
    #[must_use]
    pub fn resized(&self, length: u32) -> Bits {
        Bits::new(length, self.bytes.clone())
    }

    /// Zeros and ones.
    pub fn text(&self) -> String {
        self.iter().map(|bit| if bit { '1' } else { '0' }).collect()
    }

    /// The form it is stored in: length and bytes.
    pub fn image(&self) -> Vec<u8> {
        let mut out = self.length.to_le_bytes().to_vec();
        out.extend_from_slice(&self.bytes);
        out
    }

    /// The bits of a stored form; `None` when it is none.
    pub fn from_image(image: &[u8]) -> Option<Bits> {
        let (length, bytes) = image.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        (bytes.len() == length.div_ceil(8) as usize).then(|| Bits::new(length, bytes.to_vec()))
    }
}

impl Ord for Bits {
    fn cmp(&self, other: &Self) -> Ordering {
        let common = self.bytes.len().min(other.bytes.len());
        let of = |bits: &Bits| bits.bytes.get(..common).unwrap_or_default().to_vec();
        of(self)
            .cmp(&of(other))
            .then_with(|| self.length.cmp(&other.length))
    }
}

impl PartialOrd for Bits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn invalid(digit: char, kind: &str) -> SqlError {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("\"{digit}\" is not a valid {kind} digit"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn texts_and_order() {
        assert_eq!(Bits::parse("x1F").unwrap().text(), "00011111");
        assert_eq!(Bits::parse("b101").unwrap().text(), "101");
        assert_eq!(Bits::parse("101").unwrap().resized(5).text(), "10100");
        assert_eq!(Bits::parse("10111").unwrap().resized(2).text(), "10");
        assert!(Bits::parse("12").is_err());
        let sorted = ["", "0", "00", "000000000", "01", "1", "10", "11"];
        for pair in sorted.windows(2) {
            let [a, b] = pair else { continue };
            assert!(Bits::parse(a).unwrap() < Bits::parse(b).unwrap(), "{a} {b}");
        }
        let bits = Bits::parse("1011001110001").unwrap();
        assert_eq!(Bits::from_image(&bits.image()), Some(bits));
    }
}
