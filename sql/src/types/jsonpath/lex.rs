//! Cuts the text of a path into tokens.

use super::syntax;
use crate::error::{SqlError, SqlResult};

/// A token, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A word without quotes: a keyword or a key.
    Word(String),
    /// A text in quotes.
    String(String),
    /// `$name`
    Variable(String),
    /// A number without point and exponent.
    Integer(String),
    /// Any other number.
    Number(String),
    /// Punctuation.
    Sign(&'static str),
}

impl Token {
    /// The token as errors quote it.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::Word(text)
            | Self::String(text)
            | Self::Variable(text)
            | Self::Integer(text)
            | Self::Number(text) => text,
            Self::Sign(sign) => sign,
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 28] = [
    "&&", "||", "**", "<=", "==", "<>", "!=", ">=", "!", "<", ">", "?", "%", "$", ".", "[", "]",
    "{", "}", "(", ")", "@", ",", "*", ":", "-", "+", "/",
];

/// Bytes that end a word.
fn is_special(byte: u8) -> bool {
    b"?%$.[]{}()|&!=<>@#,*:-+/\\\"".contains(&byte) || is_blank(byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> SqlResult<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) -> SqlResult<()> {
        loop {
            while self.byte().is_some_and(is_blank) {
                self.at += 1;
            }
            if !self.rest().starts_with("/*") {
                return Ok(());
            }
            match self.rest().get(2..).and_then(|inner| inner.find("*/")) {
                Some(end) => self.at += end + 4,
                None => return Err(syntax("unexpected end of comment", "")),
            }
        }
    }

    fn next(&mut self) -> SqlResult<Option<Token>> {
        self.blanks()?;
        let Some(byte) = self.byte() else {
            return Ok(None);
        };
        let rest = self.rest();
        let digit_after_point =
            byte == b'.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if byte.is_ascii_digit() || digit_after_point {
            return self.number().map(Some);
        }
        if byte == b'"' {
            self.at += 1;
            return self.quoted().map(|text| Some(Token::String(text)));
        }
        if byte == b'$' {
            if rest.as_bytes().get(1) == Some(&b'"') {
                self.at += 2;
                return self.quoted().map(|text| Some(Token::Variable(text)));
            }
            let name = rest.get(1..).map_or(0, word_length);
            if name > 0 {
                let text = rest.get(1..1 + name).unwrap_or_default().to_owned();
                self.at += 1 + name;
                return Ok(Some(Token::Variable(text)));
            }
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Some(Token::Sign(sign)));
        }
        if is_special(byte) && byte != b'\\' {
            return Err(syntax("syntax error", &self.shown_char()));
        }
        self.word().map(Some)
    }

    fn shown_char(&self) -> String {
        self.rest().chars().take(1).collect()
    }

    /// A word: characters that are not special, and escapes.
    fn word(&mut self) -> SqlResult<Token> {
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = word_length(rest);
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            if self.byte() != Some(b'\\') {
                return Ok(Token::Word(out));
            }
            self.escape(&mut out)?;
        }
    }

    /// The rest of a text after its opening quote.
    fn quoted(&mut self) -> SqlResult<String> {
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(_) => self.escape(&mut out)?,
                None => return Err(syntax("unterminated quoted string", "")),
            }
        }
    }

    /// An escape that begins at the position.
    fn escape(&mut self, out: &mut String) -> SqlResult<()> {
        let mut chars = self.rest().chars();
        chars.next();
        let Some(escaped) = chars.next() else {
            return Err(syntax("unexpected end after backslash", ""));
        };
        let plain = match escaped {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => {
                let value = self.hexadecimal(2, 2).ok_or_else(|| {
                    syntax("invalid hexadecimal character sequence", self.escape_text())
                })?;
                self.at += 4;
                return self.push(value, out);
            }
            'u' => {
                let first = self.unicode()?;
                if (0xD800..0xDC00).contains(&first) {
                    return self.surrogate(first, out);
                }
                return self.push(first, out);
            }
            other => other,
        };
        out.push(plain);
        self.at += 1 + escaped.len_utf8();
        Ok(())
    }

    fn escape_text(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
        rest.get(..end).unwrap_or_default()
    }

    fn hexadecimal(&self, from: usize, digits: usize) -> Option<u32> {
        let text = self.rest().get(from..from + digits)?;
        text.bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(text, 16).ok())?
    }

    /// The number of `\uXXXX` or `\u{X…}`, stepped over.
    fn unicode(&mut self) -> SqlResult<u32> {
        let invalid = |this: &Self| syntax("invalid Unicode escape sequence", this.escape_text());
        if let Some(inner) = self.rest().get(2..).and_then(|r| r.strip_prefix('{')) {
            let end = inner.find('}').ok_or_else(|| invalid(self))?;
            if !(1..=6).contains(&end) {
                return Err(invalid(self));
            }
            let value = self.hexadecimal(3, end).ok_or_else(|| invalid(self))?;
            self.at += end + 4;
            return Ok(value);
        }
        let value = self.hexadecimal(2, 4).ok_or_else(|| invalid(self))?;
        self.at += 6;
        Ok(value)
    }

    /// The second half of a pair, whose first one was read.
    fn surrogate(&mut self, first: u32, out: &mut String) -> SqlResult<()> {
        if !self.rest().starts_with("\\u") {
            return Err(low_missing());
        }
        let second = self.unicode()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(low_missing());
        }
        self.push(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), out)
    }

    fn push(&self, value: u32, out: &mut String) -> SqlResult<()> {
        if value == 0 {
            return Err(SqlError::new(
                crate::error::state::UNTRANSLATABLE_CHARACTER,
                "unsupported Unicode escape sequence",
            )
            .detail("\\u0000 cannot be converted to text."));
        }
        if (0xDC00..0xE000).contains(&value) {
            return Err(low_missing());
        }
        match char::from_u32(value) {
            Some(c) => out.push(c),
            None => return Err(syntax("invalid Unicode escape sequence", "")),
        }
        Ok(())
    }

    fn number(&mut self) -> SqlResult<Token> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            rest.iter().take_while(|b| b.is_ascii_digit()).count()
        };
        // A zero ends the whole part.
        let whole = match bytes.first() {
            Some(b'0') => 1,
            _ => digits(0),
        };
        let mut end = whole;
        let mut plain = true;
        if bytes.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
            plain = false;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
                plain = false;
            } else if sign > 0 {
                let near = self.rest().get(..end + 2).unwrap_or_default();
                return Err(syntax("invalid numeric literal", near));
            }
        }
        let text = self.rest().get(..end).unwrap_or_default().to_owned();
        let after = self.rest().get(end..).unwrap_or_default();
        if word_length(after) > 0 {
            let junk: String = after.chars().take(1).collect();
            let near = format!("{text}{junk}");
            return Err(syntax("trailing junk after numeric literal", &near));
        }
        self.at += end;
        Ok(if plain {
            Token::Integer(text)
        } else {
            Token::Number(text)
        })
    }
}

fn low_missing() -> SqlError {
    SqlError::new(
        crate::error::state::INVALID_TEXT_REPRESENTATION,
        "invalid input syntax for type jsonpath",
    )
    .detail("Unicode low surrogate must follow a high surrogate.")
}

/// How many bytes at the beginning belong to a word.
fn word_length(text: &str) -> usize {
    text.bytes().position(is_special).unwrap_or(text.len())
}
