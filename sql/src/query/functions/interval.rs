//! Arithmetic with dates, times and intervals.

use super::args::{DATE, FLOAT8, INT4, INTERVAL, TIME, TIMESTAMP, TIMESTAMPTZ, at, mismatch};
use super::overload::{Call, Overload};
use super::range::{
    date_out_of_range, interval_out_of_range, is_infinite_date, is_infinite_timestamp,
    timestamp_out_of_range,
};
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{
    Civil, END_DATE, END_TIMESTAMP, MIN_DATE, MIN_TIMESTAMP, civil_from_days, days_from_civil,
    days_in_month,
};
use crate::types::datum::{
    DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, Numeric, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("+", &[DATE, INT4], PgType::Date, |_, a| {
        date_plus(at(a, 0), at(a, 1), 1)
    }),
    Overload::new("+", &[INT4, DATE], PgType::Date, |_, a| {
        date_plus(at(a, 1), at(a, 0), 1)
    }),
    Overload::new("-", &[DATE, INT4], PgType::Date, |_, a| {
        date_plus(at(a, 0), at(a, 1), -1)
    }),
    Overload::new("-", &[DATE, DATE], PgType::Int4, date_minus_date),
    Overload::new("+", &[DATE, TIME], PgType::Timestamp, |c, a| {
        plus(c, &midnight(at(a, 0))?, at(a, 1), 1)
    }),
    Overload::new("+", &[TIME, DATE], PgType::Timestamp, |c, a| {
        plus(c, &midnight(at(a, 1))?, at(a, 0), 1)
    }),
    Overload::new("+", &[DATE, INTERVAL], PgType::Timestamp, |c, a| {
        plus(c, &midnight(at(a, 0))?, at(a, 1), 1)
    }),
    Overload::new("+", &[INTERVAL, DATE], PgType::Timestamp, |c, a| {
        plus(c, &midnight(at(a, 1))?, at(a, 0), 1)
    }),
    Overload::new("-", &[DATE, INTERVAL], PgType::Timestamp, |c, a| {
        plus(c, &midnight(at(a, 0))?, at(a, 1), -1)
    }),
    Overload::new("+", &[TIMESTAMP, INTERVAL], PgType::Timestamp, |c, a| {
        plus(c, at(a, 0), at(a, 1), 1)
    }),
    Overload::new("+", &[INTERVAL, TIMESTAMP], PgType::Timestamp, |c, a| {
        plus(c, at(a, 1), at(a, 0), 1)
    }),
    Overload::new("-", &[TIMESTAMP, INTERVAL], PgType::Timestamp, |c, a| {
        plus(c, at(a, 0), at(a, 1), -1)
    }),
    Overload::new(
        "+",
        &[TIMESTAMPTZ, INTERVAL],
        PgType::Timestamptz,
        |c, a| plus(c, at(a, 0), at(a, 1), 1),
    )
    .stable(),
    Overload::new(
        "+",
        &[INTERVAL, TIMESTAMPTZ],
        PgType::Timestamptz,
        |c, a| plus(c, at(a, 1), at(a, 0), 1),
    )
    .stable(),
    Overload::new(
        "-",
        &[TIMESTAMPTZ, INTERVAL],
        PgType::Timestamptz,
        |c, a| plus(c, at(a, 0), at(a, 1), -1),
    )
    .stable(),
    Overload::new("-", &[TIMESTAMP, TIMESTAMP], PgType::Interval, difference),
    Overload::new(
        "-",
        &[TIMESTAMPTZ, TIMESTAMPTZ],
        PgType::Interval,
        difference,
    ),
    Overload::new("+", &[TIME, INTERVAL], PgType::Time, |c, a| {
        plus(c, at(a, 0), at(a, 1), 1)
    }),
    Overload::new("+", &[INTERVAL, TIME], PgType::Time, |c, a| {
        plus(c, at(a, 1), at(a, 0), 1)
    }),
    Overload::new("-", &[TIME, INTERVAL], PgType::Time, |c, a| {
        plus(c, at(a, 0), at(a, 1), -1)
    }),
    Overload::new("-", &[TIME, TIME], PgType::Interval, difference),
    Overload::new("+", &[INTERVAL, INTERVAL], PgType::Interval, |_, a| {
        interval_plus(at(a, 0), at(a, 1), 1)
    }),
    Overload::new("-", &[INTERVAL, INTERVAL], PgType::Interval, |_, a| {
        interval_plus(at(a, 0), at(a, 1), -1)
    }),
    Overload::new("*", &[INTERVAL, FLOAT8], PgType::Interval, |_, a| {
        times(at(a, 0), at(a, 1))
    }),
    Overload::new("*", &[FLOAT8, INTERVAL], PgType::Interval, |_, a| {
        times(at(a, 1), at(a, 0))
    }),
    Overload::new("/", &[INTERVAL, FLOAT8], PgType::Interval, over),
    Overload::new("__span", &[INTERVAL], PgType::Numeric(None), span).numeric(0),
];

