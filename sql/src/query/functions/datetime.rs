//! Functions of dates and times.

use chrono::DateTime;

use super::args::{
    DATE, FLOAT8, INT4, INTERVAL, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, at, mismatch, str_at,
};
use super::interval::timestamp_out_of_range;
use super::overload::{Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{
    Civil, TimeZone, UNIX_EPOCH_MICROS, civil_from_days, days_from_civil, days_in_month, now_micros,
};
use crate::types::datetime_in::parse_time_zone;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, Numeric, PgType};

/// `extract` under each name and for each type, by the digits of its result.
macro_rules! extract {
    ($name:literal, $scale:literal) => {
        [
            Overload::new($name, &[TEXT, DATE], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
            Overload::new($name, &[TEXT, TIMESTAMP], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
            Overload::new(
                $name,
                &[TEXT, TIMESTAMPTZ],
                PgType::Numeric(None),
                |c, a| extract(c, a, $scale),
            )
            .numeric($scale)
            .stable(),
            Overload::new($name, &[TEXT, TIME], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
            Overload::new($name, &[TEXT, INTERVAL], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
        ]
    };
}

static EXTRACT_WHOLE: [Overload; 5] = extract!("__extract0", 0);
static EXTRACT_MILLIS: [Overload; 5] = extract!("__extract3", 3);
static EXTRACT_MICROS: [Overload; 5] = extract!("__extract6", 6);

/// The overloads of `extract`.
pub(super) fn extract_overloads() -> impl Iterator<Item = &'static Overload> {
    EXTRACT_WHOLE
        .iter()
        .chain(&EXTRACT_MILLIS)
        .chain(&EXTRACT_MICROS)
}

/// The function that extracts a field: its result has as many digits after the
/// point as PostgreSQL gives the field.
pub(in crate::query) fn extract_function(field: &str) -> &'static str {
    match field {
        "second" | "seconds" | "sec" | "secs" | "s" | "epoch" => "__extract6",
        "millisecond" | "milliseconds" | "msec" | "ms" | "msecs" => "__extract3",
        _ => "__extract0",
    }
}

/// Other overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("now", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("transaction_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("current_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("statement_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(statement(c)))
    })
    .stable(),
    Overload::new("clock_timestamp", &[], PgType::Timestamptz, |_, _| {
        Ok(Datum::Timestamptz(now_micros()))
    })
    .volatile(),
    Overload::new("localtimestamp", &[], PgType::Timestamp, |c, _| {
        Ok(Datum::Timestamp(local_now(c)))
    })
    .stable(),
    Overload::new("localtime", &[], PgType::Time, |c, _| {
        Ok(Datum::Time(local_now(c).rem_euclid(MICROS_PER_DAY)))
    })
    .stable(),
    Overload::new("current_date", &[], PgType::Date, |c, _| {
        date_of(local_now(c))
    })
    .stable(),
    Overload::new("timezone", &[TEXT, TIMESTAMP], PgType::Timestamptz, at_zone),
    Overload::new("timezone", &[TEXT, TIMESTAMPTZ], PgType::Timestamp, at_zone),
    Overload::new("date_part", &[TEXT, DATE], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, TIMESTAMP], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, TIMESTAMPTZ], PgType::Float8, date_part).stable(),
    Overload::new("date_part", &[TEXT, TIME], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, INTERVAL], PgType::Float8, date_part),
    Overload::new(
        "date_trunc",
        &[TEXT, TIMESTAMP],
        PgType::Timestamp,
        date_trunc,
    ),
    Overload::new(
        "date_trunc",
        &[TEXT, TIMESTAMPTZ],
        PgType::Timestamptz,
        date_trunc,
    )
    .stable(),
    Overload::new(
        "date_trunc",
        &[TEXT, TIMESTAMPTZ, TEXT],
        PgType::Timestamptz,
        date_trunc,
    ),
    Overload::new(
        "date_trunc",
        &[TEXT, INTERVAL],
        PgType::Interval,
        date_trunc,
    ),
    Overload::new("age", &[TIMESTAMP, TIMESTAMP], PgType::Interval, |_, a| {
        age(at(a, 0), at(a, 1))
    }),
    Overload::new(
        "age",
        &[TIMESTAMPTZ, TIMESTAMPTZ],
        PgType::Interval,
        |c, a| age(&to_local(c, at(a, 0)), &to_local(c, at(a, 1))),
    )
    .stable(),
    Overload::new("age", &[TIMESTAMP], PgType::Interval, |c, a| {
        age(&today(c), at(a, 0))
    })
    .stable(),
    Overload::new("age", &[TIMESTAMPTZ], PgType::Interval, |c, a| {
        age(&today(c), &to_local(c, at(a, 0)))
    })
    .stable(),
    Overload::new("make_date", &[INT4, INT4, INT4], PgType::Date, make_date),
    Overload::new(
        "make_timestamp",
        &[INT4, INT4, INT4, INT4, INT4, FLOAT8],
        PgType::Timestamp,
        make_timestamp,
    ),
    Overload::new("to_timestamp", &[FLOAT8], PgType::Timestamptz, to_timestamp),
    Overload::new("isfinite", &[DATE], PgType::Bool, is_finite),
    Overload::new("isfinite", &[TIMESTAMP], PgType::Bool, is_finite),
    Overload::new("isfinite", &[TIMESTAMPTZ], PgType::Bool, is_finite),
    Overload::new("isfinite", &[INTERVAL], PgType::Bool, is_finite),
    Overload::new("justify_days", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, true, false)
    }),
    Overload::new("justify_hours", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, false, true)
    }),
    Overload::new("justify_interval", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, true, true)
    }),
    Overload::new("to_char", &[TIMESTAMP, TEXT], PgType::Text, to_char),
    Overload::new("to_char", &[TIMESTAMPTZ, TEXT], PgType::Text, to_char).stable(),
];

