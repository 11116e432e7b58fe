//! Dates and timestamps made of numbers.

use super::super::args::{FLOAT8, INT4, TEXT, at, mismatch, str_at};
use super::super::overload::{Call, Overload};
use super::super::range::{date_out_of_range, timestamp_out_of_range};
use super::zone::{instant, zone_named};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{Civil, TimeZone, UNIX_EPOCH_MICROS, days_from_civil, days_in_month};
use crate::types::datetime_in::read_offset;
use crate::types::datum::{TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, PgType};

/// Functions that make a date or timestamp of its fields.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("make_date", &[INT4, INT4, INT4], PgType::Date, make_date),
    Overload::new(
        "make_timestamp",
        &[INT4, INT4, INT4, INT4, INT4, FLOAT8],
        PgType::Timestamp,
        make_timestamp,
    ),
    Overload::new("make_time", &[INT4, INT4, FLOAT8], PgType::Time, |_, a| {
        time_of_day(a, 0).map(Datum::Time)
    }),
    Overload::new(
        "make_timestamptz",
        &[INT4, INT4, INT4, INT4, INT4, FLOAT8],
        PgType::Timestamptz,
        make_timestamptz,
    )
    .stable(),
    Overload::new(
        "make_timestamptz",
        &[INT4, INT4, INT4, INT4, INT4, FLOAT8, TEXT],
        PgType::Timestamptz,
        make_timestamptz,
    ),
    Overload::new("to_timestamp", &[FLOAT8], PgType::Timestamptz, to_timestamp),
];

fn int(args: &[Datum], index: usize) -> i64 {
    at(args, index).as_i64().unwrap_or_default()
}

/// Days of the year, month and day that the first three arguments are.
fn civil_date(args: &[Datum]) -> SqlResult<i64> {
    let (year, month, day) = (int(args, 0), int(args, 1), int(args, 2));
    let bad = || {
        SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    let astronomical = match year {
        0 => return Err(bad()),
        year if year < 0 => year + 1,
        year => year,
    };
    let month = u8::try_from(month).map_err(|_| bad())?;
    let day = u8::try_from(day).map_err(|_| bad())?;
    if !(1..=5_874_897).contains(&astronomical.max(1))
        || day == 0
        || day > days_in_month(astronomical, month)
    {
        return Err(bad());
    }
    Ok(days_from_civil(Civil {
        year: astronomical,
        month,
        day,
    }))
}

fn make_date(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    i32::try_from(civil_date(args)?)
        .map(Datum::Date)
        .map_err(|_| date_out_of_range())
}

/// Microseconds since midnight, of the hour, minute and seconds from `first` on.
fn time_of_day(args: &[Datum], first: usize) -> SqlResult<i64> {
    let (hour, minute) = (int(args, first), int(args, first + 1));
    let Datum::Float8(seconds) = at(args, first + 2) else {
        return Err(mismatch());
    };
    let bad = || {
        SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("time field value out of range: {hour}:{minute:02}:{seconds:02}"),
        )
    };
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(seconds) {
        return Err(bad());
    }
    let time = (hour * 60 + minute) * 60_000_000 + (seconds * 1e6).round_ties_even() as i64;
    if time > MICROS_PER_DAY {
        return Err(bad());
    }
    Ok(time)
}

/// Microseconds of the date and time that the arguments are.
fn moment(args: &[Datum]) -> SqlResult<i64> {
    let days = civil_date(args)?;
    let time = time_of_day(args, 3)?;
    days.checked_mul(MICROS_PER_DAY)
        .and_then(|start| start.checked_add(time))
        .ok_or_else(timestamp_out_of_range)
}

fn make_timestamp(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    moment(args).map(Datum::Timestamp)
}

fn make_timestamptz(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let local = moment(args)?;
    let zone = match args.get(6) {
        Some(_) => zone_of(str_at(args, 6))?,
        None => call.format.time_zone,
    };
    Ok(Datum::Timestamptz(instant(&zone, local)))
}

/// A zone by name, or by its offset: here a sign means what ISO says.
fn zone_of(text: &str) -> SqlResult<TimeZone> {
    if !text.starts_with(['+', '-']) {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("invalid input syntax for type numeric time zone: \"{text}\""),
            )
            .hint("Numeric time zones must have \"-\" or \"+\" as first character."));
        }
        return zone_named(text);
    }
    match read_offset(text) {
        Some((seconds, "" | ":")) if seconds.abs() < 16 * 3600 => Ok(TimeZone::Fixed(seconds)),
        Some(_) => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("numeric time zone \"{text}\" out of range"),
        )),
        None => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("time zone \"{text}\" not recognized"),
        )),
    }
}

fn to_timestamp(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Float8(seconds) = at(args, 0) else {
        return Err(mismatch());
    };
    if seconds.is_infinite() {
        return Ok(Datum::Timestamptz(if *seconds > 0.0 {
            TIMESTAMP_INFINITY
        } else {
            TIMESTAMP_NEG_INFINITY
        }));
    }
    let micros = (seconds * 1e6).round() - UNIX_EPOCH_MICROS as f64;
    if micros.is_nan() || micros.abs() > 9.2e18 {
        return Err(timestamp_out_of_range());
    }
    Ok(Datum::Timestamptz(micros as i64))
}
