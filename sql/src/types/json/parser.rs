//! Reads JSON text, byte by byte.

use super::{Json, key_order};
use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::Numeric;

/// Arrays and objects inside each other at most this deep.
pub const MAX_DEPTH: usize = 1000;

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Build the value (`jsonb`), or only check it (`json`).
    pub(super) keep: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, keep: bool) -> Self {
        Parser { text, at: 0, keep }
    }

    pub(super) fn document(mut self) -> SqlResult<Json> {
        let value = self.value("Expected JSON value", 0)?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.unexpected("Expected end of input")),
        }
    }

    /// The next byte that is not a blank.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blanks = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.count();
        self.byte()
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, expected: &str, depth: usize) -> SqlResult<Json> {
        if depth > MAX_DEPTH {
            return Err(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                "stack depth limit exceeded",
            ));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'}' | b']' | b',' | b':') | None => Err(self.unexpected(expected)),
            Some(_) => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> SqlResult<Json> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        let mut expected = "Expected string or \"}\"";
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected(expected));
            }
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("Expected \":\""));
            }
            self.at += 1;
            let value = self.value("Expected JSON value", depth + 1)?;
            if self.keep {
                fields.push((key, value));
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
            }
            expected = "Expected string";
        }
        self.at += 1;
        Ok(Json::Object(unique_sorted(fields)))
    }

    fn array(&mut self, depth: usize) -> SqlResult<Json> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        let mut expected = "Expected array element or \"]\"";
        loop {
            let value = self.value(expected, depth + 1)?;
            if self.keep {
                items.push(value);
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
            }
            expected = "Expected JSON value";
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn word(&mut self) -> SqlResult<Json> {
        let token = self.token();
        let value = match token {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => return Err(self.invalid(format!("Token \"{token}\" is invalid."))),
        };
        self.at += token.len();
        Ok(value)
    }

    fn number(&mut self) -> SqlResult<Json> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest
            .bytes()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
            .unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or_default();
        if !is_number(token.as_bytes()) {
            return Err(self.invalid(format!("Token \"{token}\" is invalid.")));
        }
        self.at += end;
        if !self.keep {
            return Ok(Json::Null);
        }
        Numeric::parse(token).map(Json::Number)
    }
}

fn is_number(token: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let token = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(token);
    if whole == 0 || (whole > 1 && token.first() == Some(&b'0')) {
        return false;
    }
    let mut rest = token.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// Of equal keys the last one counts.
fn unique_sorted(mut fields: Vec<(String, Json)>) -> Vec<(String, Json)> {
    fields.reverse();
    fields.sort_by(|(a, _), (b, _)| key_order(a, b));
    fields.dedup_by(|(a, _), (b, _)| a == b);
    fields
}
