//! JSON as PostgreSQL reads it: `json` is checked and kept, `jsonb` is put in
//! normal form. Numbers keep every digit, as `numeric` does.

use std::cmp::Ordering;

use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::Numeric;

/// Arrays and objects inside each other at most this deep.
pub const MAX_DEPTH: usize = 1000;

/// A JSON value in `jsonb`'s normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number
    Number(Numeric),
    /// A text, escapes resolved
    String(String),
    /// An array
    Array(Vec<Json>),
    /// An object; keys are unique and sorted by length, then by bytes
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses JSON text into normal form (22P02 when it is not JSON).
    pub fn parse(text: &str) -> SqlResult<Json> {
        Parser::new(text, true).document()
    }

    /// Appends `jsonb`'s text form: `{"a": 1, "b": [1, 2]}`.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(number) => out.push_str(&number.to_string()),
            Json::String(text) => write_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The member of an object with this key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields
                .binary_search_by(|(own, _)| key_order(own, key))
                .ok()
                .and_then(|at| fields.get(at))
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Checks that the text is JSON, as `json` input does.
pub fn validate(text: &str) -> SqlResult<()> {
    Parser::new(text, false).document().map(|_| ())
}

/// The text in `jsonb`'s normal form.
pub fn normalize(text: &str) -> SqlResult<String> {
    let mut out = String::with_capacity(text.len());
    Json::parse(text)?.write(&mut out);
    Ok(out)
}

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

/// The order of keys in `jsonb`.
pub fn key_order(a: &str, b: &str) -> Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Build the value (`jsonb`), or only check it (`json`).
    keep: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, keep: bool) -> Self {
        Parser { text, at: 0, keep }
    }

    fn document(mut self) -> SqlResult<Json> {
        let value = self.value("Expected JSON value", 0)?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.unexpected("Expected end of input")),
        }
    }

    /// The next byte that is not a blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blanks = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.count();
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
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

    fn string(&mut self) -> SqlResult<String> {
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

    /// The token at the position, as error messages quote it.
    fn token(&self) -> &'a str {
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

    fn unexpected(&mut self, expected: &str) -> SqlError {
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

    fn ended(&mut self) -> SqlError {
        self.at = self.text.len();
        self.invalid("The input string ended unexpectedly.")
    }

    #[cold]
    fn invalid(&self, detail: impl Into<String>) -> SqlError {
        SqlError::new(
            state::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type json",
        )
        .detail(detail)
        .context(self.context())
    }

    /// "JSON data, line 1: …" with up to 50 characters before the fault.
    fn context(&self) -> String {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::arbitrary;
    use proptest::prelude::*;

    // Expected values: `select '…'::jsonb` on PostgreSQL 15.
    #[test]
    fn normal_form_is_postgresqls() {
        for (input, output) in [
            (
                r#"{"b":1,"a":2,"aa":3,"b":4}"#,
                r#"{"a": 2, "b": 4, "aa": 3}"#,
            ),
            (
                r#" [1 , 2.50, 1e3, -0, 1.0e-2, 12345678901234567890123456789012345678901234567890]"#,
                r#"[1, 2.50, 1000, 0, 0.010, 12345678901234567890123456789012345678901234567890]"#,
            ),
            (
                r#""\u00e9\ud83d\ude00\/\b\u001f\u007f""#,
                "\"é😀/\\b\\u001f\u{7f}\"",
            ),
            (r#"{}"#, "{}"),
            (r#"[]"#, "[]"),
            (r#"null"#, "null"),
            (
                r#"{"a":{"y":[true,false,null]}}"#,
                r#"{"a": {"y": [true, false, null]}}"#,
            ),
        ] {
            assert_eq!(normalize(input).unwrap(), output, "{input}");
        }
    }

    // Details: the same statements on PostgreSQL 15.
    #[test]
    fn errors_say_what_postgresql_says() {
        for (input, detail) in [
            ("", "The input string ended unexpectedly."),
            ("{", "The input string ended unexpectedly."),
            ("{\"a\"", "The input string ended unexpectedly."),
            ("\"abc", "The input string ended unexpectedly."),
            ("foo", "Token \"foo\" is invalid."),
            ("[1,]", "Expected JSON value, but found \"]\"."),
            ("[,1]", "Expected array element or \"]\", but found \",\"."),
            ("{,}", "Expected string or \"}\", but found \",\"."),
            ("{\"a\":1,}", "Expected string, but found \"}\"."),
            ("{\"a\" 1}", "Expected \":\", but found \"1\"."),
            ("{\"a\":1 2}", "Expected \",\" or \"}\", but found \"2\"."),
            ("[1 2]", "Expected \",\" or \"]\", but found \"2\"."),
            ("1 2", "Expected end of input, but found \"2\"."),
            ("01", "Token \"01\" is invalid."),
            ("1.", "Token \"1.\" is invalid."),
            ("\"\\x\"", "Escape sequence \"\\x\" is invalid."),
            ("\"a\nb\"", "Character with value 0x0a must be escaped."),
            (
                "\"\\u12g4\"",
                "\"\\u\" must be followed by four hexadecimal digits.",
            ),
        ] {
            let error = validate(input).unwrap_err();
            assert_eq!(error.sqlstate(), "22P02");
            assert_eq!(error.message(), "invalid input syntax for type json");
            assert_eq!(error.get_detail(), Some(detail), "{input}");
        }
        assert!(validate("\"\\u0000\"").is_ok());
        assert!(normalize("\"\\u0000\"").unwrap_err().is("22P05"));
        assert!(normalize("\"\\ud800\"").unwrap_err().is("22P02"));
        assert!(normalize("\"\\udc00\"").unwrap_err().is("22P02"));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(validate(&nested(MAX_DEPTH)).is_ok());
        assert!(normalize(&nested(1_000_000)).unwrap_err().is("54001"));
    }

    #[test]
    fn members_are_found_by_key() {
        let json = Json::parse(r#"{"aa":1,"b":2,"aaa":3,"c":4}"#).unwrap();
        for (key, value) in [("aa", 1), ("b", 2), ("aaa", 3), ("c", 4)] {
            assert_eq!(json.get(key), Some(&Json::Number(value.into())), "{key}");
        }
        assert_eq!(json.get("a"), None);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable_and_means_the_same(text in arbitrary::json()) {
            let normal = normalize(&text).unwrap();
            prop_assert_eq!(&normalize(&normal).unwrap(), &normal);
            validate(&text).unwrap();
            let ours: serde_json::Value = serde_json::from_str(&normal).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert!(alike(&ours, &theirs), "{normal} {text}");
        }

        #[test]
        fn what_serde_accepts_we_accept(text in "[\\[\\]{}:,\"a01 \\\\ntrue.eE+-]{0,12}") {
            prop_assert_eq!(
                validate(&text).is_ok(),
                serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
                "{}", text
            );
        }
    }

    fn alike(a: &serde_json::Value, b: &serde_json::Value) -> bool {
        use serde_json::Value::{Array, Number, Object};
        match (a, b) {
            (Number(a), Number(b)) => {
                (a.as_f64().unwrap() - b.as_f64().unwrap()).abs()
                    < 1e-9 * a.as_f64().unwrap().abs().max(1e-300)
            }
            (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
            (Object(a), Object(b)) => {
                a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| alike(v, w)))
            }
            (a, b) => a == b,
        }
    }
}
