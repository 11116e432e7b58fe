//! `SIMILAR TO`.

use super::super::args::{at, str_at};
use super::super::overload::Call;
use super::matcher::Matcher;
use super::translate::Options;
use crate::error::{SqlError, SqlResult, state};
use crate::types::Datum;

/// Whether a text as a whole matches an SQL pattern; the third argument is the
/// escape character, or empty for none.
pub(super) fn is_similar(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let escape = at(args, 2).as_str().unwrap_or("\\");
    let pattern = as_expression(str_at(args, 1), escape)?;
    let matcher = Matcher::new(&pattern, Options::default())?;
    Ok(Datum::Bool(matcher.is_match(str_at(args, 0))))
}

/// An SQL pattern as a regular expression.
fn as_expression(pattern: &str, escape: &str) -> SqlResult<String> {
    let mut escapes = escape.chars();
    let escape = escapes.next();
    if escapes.next().is_some() {
        return Err(
            SqlError::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                .hint("Escape string must be empty or one character."),
        );
    }
    let mut out = String::from("^(?:");
    let mut escaped = false;
    // How far into a bracket expression: its first character may be a bracket.
    let mut bracket: Option<usize> = None;
    for c in pattern.chars() {
        if escaped {
            if c == '"' && bracket.is_none() {
                return Err(SqlError::unsupported("separators in SIMILAR TO"));
            }
            if c.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(c);
            escaped = false;
            bracket = bracket.map(|n| n + 1);
            continue;
        }
        if Some(c) == escape {
            escaped = true;
            continue;
        }
        if let Some(seen) = bracket {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            bracket = match (c, seen) {
                (']', 1..) => None,
                ('^', 0) => Some(0),
                _ => Some(seen + 1),
            };
            continue;
        }
        match c {
            '[' => {
                out.push('[');
                bracket = Some(0);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}