fn date_plus(date: &Datum, days: &Datum, sign: i32) -> SqlResult<Datum> {
    let (Datum::Date(date), Datum::Int4(days)) = (date, days) else {
        return Err(mismatch());
    };
    if is_infinite_date(*date) {
        return Ok(Datum::Date(*date));
    }
    days.checked_mul(sign)
        .and_then(|days| date.checked_add(days))
        .filter(|d| (MIN_DATE..END_DATE).contains(d))
        .map(Datum::Date)
        .ok_or_else(date_out_of_range)
}

fn date_minus_date(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (Datum::Date(a), Datum::Date(b)) = (at(args, 0), at(args, 1)) else {
        return Err(mismatch());
    };
    if is_infinite_date(*a) || is_infinite_date(*b) {
        return Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            "cannot subtract infinite dates",
        ));
    }
    Ok(Datum::Int4(a.wrapping_sub(*b)))
}

/// A date as the timestamp of its start.
pub(super) fn midnight(date: &Datum) -> SqlResult<Datum> {
    let Datum::Date(days) = date else {
        return Err(mismatch());
    };
    Ok(Datum::Timestamp(match *days {
        DATE_INFINITY => TIMESTAMP_INFINITY,
        DATE_NEG_INFINITY => TIMESTAMP_NEG_INFINITY,
        days => i64::from(days)
            .checked_mul(MICROS_PER_DAY)
            .ok_or_else(timestamp_out_of_range)?,
    }))
}

/// A point in time plus or minus an interval or a time of day.
pub(super) fn plus(call: &Call<'_>, start: &Datum, step: &Datum, sign: i32) -> SqlResult<Datum> {
    let step = match step {
        Datum::Interval(step) => *step,
        Datum::Time(micros) => Interval {
            months: 0,
            days: 0,
            micros: *micros,
        },
        _ => return Err(mismatch()),
    };
    let step = scaled(step, sign)?;
    match start {
        Datum::Timestamp(micros) => add_local(*micros, step).map(Datum::Timestamp),
        Datum::Timestamptz(micros) => {
            add_in_zone(&call.format.time_zone, *micros, step).map(Datum::Timestamptz)
        }
        Datum::Time(micros) => Ok(Datum::Time(
            micros
                .wrapping_add(step.micros % MICROS_PER_DAY)
                .rem_euclid(MICROS_PER_DAY),
        )),
        _ => Err(mismatch()),
    }
}

fn scaled(step: Interval, sign: i32) -> SqlResult<Interval> {
    if sign >= 0 {
        return Ok(step);
    }
    let negated = || {
        Some(Interval {
            months: step.months.checked_neg()?,
            days: step.days.checked_neg()?,
            micros: step.micros.checked_neg()?,
        })
    };
    negated().ok_or_else(interval_out_of_range)
}

/// A local timestamp plus an interval: months first (the day cut to the length
/// of the month), then days, then time.
pub(super) fn add_local(micros: i64, step: Interval) -> SqlResult<i64> {
    if is_infinite_timestamp(micros) {
        return Ok(micros);
    }
    let moved = add_days(micros, step.months, step.days)?;
    moved
        .checked_add(step.micros)
        .filter(|m| (MIN_TIMESTAMP..END_TIMESTAMP).contains(m))
        .ok_or_else(timestamp_out_of_range)
}

fn add_days(micros: i64, months: i32, days: i32) -> SqlResult<i64> {
    let day = micros.div_euclid(MICROS_PER_DAY);
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let mut day = day;
    if months != 0 {
        let civil = civil_from_days(day);
        let month = civil.year * 12 + i64::from(civil.month) - 1 + i64::from(months);
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let month = u8::try_from(month).map_err(|_| timestamp_out_of_range())?;
        day = days_from_civil(Civil {
            year,
            month,
            day: civil.day.min(days_in_month(year, month)),
        });
    }
    day.checked_add(i64::from(days))
        .and_then(|day| day.checked_mul(MICROS_PER_DAY))
        .and_then(|start| start.checked_add(time))
        .ok_or_else(timestamp_out_of_range)
}

