//! JSON strings: escapes read and written.

use super::parser::Parser;
use crate::error::{SqlError, SqlResult, state};

/// Appends a JSON string literal, escaped as PostgreSQL does.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl<'a> Parser<'a> {
    pub(super) fn string(&mut self) -> SqlResult<String> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest
                .bytes()
                .position(|b| b == b'"' || b == b'\\' || b < 0x20)
                .unwrap_or(rest.len());
            if self.keep {
                out.push_str(rest.get(..plain).unwrap_or_default());
            }
            self.at += plain;
            match self.byte() {
                None => return Err(self.ended()),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(control) => {
                    return Err(self.invalid(format!(
                        "Character with value 0x{control:02x} must be escaped."
                    )));
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> SqlResult<()> {
        self.at += 1;
        let plain = match self.byte() {
            None => return Err(self.ended()),
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(out);
            }
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(_) => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let c = rest.chars().next().unwrap_or('?');
                return Err(self.invalid(format!("Escape sequence \"\\{c}\" is invalid.")));
            }
        };
        self.at += 1;
        out.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut String) -> SqlResult<()> {
        let unit = self.hex4()?;
        if !self.keep {
            return Ok(());
        }
        let code = match unit {
            0 => {
                return Err(SqlError::new(
                    state::UNTRANSLATABLE_CHARACTER,
                    "unsupported Unicode escape sequence",
                )
                .detail("\\u0000 cannot be converted to text.")
                .context(self.context()));
            }
            0xd800..=0xdbff => {
                let low = "Unicode low surrogate must follow a high surrogate.";
                let rest = self.text.get(self.at..).unwrap_or_default();
                if !rest.starts_with("\\u") {
                    return Err(self.invalid(low));
                }
                self.at += 2;
                match self.hex4()? {
                    second @ 0xdc00..=0xdfff => {
                        0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00)
                    }
                    0xd800..=0xdbff => {
                        return Err(self
                            .invalid("Unicode high surrogate must not follow a high surrogate."));
                    }
                    _ => return Err(self.invalid(low)),
                }
            }
            0xdc00..=0xdfff => {
                return Err(self.invalid("Unicode low surrogate must follow a high surrogate."));
            }
            unit => unit,
        };
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn hex4(&mut self) -> SqlResult<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let unit = digits
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u32::from_str_radix(d, 16).ok());
        match unit {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None if self.text.len() < self.at + 4 => Err(self.ended()),
            None => Err(self.invalid("\"\\u\" must be followed by four hexadecimal digits.")),
        }
    }
}
