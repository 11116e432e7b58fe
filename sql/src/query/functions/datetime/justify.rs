//! `justify_*`: thirty days as a month, twenty-four hours as a day.

use super::super::args::{INTERVAL, at, mismatch};
use super::super::overload::Overload;
use super::super::range::interval_out_of_range;
use crate::error::SqlResult;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, PgType};

/// The overloads of `justify_days`, `justify_hours` and `justify_interval`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("justify_days", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, true, false)
    }),
    Overload::new("justify_hours", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, false, true)
    }),
    Overload::new("justify_interval", &[INTERVAL], PgType::Interval, |_, a| {
        justify(a, true, true)
    }),
];

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
    let range = |_| interval_out_of_range();
    Ok(Datum::Interval(Interval {
        months: i32::try_from(months).map_err(range)?,
        days: i32::try_from(days).map_err(range)?,
        micros,
    }))
}
