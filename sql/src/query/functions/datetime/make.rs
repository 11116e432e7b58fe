//! Dates and timestamps made of numbers.

use super::super::args::{FLOAT8, INT4, at, mismatch};
use super::super::overload::{Call, Overload};
use super::super::range::{date_out_of_range, timestamp_out_of_range};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{Civil, UNIX_EPOCH_MICROS, days_from_civil, days_in_month};
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

fn make_timestamp(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let days = civil_date(args)?;
    let (hour, minute) = (int(args, 3), int(args, 4));
    let Datum::Float8(seconds) = at(args, 5) else {
        return Err(mismatch());
    };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(seconds) {
        return Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("time field value out of range: {hour}:{minute:02}:{seconds}"),
        ));
    }
    let time = (hour * 60 + minute) * 60_000_000 + (seconds * 1e6).round() as i64;
    days.checked_mul(MICROS_PER_DAY)
        .and_then(|start| start.checked_add(time))
        .map(Datum::Timestamp)
        .ok_or_else(timestamp_out_of_range)
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
