//! psql's variables and the three ways a script writes them.

use std::collections::BTreeMap;

/// Variables by name.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

/// How a variable is to be written into the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// `:name`
    Plain,
    /// `:'name'`
    Literal,
    /// `:"name"`
    Identifier,
}

impl Variables {
    /// Sets one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Forgets one.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What stands for `name`, or nothing when it is not set: then the text
    /// stays as it is.
    pub(crate) fn expand(&self, name: &str, quoting: Quoting) -> Option<String> {
        let value = self.get(name)?;
        Some(match quoting {
            Quoting::Plain => value.to_owned(),
            Quoting::Literal if value.contains('\\') => {
                let doubled = value.replace('\\', "\\\\").replace('\'', "''");
                format!(" E'{doubled}'")
            }
            Quoting::Literal => format!("'{}'", value.replace('\'', "''")),
            Quoting::Identifier => format!("\"{}\"", value.replace('"', "\"\"")),
        })
    }
}

/// A reference at the start of `text` (which begins with a colon): the name, its
/// quoting and its length; or what asks whether a variable is set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// The value of a variable.
    Value(&'a str, Quoting),
    /// `:{?name}`
    IsSet(&'a str),
}

/// Reads a reference; `None` when the colon is only a colon.
pub(crate) fn reference(text: &str) -> Option<(Reference<'_>, usize)> {
    let rest = text.strip_prefix(':')?;
    let name_of = |s: &str| {
        s.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()))
            .unwrap_or(s.len())
    };
    match rest.as_bytes().first()? {
        b'\'' | b'"' => {
            let quote = rest.as_bytes()[0];
            let quoting = if quote == b'"' {
                Quoting::Identifier
            } else {
                Quoting::Literal
            };
            let name = &rest[1..1 + name_of(&rest[1..])];
            let closed = rest.as_bytes().get(1 + name.len()) == Some(&quote);
            (closed && !name.is_empty())
                .then_some((Reference::Value(name, quoting), name.len() + 3))
        }
        b'{' => {
            let inner = rest.strip_prefix("{?")?;
            let name = &inner[..name_of(inner)];
            (inner[name.len()..].starts_with('}') && !name.is_empty())
                .then_some((Reference::IsSet(name), name.len() + 4))
        }
        _ => {
            let name = &rest[..name_of(rest)];
            (!name.is_empty()).then_some((Reference::Value(name, Quoting::Plain), name.len() + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn references_are_read() {
        for (text, wanted) in [
            (
                ":abc + 1",
                Some((Reference::Value("abc", Quoting::Plain), 4)),
            ),
            (":'a'x", Some((Reference::Value("a", Quoting::Literal), 4))),
            (
                ":\"a\"",
                Some((Reference::Value("a", Quoting::Identifier), 4)),
            ),
            (":{?a}", Some((Reference::IsSet("a"), 5))),
            (":'a b'", None),
            (": a", None),
            (":", None),
        ] {
            assert_eq!(reference(text), wanted, "{text}");
        }
    }

    #[test]
    fn values_are_quoted() {
        let mut variables = Variables::default();
        variables.set("v", "it's a \"x\"");
        let expand = |q| variables.expand("v", q).unwrap();
        assert_eq!(expand(Quoting::Literal), "'it''s a \"x\"'");
        assert_eq!(expand(Quoting::Identifier), "\"it's a \"\"x\"\"\"");
        assert_eq!(variables.expand("w", Quoting::Plain), None);
    }
}
