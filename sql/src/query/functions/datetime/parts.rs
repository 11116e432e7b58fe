//! A date, time or interval taken apart into the fields it has.

use super::super::args::mismatch;
use super::super::overload::Call;
use super::super::range::timestamp_out_of_range;
use super::day::{day_of_year, iso_week, iso_weekday, weekday};
use super::zone::local;
use crate::error::SqlResult;
use crate::types::calendar::{Civil, UNIX_EPOCH_MICROS, civil_from_days, days_from_civil};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval};

/// A value taken apart for `extract`.
pub(super) struct Parts {
    /// Year, month and day, unless it is an interval or a time.
    civil: Option<Civil>,
    /// Months, days and time for an interval.
    interval: Option<Interval>,
    /// Microseconds of the day.
    time: i64,
    /// Microseconds since 1970 UTC.
    epoch: i128,
    /// Offset in seconds for a timestamptz.
    offset: Option<i32>,
    /// The type, as errors name it.
    pub(super) type_name: &'static str,
}

impl Parts {
    /// The number of the day, unless it is an interval or a time.
    pub(super) fn day(&self) -> Option<i64> {
        self.civil.map(days_from_civil)
    }

    /// Microseconds of the day.
    pub(super) fn time(&self) -> i64 {
        self.time
    }
}

/// Takes a value apart.
pub(super) fn parts(call: &Call<'_>, value: &Datum) -> SqlResult<Parts> {
    let of_local = |local: i64, epoch: i64, offset: Option<i32>, type_name| Parts {
        civil: Some(civil_from_days(local.div_euclid(MICROS_PER_DAY))),
        interval: None,
        time: local.rem_euclid(MICROS_PER_DAY),
        epoch: i128::from(epoch) + i128::from(UNIX_EPOCH_MICROS),
        offset,
        type_name,
    };
    Ok(match value {
        Datum::Date(days) => {
            let micros = i64::from(*days)
                .checked_mul(MICROS_PER_DAY)
                .ok_or_else(timestamp_out_of_range)?;
            of_local(micros, micros, None, "date")
        }
        Datum::Timestamp(micros) => of_local(*micros, *micros, None, "timestamp without time zone"),
        Datum::Timestamptz(micros) => {
            let offset = call.format.time_zone.offset_at(*micros);
            of_local(
                local(&call.format.time_zone, *micros),
                *micros,
                Some(offset),
                "timestamp with time zone",
            )
        }
        Datum::Time(micros) => Parts {
            civil: None,
            interval: None,
            time: *micros,
            epoch: i128::from(*micros),
            offset: None,
            type_name: "time without time zone",
        },
        Datum::Timetz(time) => Parts {
            civil: None,
            interval: None,
            time: time.micros,
            epoch: i128::from(time.utc()),
            offset: Some(time.offset),
            type_name: "time with time zone",
        },
        Datum::Interval(interval) => of_interval(*interval),
        _ => return Err(mismatch()),
    })
}

fn of_interval(interval: Interval) -> Parts {
    // A year of an interval has 365.25 days here, as in PostgreSQL.
    let years = i128::from(interval.months / 12);
    let months = i128::from(interval.months % 12);
    let days = months * 30 + i128::from(interval.days);
    let quarter_days = years * 1_461 + days * 4;
    Parts {
        civil: None,
        interval: Some(interval),
        time: interval.micros,
        epoch: quarter_days * i128::from(MICROS_PER_DAY) / 4 + i128::from(interval.micros),
        offset: None,
        type_name: "interval",
    }
}

/// A field in microseconds of its unit (1 = 1,000,000); `None` when the type has
/// no such field.
pub(super) fn field(parts: &Parts, name: &str) -> Option<i128> {
    if let Some(found) = time_field(parts, name) {
        return Some(found);
    }
    if let Some(interval) = parts.interval {
        return interval_field(interval, name);
    }
    if let (Some(offset), true) = (parts.offset, name.starts_with("timezone")) {
        return offset_field(offset, name);
    }
    civil_field(parts.civil?, name, parts.type_name == "date")
}

fn whole(n: i64) -> Option<i128> {
    Some(i128::from(n) * 1_000_000)
}

fn time_field(parts: &Parts, name: &str) -> Option<i128> {
    let seconds = i128::from(parts.time % 60_000_000);
    match name {
        "microsecond" | "microseconds" | "usec" | "us" | "usecs" => Some(seconds * 1_000_000),
        "millisecond" | "milliseconds" | "msec" | "ms" | "msecs" => Some(seconds * 1_000),
        "second" | "seconds" | "sec" | "secs" | "s" => Some(seconds),
        "minute" | "minutes" | "min" | "mins" | "m" => whole(parts.time / 60_000_000 % 60),
        "hour" | "hours" | "h" | "hr" | "hrs" => whole(parts.time / 3_600_000_000),
        "epoch" => Some(parts.epoch),
        _ => None,
    }
}

fn interval_field(interval: Interval, name: &str) -> Option<i128> {
    let (years, months) = (
        i64::from(interval.months / 12),
        i64::from(interval.months % 12),
    );
    match name {
        "day" | "days" | "d" => whole(i64::from(interval.days)),
        "month" | "months" | "mon" | "mons" => whole(months),
        "quarter" => whole(months / 3 + 1),
        "year" | "years" | "y" | "yr" | "yrs" => whole(years),
        "decade" => whole(years / 10),
        "century" => whole(years / 100),
        "millennium" => whole(years / 1_000),
        _ => None,
    }
}

fn offset_field(offset: i32, name: &str) -> Option<i128> {
    let offset = i64::from(offset);
    match name {
        "timezone" => whole(offset),
        "timezone_hour" => whole(offset / 3_600),
        "timezone_minute" => whole(offset / 60 % 60),
        _ => None,
    }
}

/// The Julian day of 2000-01-01.
pub(super) const JULIAN_DAYS: i64 = 2_451_545;

fn civil_field(civil: Civil, name: &str, is_date: bool) -> Option<i128> {
    let days = days_from_civil(civil);
    // PostgreSQL has no year 0: 1 BC is -1.
    let shown = |year: i64| if year > 0 { year } else { year - 1 };
    match name {
        "day" | "days" | "d" => whole(i64::from(civil.day)),
        "month" | "months" | "mon" | "mons" => whole(i64::from(civil.month)),
        "quarter" => whole((i64::from(civil.month) - 1) / 3 + 1),
        "year" | "years" | "y" | "yr" | "yrs" => whole(shown(civil.year)),
        "decade" => whole(civil.year.div_euclid(10)),
        "century" => whole(era(civil.year, 100)),
        "millennium" => whole(era(civil.year, 1_000)),
        "dow" => whole(weekday(days)),
        "isodow" => whole(iso_weekday(days)),
        "doy" => whole(day_of_year(days, civil.year)),
        "week" => whole(iso_week(days).1),
        "isoyear" => whole(shown(iso_week(days).0)),
        "julian" if is_date => whole(days + JULIAN_DAYS),
        _ => None,
    }
}

/// The number of the century or millennium of a year: the first begins with
/// year 1, the one before it is -1.
fn era(year: i64, years: i64) -> i64 {
    if year > 0 {
        (year + years - 1) / years
    } else {
        -((years - 1 - (year - 1)) / years)
    }
}