fn transaction(call: &Call<'_>) -> i64 {
    call.session.map_or_else(now_micros, |s| s.transaction_us)
}

fn statement(call: &Call<'_>) -> i64 {
    call.session.map_or_else(now_micros, |s| s.statement_us)
}

/// Microseconds of the local clock at an instant.
fn local(zone: &TimeZone, instant: i64) -> i64 {
    if is_infinite(instant) {
        return instant;
    }
    instant.saturating_add(i64::from(zone.offset_at(instant)) * 1_000_000)
}

/// The instant of a local clock reading.
fn instant(zone: &TimeZone, local: i64) -> i64 {
    if is_infinite(local) {
        return local;
    }
    local.saturating_sub(i64::from(zone.offset_at_local(local)) * 1_000_000)
}

fn is_infinite(micros: i64) -> bool {
    micros == i64::MAX || micros == i64::MIN
}

fn local_now(call: &Call<'_>) -> i64 {
    local(&call.format.time_zone, transaction(call))
}

fn today(call: &Call<'_>) -> Datum {
    let now = local_now(call);
    Datum::Timestamp(now - now.rem_euclid(MICROS_PER_DAY))
}

fn date_of(micros: i64) -> SqlResult<Datum> {
    i32::try_from(micros.div_euclid(MICROS_PER_DAY))
        .map(Datum::Date)
        .map_err(|_| timestamp_out_of_range())
}

fn to_local(call: &Call<'_>, value: &Datum) -> Datum {
    match value {
        Datum::Timestamptz(micros) => Datum::Timestamp(local(&call.format.time_zone, *micros)),
        other => other.clone(),
    }
}

fn zone_named(name: &str) -> SqlResult<TimeZone> {
    parse_time_zone(name).ok_or_else(|| {
        SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("time zone \"{name}\" not recognized"),
        )
    })
}

