//! Sixteen bytes as people see them.

use std::fmt::Write as _;

/// Hexadecimal digits.
pub(super) fn encode(bytes: &[u8; 16]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes; `None` for anything but 32 hexadecimal digits.
pub(super) fn decode(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]
    use super::*;

    #[test]
    fn sixteen_bytes_read_back_and_nothing_else_does() {
        let bytes = std::array::from_fn(|n| (n * 17) as u8);
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
        for wrong in [
            "",
            "00",
            "+0000000000000000000000000000000",
            &"g".repeat(32),
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
