//! Applies a type's modifier: the length of `varchar(n)` and `char(n)`, the
//! precision of `numeric(p, s)`, the size of a `name`.

use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::pg_type::{MAX_NAME_BYTES, PgType};

/// How a value gets its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// Stored in a column, or read from text: what does not fit is an error.
    Assignment,
    /// `CAST` or `::`: text is cut to the length.
    Cast,
}

/// The value as the type keeps it. 22001 and 22003 when it does not fit.
pub fn apply(ty: PgType, value: Datum, conversion: Conversion) -> SqlResult<Datum> {
    let ty = ty.base();
    Ok(match (ty, value) {
        (PgType::Numeric(Some((precision, scale))), Datum::Numeric(value)) => {
            Datum::Numeric(value.with_modifier(precision, scale)?)
        }
        (PgType::Varchar(Some(length)), Datum::Text(text)) => {
            Datum::Text(limited(ty, text, length, conversion)?)
        }
        (PgType::Char(length), Datum::Text(text)) => {
            let text = match length {
                0 => text,
                length => limited(ty, text, length, conversion)?,
            };
            Datum::Text(without_trailing_blanks(text))
        }
        (PgType::Rounded(rounded), value) => rounded.apply(value)?,
        (PgType::Name, Datum::Text(text)) => Datum::Text(cut_bytes(text, MAX_NAME_BYTES)),
        (PgType::InternalChar, Datum::Text(text)) => {
            Datum::Text(internal_char_text(internal_char(&text)))
        }
        (PgType::Bit(Some(length)), Datum::Bits(bits)) if bits.len() != length => {
            if conversion == Conversion::Assignment {
                return Err(SqlError::new(
                    state::STRING_DATA_LENGTH_MISMATCH,
                    format!(
                        "bit string length {} does not match type bit({length})",
                        bits.len()
                    ),
                ));
            }
            Datum::Bits(bits.resized(length))
        }
        (PgType::Varbit(Some(length)), Datum::Bits(bits)) if bits.len() > length => {
            if conversion == Conversion::Assignment {
                return Err(SqlError::new(
                    state::STRING_DATA_RIGHT_TRUNCATION,
                    format!("bit string too long for type bit varying({length})"),
                ));
            }
            Datum::Bits(bits.resized(length))
        }
        (PgType::Array(element), Datum::Array(array)) => {
            if element.typmod() == -1 && element.oid() == array.element.oid() {
                return Ok(Datum::Array(array));
            }
            array
                .map(*element, |value| apply(*element, value, conversion))?
                .datum()
        }
        (_, value) => value,
    })
}

/// The byte that the text of a `"char"` means: `\ooo` in octal digits, or the first one.
pub(super) fn internal_char(text: &str) -> u8 {
    match text.as_bytes() {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
            ((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0')
        }
        bytes => bytes.first().copied().unwrap_or(0),
    }
}

/// A `"char"` as text: nothing for zero, and what is not ASCII in octal digits.
pub(super) fn internal_char_text(byte: u8) -> String {
    match byte {
        0 => String::new(),
        byte if byte.is_ascii() => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    }
}

fn limited(ty: PgType, mut text: String, length: u32, conversion: Conversion) -> SqlResult<String> {
    let length = length as usize;
    // A text of no more bytes has no more characters.
    if text.len() <= length {
        return Ok(text);
    }
    let Some((end, _)) = text.char_indices().nth(length) else {
        return Ok(text);
    };
    let blank = text
        .as_bytes()
        .get(end..)
        .is_none_or(|rest| rest.iter().all(|b| *b == b' '));
    if conversion == Conversion::Assignment && !blank {
        return Err(SqlError::new(
            state::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type {}", ty.sql_name()),
        ));
    }
    text.truncate(end);
    Ok(text)
}

fn without_trailing_blanks(mut text: String) -> String {
    text.truncate(text.trim_end_matches(' ').len());
    text
}

fn cut_bytes(mut text: String, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn lengths_count_characters_and_forgive_blanks() {
        let ty = PgType::Varchar(Some(3));
        let assign = |text: &str| apply(ty, Datum::text(text), Conversion::Assignment);
        assert_eq!(assign("äöü").unwrap(), Datum::text("äöü"));
        assert_eq!(assign("abc   ").unwrap(), Datum::text("abc"));
        let error = assign("abcd").unwrap_err();
        assert_eq!(error.sqlstate(), "22001");
        assert_eq!(
            error.message(),
            "value too long for type character varying(3)"
        );
        assert_eq!(
            apply(ty, Datum::text("äöüx"), Conversion::Cast).unwrap(),
            Datum::text("äöü")
        );
    }

    #[test]
    fn one_byte_is_written_in_octal_when_it_is_no_letter() {
        let cases = [
            ("abc", "a"),
            ("", ""),
            ("\\101", "A"),
            ("\\377", "\\377"),
            ("\\000", ""),
            ("\\", "\\"),
            ("\\9", "\\"),
            ("é", "\\303"),
        ];
        for (text, kept) in cases {
            let value = apply(PgType::InternalChar, Datum::text(text), Conversion::Cast);
            assert_eq!(value.unwrap(), Datum::text(kept), "{text}");
        }
    }

    #[test]
    fn char_drops_trailing_blanks_and_name_is_cut() {
        let kept = apply(
            PgType::Char(5),
            Datum::text("ab   "),
            Conversion::Assignment,
        )
        .unwrap();
        assert_eq!(kept, Datum::text("ab"));
        let long = "é".repeat(40);
        let cut = apply(PgType::Name, Datum::text(long), Conversion::Assignment).unwrap();
        assert_eq!(cut.as_str().unwrap().len(), 62);
    }
}