fn at_zone(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let zone = zone_named(str_at(args, 0))?;
    match at(args, 1) {
        Datum::Timestamp(micros) => Ok(Datum::Timestamptz(instant(&zone, *micros))),
        Datum::Timestamptz(micros) => Ok(Datum::Timestamp(local(&zone, *micros))),
        _ => Err(mismatch()),
    }
}

/// A value taken apart for `extract`.
struct Parts {
    civil: Option<Civil>,
    /// Months, days and time for an interval.
    interval: Option<Interval>,
    /// Microseconds of the day.
    time: i64,
    /// Microseconds since 1970 UTC.
    epoch: i128,
    /// Offset in seconds for a timestamptz.
    offset: Option<i32>,
    type_name: &'static str,
}

fn parts(call: &Call<'_>, value: &Datum) -> SqlResult<Parts> {
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
        Datum::Interval(interval) => {
            // A year of an interval has 365.25 days here, as in PostgreSQL.
            let years = i128::from(interval.months / 12);
            let months = i128::from(interval.months % 12);
            let days = months * 30 + i128::from(interval.days);
            let quarter_days = years * 1_461 + days * 4;
            Parts {
                civil: None,
                interval: Some(*interval),
                time: interval.micros,
                epoch: quarter_days * i128::from(MICROS_PER_DAY) / 4 + i128::from(interval.micros),
                offset: None,
                type_name: "interval",
            }
        }
        _ => return Err(mismatch()),
    })
}

/// A field in microseconds of its unit (1 = 1,000,000); `None` when the type has
/// no such field.
fn field(parts: &Parts, name: &str) -> Option<i128> {
    let whole = |n: i64| Some(i128::from(n) * 1_000_000);
    let seconds = i128::from(parts.time % 60_000_000);
    match name {
        "microsecond" | "microseconds" | "usec" | "us" | "usecs" => {
            return Some(seconds * 1_000_000);
        }
        "millisecond" | "milliseconds" | "msec" | "ms" | "msecs" => return Some(seconds * 1_000),
        "second" | "seconds" | "sec" | "secs" | "s" => return Some(seconds),
        "minute" | "minutes" | "min" | "mins" | "m" => return whole(parts.time / 60_000_000 % 60),
        "hour" | "hours" | "h" | "hr" | "hrs" => return whole(parts.time / 3_600_000_000),
        "epoch" => return Some(parts.epoch),
        _ => {}
    }
    if let Some(interval) = parts.interval {
        let (years, months) = (
            i64::from(interval.months / 12),
            i64::from(interval.months % 12),
        );
        return match name {
            "day" | "days" | "d" => whole(i64::from(interval.days)),
            "month" | "months" | "mon" | "mons" => whole(months),
            "quarter" => whole(months / 3 + 1),
            "year" | "years" | "y" | "yr" | "yrs" => whole(years),
            "decade" => whole(years / 10),
            "century" => whole(years / 100),
            "millennium" => whole(years / 1_000),
            _ => None,
        };
    }
    if let (Some(offset), true) = (parts.offset, name.starts_with("timezone")) {
        let offset = i64::from(offset);
        return match name {
            "timezone" => whole(offset),
            "timezone_hour" => whole(offset / 3_600),
            "timezone_minute" => whole(offset / 60 % 60),
            _ => None,
        };
    }
    let civil = parts.civil?;
    let days = days_from_civil(civil);
    // 2000-01-01 was a Saturday.
    let weekday = (days + 6).rem_euclid(7);
    let (iso_year, iso_week) = iso_week(days);
    // PostgreSQL has no year 0: 1 BC is -1.
    let shown = |year: i64| if year > 0 { year } else { year - 1 };
    match name {
        "day" | "days" | "d" => whole(i64::from(civil.day)),
        "month" | "months" | "mon" | "mons" => whole(i64::from(civil.month)),
        "quarter" => whole((i64::from(civil.month) - 1) / 3 + 1),
        "year" | "years" | "y" | "yr" | "yrs" => whole(shown(civil.year)),
        "decade" => whole(civil.year.div_euclid(10)),
        "century" => whole(if civil.year > 0 {
            (civil.year + 99) / 100
        } else {
            -((99 - (civil.year - 1)) / 100)
        }),
        "millennium" => whole(if civil.year > 0 {
            (civil.year + 999) / 1_000
        } else {
            -((999 - (civil.year - 1)) / 1_000)
        }),
        "dow" => whole(weekday),
        "isodow" => whole(if weekday == 0 { 7 } else { weekday }),
        "doy" => whole(
            days - days_from_civil(Civil {
                year: civil.year,
                month: 1,
                day: 1,
            }) + 1,
        ),
        "week" => whole(iso_week),
        "isoyear" => whole(shown(iso_year)),
        _ => None,
    }
}

