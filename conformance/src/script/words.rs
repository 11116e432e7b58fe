//! The words of a statement, as far as a comparison needs to know them.

use super::cursor::{block_comment, dollar_quoted, quoted, word};
use super::statement::without_comments;

/// The first words in capitals, with one space between.
pub fn first_words(statement: &str, count: usize) -> String {
    let words = without_comments(statement)
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
        .take(count);
    words.map(str::to_uppercase).collect::<Vec<_>>().join(" ")
}

/// All words outside parentheses, quotes and comments, in lower case.
pub fn outer_words(statement: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut rest = statement;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '(' | '[' => {
                depth += 1;
                1
            }
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                1
            }
            '\'' | '"' => quoted(rest, false),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '$' => dollar_quoted(rest).unwrap_or(1),
            _ if c.is_alphanumeric() || c == '_' => {
                let length = word(rest).max(c.len_utf8());
                if depth == 0 {
                    found.push(rest[..length].to_lowercase());
                }
                length
            }
            _ => c.len_utf8(),
        };
        rest = &rest[length..];
    }
    found
}

/// The names and words of a statement in lower case, each with the parts that dots
/// join; what is in strings and comments does not count.
pub(crate) fn dotted_names(statement: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut dotted = false;
    let mut rest = statement;
    while let Some(c) = rest.chars().next() {
        let (length, name) = match c {
            '"' => {
                let length = quoted(rest, false);
                (
                    length,
                    Some(rest[..length].trim_matches('"').to_lowercase()),
                )
            }
            '\'' => (quoted(rest, false), None),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), None),
            '/' if rest.starts_with("/*") => (block_comment(rest), None),
            '$' => (dollar_quoted(rest).unwrap_or(1), None),
            _ if c.is_alphanumeric() || c == '_' => {
                let length = word(rest).max(c.len_utf8());
                (length, Some(rest[..length].to_lowercase()))
            }
            _ => (c.len_utf8(), None),
        };
        match (name, found.last_mut()) {
            (Some(name), Some(last)) if dotted => last.push(name),
            (Some(name), _) => found.push(vec![name]),
            (None, _) => {}
        }
        dotted = c == '.';
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn only_outer_words_count() {
        let text = "SELECT a, (SELECT b ORDER BY c), 'order by', $$x y$$ -- z\n FROM \"q r\" t";
        assert_eq!(outer_words(text), ["select", "a", "from", "t"]);
        assert_eq!(first_words("/* x */ insert into t", 2), "INSERT INTO");
    }

    #[test]
    fn dots_join_names() {
        let text = "SELECT a.B FROM \"S\".t, f('x.y') -- z";
        let names: Vec<String> = dotted_names(text).iter().map(|n| n.join("/")).collect();
        assert_eq!(names, ["select", "a/b", "from", "s/t", "f"]);
    }
}
