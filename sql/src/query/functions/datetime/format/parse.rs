//! `to_date` and `to_timestamp`; `datetime()` of jsonpath.

use super::super::super::args::{TEXT, str_at};
use super::super::super::overload::{Call, Overload};
use super::super::zone::instant;
use super::fields::{Clock, clock};
use super::read::read;
use super::template::{Field, Node, nodes};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{END_DATE, END_TIMESTAMP, MIN_DATE, MIN_TIMESTAMP, TimeZone};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, PgType};

/// The overloads of the module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("to_date", &[TEXT, TEXT], PgType::Date, to_date).stable(),
    Overload::new(
        "to_timestamp",
        &[TEXT, TEXT],
        PgType::Timestamptz,
        to_timestamp,
    )
    .stable(),
];

fn parse(text: &str, template: &str) -> SqlResult<Clock> {
    clock(read(text, &nodes(template, false)?, false)?, text)
}

fn to_date(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let text = str_at(args, 0);
    date(parse(text, str_at(args, 1))?.day, text).map(Datum::Date)
}

fn to_timestamp(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let text = str_at(args, 0);
    let clock = parse(text, str_at(args, 1))?;
    let zone = match clock.offset {
        Some(seconds) => TimeZone::Fixed(seconds),
        None => call.format.time_zone,
    };
    zoned(&clock, &zone).map(Datum::Timestamptz)
}

fn date(day: i64, text: &str) -> SqlResult<i32> {
    match i32::try_from(day) {
        Ok(day) if (MIN_DATE..END_DATE).contains(&day) => Ok(day),
        _ => Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("date out of range: \"{text}\""),
        )),
    }
}

fn local(clock: &Clock) -> SqlResult<i64> {
    clock
        .day
        .checked_mul(MICROS_PER_DAY)
        .and_then(|micros| micros.checked_add(clock.time))
        .filter(|micros| (MIN_TIMESTAMP..END_TIMESTAMP).contains(micros))
        .ok_or_else(out_of_range)
}

fn out_of_range() -> SqlError {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

fn zoned(clock: &Clock, zone: &TimeZone) -> SqlResult<i64> {
    let micros = clock
        .day
        .checked_mul(MICROS_PER_DAY)
        .and_then(|micros| micros.checked_add(clock.time))
        .ok_or_else(out_of_range)?;
    Some(instant(zone, micros))
        .filter(|micros| (MIN_TIMESTAMP..END_TIMESTAMP).contains(micros))
        .ok_or_else(out_of_range)
}

/// A date or time of any type, with the offset it was given with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::query) enum Moment {
    /// `date`
    Date(i32),
    /// `time`
    Time(i64),
    /// `time with time zone`: the local time and its offset in seconds
    Timetz(i64, i32),
    /// `timestamp`
    Timestamp(i64),
    /// `timestamp with time zone`: the instant and the offset in seconds
    Timestamptz(i64, i32),
}

/// Reads a text by a template as the SQL standard says; which type it is depends on
/// the fields the template has.
///
/// # Errors
/// 22007 for a text that does not suit the template.
pub(in crate::query) fn by_standard(text: &str, template: &str) -> SqlResult<Moment> {
    let invalid = |message: &str| SqlError::new(state::INVALID_DATETIME_FORMAT, message);
    let nodes = nodes(template, true)?;
    let fields = || {
        nodes.iter().filter_map(|node| match node {
            Node::Pattern(pattern) => Some(pattern.field),
            _ => None,
        })
    };
    let timed = fields().any(Field::is_time);
    let has_zone = fields().any(Field::is_zone);
    let dated = fields().any(|field| !field.is_time() && !field.is_zone());
    let mut clock = clock(read(text, &nodes, true)?, text)?;
    if let Some(digits) = clock.fraction_digits {
        let unit = 10i64.pow(6 - u32::from(digits.min(6)));
        clock.time = (clock.time + unit / 2) / unit * unit;
    }
    let missing = |ty: &str| invalid(&format!("missing time zone in input string for type {ty}"));
    match (dated, timed, has_zone) {
        (true, true, true) => {
            let offset = clock.offset.ok_or_else(|| missing("timestamptz"))?;
            zoned(&clock, &TimeZone::Fixed(offset)).map(|at| Moment::Timestamptz(at, offset))
        }
        (true, true, false) => local(&clock).map(Moment::Timestamp),
        (true, false, true) => Err(invalid("datetime format is zoned but not timed")),
        (true, false, false) => date(clock.day, text).map(Moment::Date),
        (false, true, true) => {
            let offset = clock.offset.ok_or_else(|| missing("timetz"))?;
            Ok(Moment::Timetz(clock.time, offset))
        }
        (false, true, false) => Ok(Moment::Time(clock.time)),
        (false, false, _) => Err(invalid("datetime format is not dated and not timed")),
    }
}