/// ISO 8601 year and week of a day.
fn iso_week(days: i64) -> (i64, i64) {
    // Weeks belong to the year of their Thursday; 2000-01-01 was a Saturday.
    let monday = days - (days + 5).rem_euclid(7);
    let thursday = monday + 3;
    let year = civil_from_days(thursday).year;
    let first = days_from_civil(Civil {
        year,
        month: 1,
        day: 1,
    });
    (year, (thursday - first) / 7 + 1)
}

fn read_field(call: &Call<'_>, args: &[Datum]) -> SqlResult<i128> {
    let name = str_at(args, 0).to_ascii_lowercase();
    let value = at(args, 1);
    let infinite = match value {
        Datum::Date(days) => *days == i32::MAX || *days == i32::MIN,
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => is_infinite(*micros),
        _ => false,
    };
    if infinite {
        return Err(SqlError::unsupported(
            "extracting a field from an infinite date or timestamp",
        ));
    }
    let parts = parts(call, value)?;
    field(&parts, &name).ok_or_else(|| {
        let known = matches!(
            name.as_str(),
            "day"
                | "month"
                | "quarter"
                | "year"
                | "decade"
                | "century"
                | "millennium"
                | "dow"
                | "isodow"
                | "doy"
                | "week"
                | "isoyear"
                | "timezone"
                | "timezone_hour"
                | "timezone_minute"
                | "julian"
        );
        if known {
            SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!("unit \"{name}\" not supported for type {}", parts.type_name),
            )
        } else {
            SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!(
                    "unit \"{name}\" not recognized for type {}",
                    parts.type_name
                ),
            )
        }
    })
}

fn extract(call: &Call<'_>, args: &[Datum], scale: u16) -> SqlResult<Datum> {
    let micros = read_field(call, args)?;
    Ok(Datum::Numeric(Numeric::from_i128(micros, 6).rescale(scale)))
}

fn date_part(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let micros = read_field(call, args)?;
    Ok(Datum::Float8(micros as f64 / 1e6))
}

fn date_trunc(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let unit = str_at(args, 0).to_ascii_lowercase();
    match at(args, 1) {
        Datum::Timestamp(micros) => {
            truncate(*micros, &unit, "timestamp without time zone").map(Datum::Timestamp)
        }
        Datum::Timestamptz(micros) => {
            let zone = match args.get(2) {
                Some(name) => zone_named(name.as_str().unwrap_or_default())?,
                None => call.format.time_zone,
            };
            let cut = truncate(local(&zone, *micros), &unit, "timestamp with time zone")?;
            Ok(Datum::Timestamptz(instant(&zone, cut)))
        }
        Datum::Interval(interval) => truncate_interval(*interval, &unit).map(Datum::Interval),
        _ => Err(mismatch()),
    }
}

fn unknown_unit(unit: &str, type_name: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("unit \"{unit}\" not recognized for type {type_name}"),
    )
}

