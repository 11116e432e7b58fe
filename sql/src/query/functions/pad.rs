//! Functions that make a text longer than its arguments: padding, repeating,
//! replacing. DataFusion's do not bound what they make.

use super::args::{INT4, TEXT, int_at, mismatch, str_at};
use super::overload::{Call, Overload};
use super::size::check_value;
use crate::error::SqlResult;
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("lpad", &[TEXT, INT4], PgType::Text, lpad),
    Overload::new("lpad", &[TEXT, INT4, TEXT], PgType::Text, lpad),
    Overload::new("rpad", &[TEXT, INT4], PgType::Text, rpad),
    Overload::new("rpad", &[TEXT, INT4, TEXT], PgType::Text, rpad),
    Overload::new("repeat", &[TEXT, INT4], PgType::Text, repeat),
    Overload::new("replace", &[TEXT, TEXT, TEXT], PgType::Text, replace),
];

/// Bytes of the longest character, which a length in characters is checked with.
const CHAR_BYTES: usize = 4;

/// The argument at 1 as a count, 0 when it is negative.
fn count(args: &[Datum]) -> SqlResult<usize> {
    Ok(usize::try_from(int_at(args, 1).ok_or_else(mismatch)?).unwrap_or(0))
}

/// The text, cut to the length asked for, and what fills the rest.
fn padded(args: &[Datum]) -> SqlResult<(String, String)> {
    let length = count(args)?;
    check_value(length.checked_mul(CHAR_BYTES))?;
    let text: String = str_at(args, 0).chars().take(length).collect();
    let fill = if args.len() > 2 { str_at(args, 2) } else { " " };
    let missing = length - text.chars().count();
    Ok((text, fill.chars().cycle().take(missing).collect()))
}

fn lpad(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    padded(args).map(|(text, fill)| Datum::Text(fill + &text))
}

fn rpad(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    padded(args).map(|(text, fill)| Datum::Text(text + &fill))
}

fn repeat(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, times) = (str_at(args, 0), count(args)?);
    check_value(text.len().checked_mul(times))?;
    Ok(Datum::Text(text.repeat(times)))
}

fn replace(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (text, from, to) = (str_at(args, 0), str_at(args, 1), str_at(args, 2));
    if from.is_empty() {
        return Ok(Datum::text(text));
    }
    if to.len() > from.len() {
        let more = text
            .matches(from)
            .count()
            .checked_mul(to.len() - from.len());
        check_value(more.and_then(|more| more.checked_add(text.len())))?;
    }
    Ok(Datum::Text(text.replace(from, to)))
}
