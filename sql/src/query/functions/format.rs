//! `format`: values put into a text.
//!
//! A directive is `%[position$][-][width]type`; the width may be `*`, the next
//! argument, or `*n$`, argument n.

use super::args::{TEXT, at};
use super::overload::{Arg, Call, Overload};
use super::quote::{quote_ident, quote_literal};
use super::size::check_value;
use super::text::shown;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// The overloads of `format`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("format", &[TEXT], PgType::Text, format)
        .lenient()
        .stable(),
    Overload::new("format", &[TEXT, Arg::Any], PgType::Text, format)
        .variadic()
        .lenient()
        .stable(),
];

/// How wide a directive asks a value to be.
enum Width {
    None,
    Columns(i32),
    Argument(Option<usize>),
}

/// What stands between `%` and the next text.
struct Directive {
    position: Option<usize>,
    left: bool,
    width: Width,
    kind: char,
}

/// A reader of what is left of the pattern.
struct Pattern<'a>(&'a str);

impl Pattern<'_> {
    /// Digits as a number; `None` when there are none.
    fn number(&mut self) -> SqlResult<Option<i32>> {
        let tail = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = self.0.get(..self.0.len() - tail.len()).unwrap_or_default();
        self.0 = tail;
        if digits.is_empty() {
            return Ok(None);
        }
        digits
            .parse()
            .map(Some)
            .map_err(|_| SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn width(&mut self) -> SqlResult<Width> {
        if !self.take('*') {
            return Ok(self.number()?.map_or(Width::None, Width::Columns));
        }
        match self.number()? {
            None => Ok(Width::Argument(None)),
            Some(n) if self.take('$') => Ok(Width::Argument(Some(position(n)?))),
            Some(_) => Err(bad_format("width argument position must be ended by \"$\"")),
        }
    }

    /// Reads what follows a `%`.
    fn directive(&mut self) -> SqlResult<Directive> {
        let first = self.number()?;
        let (position, width) = match first {
            Some(n) if self.take('$') => (Some(position(n)?), None),
            other => (None, other),
        };
        let mut left = false;
        let width = match width {
            Some(columns) => Width::Columns(columns),
            None => {
                while self.take('-') {
                    left = true;
                }
                self.width()?
            }
        };
        let mut chars = self.0.chars();
        let kind = chars.next().ok_or_else(|| {
            bad_format("unterminated format() type specifier")
                .hint("For a single \"%\" use \"%%\".")
        })?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(
                bad_format(&format!("unrecognized format() type specifier \"{kind}\""))
                    .hint("For a single \"%\" use \"%%\"."),
            );
        }
        self.0 = chars.as_str();
        Ok(Directive {
            position,
            left,
            width,
            kind,
        })
    }
}

fn position(number: i32) -> SqlResult<usize> {
    usize::try_from(number)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| bad_format("format specifies argument 0, but arguments are numbered from 1"))
}

/// Which argument comes next.
struct Next(usize);

impl Next {
    /// The index of the argument a directive means, the next one where it says none.
    fn index(&mut self, said: Option<usize>, args: &[Datum]) -> SqlResult<usize> {
        let index = said.unwrap_or(self.0);
        if index >= args.len() {
            return Err(bad_format("too few arguments for format()"));
        }
        self.0 = index + 1;
        Ok(index)
    }
}

fn format(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(pattern) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let mut out = String::with_capacity(pattern.len());
    let mut rest = Pattern(pattern);
    let mut next = Next(1);
    while let Some((before, after)) = rest.0.split_once('%') {
        out.push_str(before);
        rest.0 = after;
        if rest.take('%') {
            out.push('%');
            continue;
        }
        let directive = rest.directive()?;
        let columns = match directive.width {
            Width::None => 0,
            Width::Columns(n) => n,
            Width::Argument(said) => columns(call, args, next.index(said, args)?)?,
        };
        let index = next.index(directive.position, args)?;
        let value = written(directive.kind, shown(call, args, index))?;
        push(&mut out, &value, columns, directive.left)?;
    }
    out.push_str(rest.0);
    Ok(Datum::Text(out))
}

/// A width that is an argument; NULL is none.
fn columns(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<i32> {
    let Some(text) = shown(call, args, index) else {
        return Ok(0);
    };
    text.parse().map_err(|_| {
        SqlError::new(
            state::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type integer: \"{text}\""),
        )
    })
}

/// Appends a value, filled with spaces; a negative width fills behind it.
fn push(out: &mut String, value: &str, columns: i32, left: bool) -> SqlResult<()> {
    let width = usize::try_from(columns.unsigned_abs()).unwrap_or(usize::MAX);
    let missing = width.saturating_sub(value.chars().count());
    check_value(
        out.len()
            .checked_add(value.len())
            .and_then(|n| n.checked_add(missing)),
    )?;
    let fill = " ".repeat(missing);
    let parts = if left || columns < 0 {
        [value, &fill]
    } else {
        [&fill, value]
    };
    out.extend(parts);
    Ok(())
}

/// A value as the letter behind `%` asks for it.
fn written(kind: char, value: Option<String>) -> SqlResult<String> {
    match (kind, value) {
        ('s', value) => Ok(value.unwrap_or_default()),
        ('I', Some(value)) => Ok(quote_ident(&value)),
        ('I', None) => Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "null values cannot be formatted as an SQL identifier",
        )),
        (_, value) => Ok(value.map_or_else(|| "NULL".to_owned(), |v| quote_literal(&v))),
    }
}

fn bad_format(message: &str) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message.to_owned())
}
