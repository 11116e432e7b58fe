//! `age`: a difference in years, months, days and time.

use super::super::args::{TIMESTAMP, TIMESTAMPTZ, at, mismatch};
use super::super::overload::Overload;
use super::super::range::{is_infinite_timestamp, timestamp_out_of_range};
use super::now::today;
use super::zone::to_local;
use crate::error::SqlResult;
use crate::types::calendar::{civil_from_days, days_in_month};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, PgType};

/// The overloads of `age`.
pub(super) static OVERLOADS: &[Overload] = &[
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
];

/// The difference in years, months, days and time (`timestamp_age`).
fn age(later: &Datum, earlier: &Datum) -> SqlResult<Datum> {
    let (Datum::Timestamp(a), Datum::Timestamp(b)) = (later, earlier) else {
        return Err(mismatch());
    };
    if is_infinite_timestamp(*a) || is_infinite_timestamp(*b) {
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