fn truncate(micros: i64, unit: &str, type_name: &str) -> SqlResult<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    let step = match unit {
        "microsecond" | "microseconds" => Some(1),
        "millisecond" | "milliseconds" => Some(1_000),
        "second" | "seconds" => Some(1_000_000),
        "minute" | "minutes" => Some(60_000_000),
        "hour" | "hours" => Some(3_600_000_000),
        "day" | "days" => Some(MICROS_PER_DAY),
        _ => None,
    };
    if let Some(step) = step {
        return Ok(micros - micros.rem_euclid(step));
    }
    let day = micros.div_euclid(MICROS_PER_DAY);
    let civil = civil_from_days(day);
    let first = |year: i64, month: u8| {
        days_from_civil(Civil {
            year,
            month,
            day: 1,
        })
    };
    // Centuries and millennia begin with a year that ends in 1.
    let start = |years: i64| (civil.year - 1).div_euclid(years) * years + 1;
    let day = match unit {
        "week" | "weeks" => day - (day + 5).rem_euclid(7),
        "month" | "months" => first(civil.year, civil.month),
        "quarter" => first(civil.year, (civil.month - 1) / 3 * 3 + 1),
        "year" | "years" => first(civil.year, 1),
        "decade" | "decades" => first(civil.year.div_euclid(10) * 10, 1),
        "century" | "centuries" => first(start(100), 1),
        "millennium" | "millenniums" | "millennia" => first(start(1_000), 1),
        _ => return Err(unknown_unit(unit, type_name)),
    };
    day.checked_mul(MICROS_PER_DAY)
        .ok_or_else(timestamp_out_of_range)
}

fn truncate_interval(interval: Interval, unit: &str) -> SqlResult<Interval> {
    let months = |step: i32| Interval {
        months: interval.months / step * step,
        days: 0,
        micros: 0,
    };
    let time = |step: i64| Interval {
        micros: interval.micros / step * step,
        ..interval
    };
    Ok(match unit {
        "microsecond" | "microseconds" => interval,
        "millisecond" | "milliseconds" => time(1_000),
        "second" | "seconds" => time(1_000_000),
        "minute" | "minutes" => time(60_000_000),
        "hour" | "hours" => time(3_600_000_000),
        "day" | "days" => Interval {
            micros: 0,
            ..interval
        },
        "month" | "months" => months(1),
        "quarter" => months(3),
        "year" | "years" => months(12),
        "decade" | "decades" => months(120),
        "century" | "centuries" => months(1_200),
        "millennium" | "millenniums" | "millennia" => months(12_000),
        _ => return Err(unknown_unit(unit, "interval")),
    })
}

/// The difference in years, months, days and time (`timestamp_age`).
fn age(later: &Datum, earlier: &Datum) -> SqlResult<Datum> {
    let (Datum::Timestamp(a), Datum::Timestamp(b)) = (later, earlier) else {
        return Err(mismatch());
    };
    if is_infinite(*a) || is_infinite(*b) {
        return Err(timestamp_out_of_range());
    }
    let negative = a < b;
    let (high, low) = if negative { (*b, *a) } else { (*a, *b) };
    let split = |micros: i64| {
        (
            civil_from_days(micros.div_euclid(MICROS_PER_DAY)),
            micros.rem_euclid(MICROS_PER_DAY),
        )
    };
    let ((h, mut time), (l, low_time)) = (split(high), split(low));
    time -= low_time;
    let mut days = i64::from(h.day) - i64::from(l.day);
    let mut months = (h.year - l.year) * 12 + i64::from(h.month) - i64::from(l.month);
    if time < 0 {
        time += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        // The month that days are borrowed from is the earlier one's when the
        // result is positive, the later one's otherwise.
        let borrowed = if negative {
            days_in_month(h.year, if h.month == 1 { 12 } else { h.month - 1 })
        } else {
            days_in_month(l.year, l.month)
        };
        days += i64::from(borrowed);
        months -= 1;
    }
    let sign = if negative { -1 } else { 1 };
    Ok(Datum::Interval(Interval {
        months: i32::try_from(months * sign).map_err(|_| timestamp_out_of_range())?,
        days: i32::try_from(days * sign).map_err(|_| timestamp_out_of_range())?,
        micros: time * sign,
    }))
}

