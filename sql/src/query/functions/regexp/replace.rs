//! `regexp_replace`.

use super::super::args::{at, str_at};
use super::super::overload::Call;
use super::super::size::check_value;
use super::matcher::{Found, Matcher};
use super::translate::options;
use super::{byte_of, cut, flags, positive};
use crate::error::{SqlError, SqlResult, state};
use crate::types::Datum;

/// With flags, or without.
pub(super) fn replace(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let flags = at(args, 3).as_str().unwrap_or_default();
    if let Some(digit) = flags.chars().next().filter(char::is_ascii_digit) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid regular expression option: \"{digit}\""),
        )
        .hint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."));
    }
    let options = options(flags)?;
    let matcher = Matcher::new(str_at(args, 1), options)?;
    let which = if options.global { 0 } else { 1 };
    replaced(&matcher, args, 0, which)
}

/// From a character on, all matches or one.
pub(super) fn replace_from(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let start = positive(args, 3, "start", 1)?;
    let options = flags(args, 5)?;
    let which = positive(args, 4, "n", 0)?;
    let matcher = Matcher::new(str_at(args, 1), options)?;
    let text = str_at(args, 0);
    match byte_of(text, start) {
        Some(at) => replaced(&matcher, args, at, which),
        None => Ok(Datum::text(text)),
    }
}

/// The text with match number `which`, or with 0 every match, replaced.
fn replaced(matcher: &Matcher, args: &[Datum], from: usize, which: i32) -> SqlResult<Datum> {
    let (text, replacement) = (str_at(args, 0), str_at(args, 2));
    let refers = replacement
        .split('\\')
        .skip(1)
        .any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    if refers {
        matcher.check_groups()?;
    }
    let all = if which == 1 {
        matcher.find_at(text, from)?.into_iter().collect()
    } else {
        matcher.find_all(text, from)?
    };
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (number, found) in (1..).zip(&all) {
        if which != 0 && number != which {
            continue;
        }
        out.push_str(text.get(done..found.start).unwrap_or_default());
        push_replacement(&mut out, text, found, replacement);
        check_value(Some(out.len()))?;
        done = found.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(Datum::Text(out))
}

/// `\1` to `\9` are groups, `\&` is the match, `\\` a backslash.
fn push_replacement(out: &mut String, text: &str, found: &Found, replacement: &str) {
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('&') => out.push_str(&cut(text, (found.start, found.end))),
            Some('\\') => out.push('\\'),
            Some(digit @ '1'..='9') => {
                let index = (digit as usize) - ('1' as usize);
                if let Some(place) = found.groups.get(index).copied().flatten() {
                    out.push_str(&cut(text, place));
                }
            }
            // Not special: the backslash stays.
            _ => {
                out.push('\\');
                rest = after;
                continue;
            }
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}
