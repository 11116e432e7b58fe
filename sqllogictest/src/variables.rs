//! `let` and `control substitution`: values of earlier queries in later texts.

use std::collections::BTreeMap;

/// The variables of one file.
#[derive(Debug, Default)]
pub struct Variables {
    enabled: bool,
    values: BTreeMap<String, String>,
}

impl Variables {
    /// `control substitution on|off`.
    pub fn enable(&mut self, on: bool) {
        self.enabled = on;
    }

    /// Binds a name; an earlier value is replaced.
    pub fn set(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// Replaces `$name` and `${name}` where substitution is on and the name is
    /// bound; anything else (also PostgreSQL's `$1` and `$$`) stays.
    pub fn apply(&self, text: &str) -> String {
        if !self.enabled || !text.contains('$') {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, tail) = match after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
            {
                Some(pair) => pair,
                None => {
                    let end = after
                        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                        .unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            match self.values.get(name) {
                Some(value) => {
                    out.push_str(value);
                    rest = tail;
                }
                None => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn replaces_bound_names_only() {
        let mut variables = Variables::default();
        variables.set("a", "7".into());
        assert_eq!(
            variables.apply("SELECT $a"),
            "SELECT $a",
            "off until switched on"
        );
        variables.enable(true);
        assert_eq!(
            variables.apply("SELECT $a, ${a}b, $ab, $1, $$x$$, ${open"),
            "SELECT 7, 7b, $ab, $1, $$x$$, ${open"
        );
    }
}
