//! Functions over regular expressions.

mod matcher;
mod replace;
mod similar;
mod translate;

use super::args::{INT4, TEXT, at, str_at};
use super::overload::{Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::jsonpath::RegexFlags;
use crate::types::{ArrayValue, Datum, PgType};

use matcher::{Found, Matcher};
use translate::{Options, options};

const TEXTS: PgType = PgType::Array(&PgType::Text);

/// The expression of `like_regex` in a JSON path.
///
/// # Errors
/// 2201B, 0A000.
pub(super) fn like_regex(
    pattern: &str,
    flags: RegexFlags,
) -> SqlResult<impl Fn(&str) -> bool + use<>> {
    let options = Options {
        any_case: flags.ignore_case,
        dot_stops: !flags.quote && !flags.dot_all,
        lines: !flags.quote && flags.multi_line,
        literal: flags.quote,
        ..Options::default()
    };
    let matcher = Matcher::new(pattern, options)?;
    Ok(move |text: &str| matcher.is_match(text))
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__regex", &[TEXT, TEXT, TEXT], PgType::Bool, is_match),
    Overload::new(
        "__similar",
        &[TEXT, TEXT, TEXT],
        PgType::Bool,
        similar::is_similar,
    ),
    Overload::new("regexp_like", &[TEXT, TEXT], PgType::Bool, like),
    Overload::new("regexp_like", &[TEXT, TEXT, TEXT], PgType::Bool, like),
    Overload::new("regexp_match", &[TEXT, TEXT], TEXTS, first_match),
    Overload::new("regexp_match", &[TEXT, TEXT, TEXT], TEXTS, first_match),
    Overload::new("regexp_count", &[TEXT, TEXT], PgType::Int4, count),
    Overload::new("regexp_count", &[TEXT, TEXT, INT4], PgType::Int4, count),
    Overload::new(
        "regexp_count",
        &[TEXT, TEXT, INT4, TEXT],
        PgType::Int4,
        count,
    ),
    Overload::new("regexp_instr", &[TEXT, TEXT], PgType::Int4, position),
    Overload::new("regexp_instr", &[TEXT, TEXT, INT4], PgType::Int4, position),
    Overload::new(
        "regexp_instr",
        &[TEXT, TEXT, INT4, INT4],
        PgType::Int4,
        position,
    ),
    Overload::new(
        "regexp_instr",
        &[TEXT, TEXT, INT4, INT4, INT4],
        PgType::Int4,
        position,
    ),
    Overload::new(
        "regexp_instr",
        &[TEXT, TEXT, INT4, INT4, INT4, TEXT],
        PgType::Int4,
        position,
    ),
    Overload::new(
        "regexp_instr",
        &[TEXT, TEXT, INT4, INT4, INT4, TEXT, INT4],
        PgType::Int4,
        position,
    ),
    Overload::new("regexp_substr", &[TEXT, TEXT], PgType::Text, part),
    Overload::new("regexp_substr", &[TEXT, TEXT, INT4], PgType::Text, part),
    Overload::new(
        "regexp_substr",
        &[TEXT, TEXT, INT4, INT4],
        PgType::Text,
        part,
    ),
    Overload::new(
        "regexp_substr",
        &[TEXT, TEXT, INT4, INT4, TEXT],
        PgType::Text,
        part,
    ),
    Overload::new(
        "regexp_substr",
        &[TEXT, TEXT, INT4, INT4, TEXT, INT4],
        PgType::Text,
        part,
    ),
    Overload::new("substring", &[TEXT, TEXT], PgType::Text, substring),
    Overload::new("regexp_split_to_array", &[TEXT, TEXT], TEXTS, split),
    Overload::new("regexp_split_to_array", &[TEXT, TEXT, TEXT], TEXTS, split),
    Overload::new(
        "regexp_replace",
        &[TEXT, TEXT, TEXT],
        PgType::Text,
        replace::replace,
    ),
    Overload::new(
        "regexp_replace",
        &[TEXT, TEXT, TEXT, TEXT],
        PgType::Text,
        replace::replace,
    ),
    Overload::new(
        "regexp_replace",
        &[TEXT, TEXT, TEXT, INT4],
        PgType::Text,
        replace::replace_from,
    ),
    Overload::new(
        "regexp_replace",
        &[TEXT, TEXT, TEXT, INT4, INT4],
        PgType::Text,
        replace::replace_from,
    ),
    Overload::new(
        "regexp_replace",
        &[TEXT, TEXT, TEXT, INT4, INT4, TEXT],
        PgType::Text,
        replace::replace_from,
    ),
];

/// The expression with its flags, those of the argument at `index`; 22023 when they
/// ask for all matches of a function that cannot give them.
fn matcher(args: &[Datum], index: usize, function: &str) -> SqlResult<std::sync::Arc<Matcher>> {
    let options = flags(args, index)?;
    if options.global {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("{function}() does not support the \"global\" option"),
        ));
    }
    Matcher::new(str_at(args, 1), options)
}

fn flags(args: &[Datum], index: usize) -> SqlResult<Options> {
    options(at(args, index).as_str().unwrap_or_default())
}

/// A positive number among the arguments, 1 when it is left out.
fn positive(args: &[Datum], index: usize, name: &str, least: i32) -> SqlResult<i32> {
    match args.get(index) {
        Some(Datum::Int4(n)) if *n >= least => Ok(*n),
        Some(Datum::Int4(n)) => Err(bad_parameter(name, *n)),
        _ => Ok(1),
    }
}

fn bad_parameter(name: &str, value: i32) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{name}\": {value}"),
    )
}