fn int(args: &[Datum], index: usize) -> i64 {
    at(args, index).as_i64().unwrap_or_default()
}

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
        .map_err(|_| SqlError::new(state::DATETIME_FIELD_OVERFLOW, "date out of range"))
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
            i64::MAX
        } else {
            i64::MIN
        }));
    }
    let micros = (seconds * 1e6).round() - UNIX_EPOCH_MICROS as f64;
    if micros.is_nan() || micros.abs() > 9.2e18 {
        return Err(timestamp_out_of_range());
    }
    Ok(Datum::Timestamptz(micros as i64))
}

fn is_finite(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::Bool(match at(args, 0) {
        Datum::Date(days) => *days != i32::MAX && *days != i32::MIN,
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => !is_infinite(*micros),
        _ => true,
    }))
}

fn justify(args: &[Datum], days_to_months: bool, time_to_days: bool) -> SqlResult<Datum> {
    let Datum::Interval(interval) = at(args, 0) else {
        return Err(mismatch());
    };
    let (mut months, mut days, mut micros) = (
        i64::from(interval.months),
        i64::from(interval.days),
        interval.micros,
    );
    if time_to_days {
        days += micros / MICROS_PER_DAY;
        micros %= MICROS_PER_DAY;
    }
    if days_to_months {
        months += days / 30;
        days %= 30;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            days += 30;
            months -= 1;
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            days -= 30;
            months += 1;
        }
    }
    if time_to_days {
        if days > 0 && micros < 0 {
            micros += MICROS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= MICROS_PER_DAY;
            days += 1;
        }
    }
    let range = |_| SqlError::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range");
    Ok(Datum::Interval(Interval {
        months: i32::try_from(months).map_err(range)?,
        days: i32::try_from(days).map_err(range)?,
        micros,
    }))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Patterns of `to_char`, longer ones before their beginnings.
const PATTERNS: [&str; 40] = [
    "HH24", "HH12", "HH", "MI", "SS", "MS", "US", "YYYY", "YYY", "YY", "Y", "IYYY", "IW", "ID",
    "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DY", "Dy", "dy",
    "DDD", "DD", "D", "Q", "AM", "PM", "am", "pm", "WW", "CC", "J", "TZ", "OF",
];

