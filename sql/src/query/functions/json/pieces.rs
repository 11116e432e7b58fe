//! Cuts the pieces of valid JSON text out of it, as they are written.

use crate::types::json::Json;

/// Moves over the parts of valid JSON text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Steps over a byte if it is next, after blanks.
    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    /// The text of the next value.
    fn value(&mut self) -> &'a str {
        self.blanks();
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth == 0 => break,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default().trim_end()
    }

    /// Members of an object: written key and value.
    fn members(mut self) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        if !self.eat(b'{') || self.eat(b'}') {
            return found;
        }
        loop {
            let key = self.value();
            if !self.eat(b':') {
                return found;
            }
            found.push((key, self.value()));
            if !self.eat(b',') {
                return found;
            }
        }
    }

    /// Elements of an array.
    fn elements(mut self) -> Vec<&'a str> {
        let mut found = Vec::new();
        if !self.eat(b'[') || self.eat(b']') {
            return found;
        }
        loop {
            found.push(self.value());
            if !self.eat(b',') {
                return found;
            }
        }
    }
}

fn key_is(written: &str, key: &str) -> bool {
    let inner = written.trim_matches('"');
    if !inner.contains('\\') && !key.contains(['\\', '"']) {
        return inner == key;
    }
    matches!(Json::parse(written), Ok(Json::String(text)) if text == key)
}

/// The last member of that name: later ones win.
pub(super) fn member_of<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    Cursor::new(object)
        .members()
        .into_iter()
        .rev()
        .find(|(written, _)| key_is(written, key))
        .map(|(_, value)| value)
}

/// Written keys and values of an object.
pub(super) fn members_of(object: &str) -> Vec<(&str, &str)> {
    Cursor::new(object).members()
}

/// The elements of an array.
pub(super) fn elements_of(array: &str) -> Vec<&str> {
    Cursor::new(array).elements()
}

/// The element at an index; a negative one counts from the end.
pub(super) fn element_of(array: &str, index: i32) -> Option<&str> {
    let elements = elements_of(array);
    let index = if index < 0 {
        elements.len().checked_sub(index.unsigned_abs() as usize)?
    } else {
        index as usize
    };
    elements.get(index).copied()
}