/// An instant plus an interval: months and days on the local clock, time as it
/// passes.
pub(super) fn add_in_zone(
    zone: &crate::types::calendar::TimeZone,
    micros: i64,
    step: Interval,
) -> SqlResult<i64> {
    if is_infinite_timestamp(micros) {
        return Ok(micros);
    }
    let mut instant = micros;
    if step.months != 0 || step.days != 0 {
        let local = instant + i64::from(zone.offset_at(instant)) * 1_000_000;
        let moved = add_days(local, step.months, step.days)?;
        instant = moved - i64::from(zone.offset_at_local(moved)) * 1_000_000;
    }
    instant
        .checked_add(step.micros)
        .filter(|m| (MIN_TIMESTAMP..END_TIMESTAMP).contains(m))
        .ok_or_else(timestamp_out_of_range)
}

fn difference(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (a, b, justify) = match (at(args, 0), at(args, 1)) {
        (Datum::Timestamp(a), Datum::Timestamp(b))
        | (Datum::Timestamptz(a), Datum::Timestamptz(b)) => (*a, *b, true),
        (Datum::Time(a), Datum::Time(b)) => (*a, *b, false),
        _ => return Err(mismatch()),
    };
    if justify && (is_infinite_timestamp(a) || is_infinite_timestamp(b)) {
        return Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            "cannot subtract infinite timestamps",
        ));
    }
    let micros = a.checked_sub(b).ok_or_else(interval_out_of_range)?;
    let (days, micros) = if justify {
        (micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
    } else {
        (0, micros)
    };
    Ok(Datum::Interval(Interval {
        months: 0,
        days: i32::try_from(days).map_err(|_| interval_out_of_range())?,
        micros,
    }))
}

pub(super) fn interval_plus(left: &Datum, right: &Datum, sign: i32) -> SqlResult<Datum> {
    let (Datum::Interval(a), Datum::Interval(b)) = (left, right) else {
        return Err(mismatch());
    };
    let b = scaled(*b, sign)?;
    let sum = || {
        Some(Interval {
            months: a.months.checked_add(b.months)?,
            days: a.days.checked_add(b.days)?,
            micros: a.micros.checked_add(b.micros)?,
        })
    };
    sum().map(Datum::Interval).ok_or_else(interval_out_of_range)
}

fn over(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (interval, Datum::Float8(divisor)) = (at(args, 0), at(args, 1)) else {
        return Err(mismatch());
    };
    if *divisor == 0.0 {
        return Err(SqlError::new(state::DIVISION_BY_ZERO, "division by zero"));
    }
    times(interval, &Datum::Float8(1.0 / divisor))
}

/// An interval times a factor: fractions of a month become days of 30, those of
/// a day become time (`interval_mul` in timestamp.c).
pub(super) fn times(interval: &Datum, factor: &Datum) -> SqlResult<Datum> {
    let (Datum::Interval(i), Datum::Float8(factor)) = (interval, factor) else {
        return Err(mismatch());
    };
    let months = f64::from(i.months) * factor;
    let days = f64::from(i.days) * factor;
    let whole = |value: f64| -> SqlResult<i32> {
        if value.is_nan() || value.abs() > f64::from(i32::MAX) {
            return Err(interval_out_of_range());
        }
        Ok(value.trunc() as i32)
    };
    let round_to_micros = |value: f64| (value * 1e6).round() / 1e6;
    let month_days = round_to_micros((months - months.trunc()) * 30.0);
    let mut seconds =
        round_to_micros((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
    let mut whole_days = i64::from(whole(days)?) + i64::from(whole(month_days)?);
    if seconds.abs() >= 86_400.0 {
        whole_days += (seconds / 86_400.0) as i64;
        seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
    }
    let micros = (i.micros as f64 * factor + seconds * 1e6).round();
    if micros.is_nan() || micros.abs() > 9.2e18 {
        return Err(interval_out_of_range());
    }
    Ok(Datum::Interval(Interval {
        months: whole(months)?,
        days: i32::try_from(whole_days).map_err(|_| interval_out_of_range())?,
        micros: micros as i64,
    }))
}

fn span(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    match at(args, 0) {
        Datum::Interval(interval) => Ok(Datum::Numeric(Numeric::from_i128(interval.span(), 0))),
        _ => Err(mismatch()),
    }
}