fn to_char(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (micros, zoned) = match at(args, 0) {
        Datum::Timestamp(micros) => (*micros, false),
        Datum::Timestamptz(instant) => (local(&call.format.time_zone, *instant), true),
        _ => return Err(mismatch()),
    };
    if is_infinite(micros) {
        return Ok(Datum::Null);
    }
    let mut out = String::new();
    let mut rest = str_at(args, 1);
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("FM") {
            fill = false;
            rest = tail;
            continue;
        }
        if let Some(tail) = rest.strip_prefix('"') {
            let (literal, tail) = tail.split_once('"').unwrap_or((tail, ""));
            out.push_str(literal);
            rest = tail;
            continue;
        }
        match PATTERNS.iter().find(|p| rest.starts_with(**p)) {
            Some(pattern) => {
                out.push_str(&piece(pattern, micros, zoned, call, fill)?);
                fill = true;
                rest = rest.get(pattern.len()..).unwrap_or_default();
            }
            None if first.is_ascii_alphabetic() => {
                return Err(SqlError::unsupported(format!("to_char pattern \"{rest}\"")));
            }
            None => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok(Datum::Text(out))
}

fn piece(
    pattern: &str,
    micros: i64,
    zoned: bool,
    call: &Call<'_>,
    fill: bool,
) -> SqlResult<String> {
    let day = micros.div_euclid(MICROS_PER_DAY);
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let civil = civil_from_days(day);
    let weekday = (day + 6).rem_euclid(7);
    let hour = time / 3_600_000_000;
    let number = |value: i64, width: usize| {
        if fill {
            format!("{value:0width$}")
        } else {
            value.to_string()
        }
    };
    let word = |names: &[&str], index: i64, padded: bool| {
        let name = usize::try_from(index)
            .ok()
            .and_then(|i| names.get(i))
            .copied()
            .unwrap_or_default();
        if fill && padded {
            format!("{name:<9}")
        } else {
            name.to_owned()
        }
    };
    let short = |names: &[&str], index: i64| {
        word(names, index, false)
            .chars()
            .take(3)
            .collect::<String>()
    };
    let year = if civil.year > 0 {
        civil.year
    } else {
        1 - civil.year
    };
    let month = i64::from(civil.month) - 1;
    let doy =
        day - days_from_civil(Civil {
            year: civil.year,
            month: 1,
            day: 1,
        }) + 1;
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (iso_year, week) = iso_week(day);
    Ok(match pattern {
        "HH24" => number(hour, 2),
        "HH12" | "HH" => number(hour12, 2),
        "MI" => number(time / 60_000_000 % 60, 2),
        "SS" => number(time / 1_000_000 % 60, 2),
        "MS" => number(time / 1_000 % 1_000, 3),
        "US" => number(time % 1_000_000, 6),
        "YYYY" => number(year, 4),
        "YYY" => number(year % 1_000, 3),
        "YY" => number(year % 100, 2),
        "Y" => number(year % 10, 1),
        "IYYY" => number(iso_year, 4),
        "IW" => number(week, 2),
        "ID" => number(if weekday == 0 { 7 } else { weekday }, 1),
        "MONTH" => word(&MONTHS, month, true).to_uppercase(),
        "Month" => word(&MONTHS, month, true),
        "month" => word(&MONTHS, month, true).to_lowercase(),
        "MON" => short(&MONTHS, month).to_uppercase(),
        "Mon" => short(&MONTHS, month),
        "mon" => short(&MONTHS, month).to_lowercase(),
        "MM" => number(i64::from(civil.month), 2),
        "DAY" => word(&DAYS, weekday, true).to_uppercase(),
        "Day" => word(&DAYS, weekday, true),
        "day" => word(&DAYS, weekday, true).to_lowercase(),
        "DY" => short(&DAYS, weekday).to_uppercase(),
        "Dy" => short(&DAYS, weekday),
        "dy" => short(&DAYS, weekday).to_lowercase(),
        "DDD" => number(doy, 3),
        "DD" => number(i64::from(civil.day), 2),
        "D" => number(weekday + 1, 1),
        "Q" => number(month / 3 + 1, 1),
        "AM" | "PM" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "am" | "pm" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        "WW" => number((doy - 1) / 7 + 1, 2),
        "CC" => number((year + 99) / 100, 2),
        "J" => (day + 2_451_545).to_string(),
        "TZ" if zoned => zone_abbreviation(call, micros),
        "OF" if zoned => {
            let offset = call.format.time_zone.offset_at_local(micros);
            let sign = if offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset.abs() / 3_600, offset.abs() / 60 % 60);
            if minutes == 0 {
                format!("{sign}{hours:02}")
            } else {
                format!("{sign}{hours:02}:{minutes:02}")
            }
        }
        _ => String::new(),
    })
}

fn zone_abbreviation(call: &Call<'_>, local: i64) -> String {
    let instant = instant(&call.format.time_zone, local);
    match call.format.time_zone {
        TimeZone::Named(zone) => {
            DateTime::from_timestamp_micros(instant.saturating_add(UNIX_EPOCH_MICROS))
                .map(|at| at.with_timezone(&zone).format("%Z").to_string())
                .unwrap_or_default()
        }
        TimeZone::Fixed(_) => call.format.time_zone.name(),
    }
}
