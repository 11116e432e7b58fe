//! `date_trunc`: the start of the unit that a moment or an interval falls into.

use super::super::args::{INTERVAL, TEXT, TIMESTAMP, TIMESTAMPTZ, at, mismatch, str_at};
use super::super::overload::{Call, Overload};
use super::super::range::{is_infinite_timestamp, timestamp_out_of_range};
use super::day::{first_of, monday};
use super::zone::{instant, local, zone_named};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::civil_from_days;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, PgType};

/// The overloads of `date_trunc`.
pub(super) static OVERLOADS: &[Overload] = &[
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
];

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

/// 22023 for a unit that no type has.
pub(super) fn unknown_unit(unit: &str, type_name: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("unit \"{unit}\" not recognized for type {type_name}"),
    )
}

fn truncate(micros: i64, unit: &str, type_name: &str) -> SqlResult<i64> {
    if is_infinite_timestamp(micros) {
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
    // Centuries and millennia begin with a year that ends in 1.
    let start = |years: i64| (civil.year - 1).div_euclid(years) * years + 1;
    let day = match unit {
        "week" | "weeks" => monday(day),
        "month" | "months" => first_of(civil.year, civil.month),
        "quarter" => first_of(civil.year, (civil.month - 1) / 3 * 3 + 1),
        "year" | "years" => first_of(civil.year, 1),
        "decade" | "decades" => first_of(civil.year.div_euclid(10) * 10, 1),
        "century" | "centuries" => first_of(start(100), 1),
        "millennium" | "millenniums" | "millennia" => first_of(start(1_000), 1),
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
