//! The arguments of a backslash command.

use super::variables::{Quoting, Reference, Variables, reference};

/// Cuts a command's arguments apart: separated by white space, quoted with
/// `'…'` (backslash escapes, doubled quotes) or `"…"`, with variables written in.
pub fn arguments(text: &str, variables: &Variables) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            found.extend(current.take());
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let word = current.get_or_insert_with(String::new);
        rest = match c {
            '\'' => single_quoted(&rest[1..], word),
            '"' => {
                let end = rest[1..].find('"').map_or(rest.len(), |i| i + 2);
                word.push_str(&rest[..end]);
                &rest[end..]
            }
            ':' => match reference(rest) {
                Some((Reference::IsSet(name), length)) => {
                    word.push_str(if variables.get(name).is_some() {
                        "TRUE"
                    } else {
                        "FALSE"
                    });
                    &rest[length..]
                }
                Some((Reference::Value(name, quoting), length)) => {
                    match variables.expand(name, quoting) {
                        Some(value) if quoting == Quoting::Plain => word.push_str(&value),
                        Some(value) => word.push_str(value.trim_start()),
                        None => word.push_str(&rest[..length]),
                    }
                    &rest[length..]
                }
                None => {
                    word.push(':');
                    &rest[1..]
                }
            },
            _ => {
                word.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    found.extend(current);
    found
}

/// Reads up to the closing quote; what follows it is returned.
fn single_quoted<'a>(text: &'a str, word: &mut String) -> &'a str {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\'' => {
                if characters.next_if(|(_, c)| *c == '\'').is_none() {
                    return &text[at + 1..];
                }
                word.push('\'');
            }
            '\\' => match characters.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, 't')) => word.push('\t'),
                Some((_, other)) => word.push(other),
                None => {}
            },
            _ => word.push(c),
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn quotes_and_variables() {
        let mut variables = Variables::default();
        variables.set("dir", "/d");
        assert_eq!(
            arguments("name :dir '/x y' 'it''s' :other :{?dir} a:b", &variables),
            ["name", "/d", "/x y", "it's", ":other", "TRUE", "a:b"]
        );
        assert_eq!(arguments("  ", &variables), Vec::<String>::new());
    }
}
