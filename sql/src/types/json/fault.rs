//! What is wrong with a text, in PostgreSQL's words.

use super::parser::Parser;
use crate::error::{SqlError, state};

impl<'a> Parser<'a> {
    /// The token at the position, as error messages quote it.
    pub(super) fn token(&self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
        let length = match rest.bytes().next() {
            Some(b'"') => rest
                .get(1..)
                .and_then(|inner| inner.find('"'))
                .map_or(rest.len(), |end| end + 2),
            Some(first) if word(first) => rest.bytes().position(|b| !word(b)).unwrap_or(rest.len()),
            _ => rest.chars().next().map_or(0, char::len_utf8),
        };
        rest.get(..length).unwrap_or(rest)
    }

    pub(super) fn unexpected(&mut self, expected: &str) -> SqlError {
        match self.peek() {
            None => self.ended(),
            Some(b) => {
                let token = self.token();
                let punctuation =
                    matches!(b, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b'-');
                let known = matches!(token, "true" | "false" | "null");
                if punctuation || known || b.is_ascii_digit() {
                    self.invalid(format!("{expected}, but found \"{token}\"."))
                } else {
                    self.invalid(format!("Token \"{token}\" is invalid."))
                }
            }
        }
    }

    pub(super) fn ended(&mut self) -> SqlError {
        self.at = self.text.len();
        self.invalid("The input string ended unexpectedly.")
    }

    #[cold]
    pub(super) fn invalid(&self, detail: impl Into<String>) -> SqlError {
        SqlError::new(
            state::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type json",
        )
        .detail(detail)
        .context(self.context())
    }

    /// "JSON data, line 1: …" with up to 50 characters before the fault.
    pub(super) fn context(&self) -> String {
        let end = self.text.len().min(self.at + self.token().len());
        let before = self.text.get(..end).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let current = before.get(start..).unwrap_or_default();
        let skip = current.chars().count().saturating_sub(50);
        let shown: String = current.chars().skip(skip).collect();
        let (left, right) = (
            if skip > 0 { "..." } else { "" },
            if end < self.text.len() { "..." } else { "" },
        );
        format!("JSON data, line {line}: {left}{shown}{right}")
    }
}
