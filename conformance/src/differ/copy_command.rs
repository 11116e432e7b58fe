//! psql's `\copy`, as the COPY it sends and where the data is.

use crate::script::Variables;
use crate::script::arguments;

/// Where `\copy … FROM` takes its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The lines of the script that follow.
    Script,
    /// A file.
    File(String),
    /// None: the command writes.
    None,
}

/// Reads what stands after `\copy`; `None` where it is not understood.
pub(crate) fn read(text: &str) -> Option<(String, Source)> {
    let words = spans(text);
    let position = words.iter().rposition(|(start, end)| {
        matches!(
            text[*start..*end].to_ascii_lowercase().as_str(),
            "from" | "to"
        )
    })?;
    let (direction, name) = (words[position], *words.get(position + 1)?);
    let from = text[direction.0..direction.1].eq_ignore_ascii_case("from");
    let written = &text[name.0..name.1];
    let lower = written.trim_end_matches(';').to_ascii_lowercase();
    let source = match (from, lower.as_str()) {
        (true, "stdin" | "pstdin") => Source::Script,
        (true, "program") | (false, "program") => return None,
        (true, _) => {
            let file = arguments(written, &Variables::default())
                .into_iter()
                .next()?;
            Source::File(file)
        }
        (false, _) => Source::None,
    };
    let place = if from { "STDIN" } else { "STDOUT" };
    let sent = format!("COPY {}{place}{}", &text[..name.0], &text[name.1..]);
    Some((sent, source))
}

/// The words outside parentheses; something in quotes is one word.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = None;
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (_, Some(open)) => {
                if c == open {
                    quote = None;
                }
                continue;
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                start.get_or_insert(at);
                continue;
            }
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 || c == ')' || c.is_whitespace() {
            found.extend(start.take().map(|s| (s, at)));
        } else {
            start.get_or_insert(at);
        }
    }
    found.extend(start.map(|s| (s, text.len())));
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn reads_both_directions() {
        for (text, sent, source) in [
            ("t from stdin", "COPY t from STDIN", Source::Script),
            (
                "t (a, b) from '/x y' csv",
                "COPY t (a, b) from STDIN csv",
                Source::File("/x y".into()),
            ),
            (
                "(select 1 from t) to stdout",
                "COPY (select 1 from t) to STDOUT",
                Source::None,
            ),
        ] {
            assert_eq!(read(text), Some((sent.to_owned(), source)), "{text}");
        }
        assert_eq!(read("t from program 'x'"), None);
    }
}