/// Where character number `start`, counted from 1, begins; behind the text's end
/// when there are not so many.
fn byte_of(text: &str, start: i32) -> Option<usize> {
    let index = usize::try_from(start - 1).ok()?;
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(index)
}

fn characters(text: &str, end: usize) -> i32 {
    let count = text.get(..end).map_or(0, |part| part.chars().count());
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// `text ~ pattern`, with the flags that the operator has.
fn is_match(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let matcher = Matcher::new(str_at(args, 1), flags(args, 2)?)?;
    Ok(Datum::Bool(matcher.is_match(str_at(args, 0))))
}

fn like(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let matcher = matcher(args, 2, "regexp_like")?;
    Ok(Datum::Bool(matcher.is_match(str_at(args, 0))))
}

fn text_array(values: impl Iterator<Item = Option<String>>) -> Datum {
    let values = values.map(|value| value.map_or(Datum::Null, Datum::Text));
    Datum::Array(Box::new(ArrayValue::list(PgType::Text, values.collect())))
}

/// The text of a place.
fn cut(text: &str, place: (usize, usize)) -> String {
    text.get(place.0..place.1).unwrap_or_default().to_owned()
}

fn first_match(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let matcher = matcher(args, 2, "regexp_match").map_err(|error| match error.sqlstate() {
        "22023" if error.message().contains("global") => {
            error.hint("Use the regexp_matches function instead.")
        }
        _ => error,
    })?;
    matcher.check_groups()?;
    let text = str_at(args, 0);
    Ok(match matcher.find_at(text, 0)? {
        Some(found) => groups(text, &found),
        None => Datum::Null,
    })
}

/// The groups of a match, or the whole of it when there are none.
fn groups(text: &str, found: &Found) -> Datum {
    if found.groups.is_empty() {
        return text_array([Some(cut(text, (found.start, found.end)))].into_iter());
    }
    text_array(
        found
            .groups
            .iter()
            .map(|place| place.map(|place| cut(text, place))),
    )
}

fn count(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let start = positive(args, 2, "start", 1)?;
    let matcher = matcher(args, 3, "regexp_count")?;
    let text = str_at(args, 0);
    let all = match byte_of(text, start) {
        Some(at) => matcher.find_all(text, at)?.len(),
        None => 0,
    };
    Ok(Datum::Int4(i32::try_from(all).unwrap_or(i32::MAX)))
}

/// The `n`th match from a character on, and the place of one of its groups.
fn nth(
    matcher: &Matcher,
    text: &str,
    start: i32,
    n: i32,
    group: i32,
) -> SqlResult<Option<(usize, usize)>> {
    if group > 0 {
        matcher.check_groups()?;
    }
    let Some(at) = byte_of(text, start) else {
        return Ok(None);
    };
    let index = usize::try_from(n - 1).unwrap_or(0);
    let all = matcher.find_all(text, at)?;
    Ok(all
        .get(index)
        .and_then(|found| match usize::try_from(group) {
            Ok(0) | Err(_) => Some((found.start, found.end)),
            Ok(group) => found.groups.get(group - 1).copied().flatten(),
        }))
}

fn group(args: &[Datum], index: usize) -> SqlResult<i32> {
    match args.get(index) {
        Some(Datum::Int4(n)) if *n < 0 => Err(bad_parameter("subexpr", *n)),
        Some(Datum::Int4(n)) => Ok(*n),
        _ => Ok(0),
    }
}

fn position(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let start = positive(args, 2, "start", 1)?;
    let n = positive(args, 3, "n", 1)?;
    let after = match args.get(4) {
        Some(Datum::Int4(n @ (0 | 1))) => *n == 1,
        Some(Datum::Int4(n)) => return Err(bad_parameter("endoption", *n)),
        _ => false,
    };
    let group = group(args, 6)?;
    let matcher = matcher(args, 5, "regexp_instr")?;
    let text = str_at(args, 0);
    let place = nth(&matcher, text, start, n, group)?;
    Ok(Datum::Int4(place.map_or(0, |(from, to)| {
        characters(text, if after { to } else { from }) + 1
    })))
}

fn part(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let start = positive(args, 2, "start", 1)?;
    let n = positive(args, 3, "n", 1)?;
    let group = group(args, 5)?;
    let matcher = matcher(args, 4, "regexp_substr")?;
    let text = str_at(args, 0);
    let place = nth(&matcher, text, start, n, group)?;
    Ok(place.map_or(Datum::Null, |place| Datum::Text(cut(text, place))))
}

/// The first group of the first match, or the match when there is no group.
fn substring(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let text = str_at(args, 0);
    let matcher = Matcher::new(str_at(args, 1), Options::default())?;
    matcher.check_groups()?;
    let Some(found) = matcher.find_at(text, 0)? else {
        return Ok(Datum::Null);
    };
    let place = match found.groups.first() {
        Some(group) => *group,
        None => Some((found.start, found.end)),
    };
    Ok(place.map_or(Datum::Null, |place| Datum::Text(cut(text, place))))
}

fn split(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let matcher = matcher(args, 2, "regexp_split_to_array")?;
    let text = str_at(args, 0);
    let mut pieces = Vec::new();
    let mut from = 0;
    for found in matcher.find_all(text, 0)? {
        // Nothing at an end of the text, or right behind the last match, is no
        // place to cut.
        if found.start >= text.len() || found.end <= from {
            continue;
        }
        pieces.push(Some(cut(text, (from, found.start))));
        from = found.end;
    }
    pieces.push(Some(cut(text, (from, text.len()))));
    Ok(text_array(pieces.into_iter()))
}
