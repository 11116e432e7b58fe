//! JSON as PostgreSQL reads it: `json` is checked and kept, `jsonb` is put in
//! normal form. Numbers keep every digit, as `numeric` does.

mod fault;
mod parser;
mod string;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::error::SqlResult;
use crate::types::numeric::Numeric;
use parser::Parser;

pub use parser::MAX_DEPTH;
pub use string::write_string;

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

/// The order of keys in `jsonb`.
pub fn key_order(a: &str, b: &str) -> Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.as_bytes().cmp(b.as_bytes()))
}
