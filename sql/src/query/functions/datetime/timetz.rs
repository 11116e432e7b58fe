//! Operators and functions of `time with time zone`.

use super::super::args::{DATE, INTERVAL, TEXT, at, mismatch, str_at};
use super::super::overload::{Arg, Call, Overload};
use super::super::range::timestamp_out_of_range;
use super::zone::zone_named;
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{END_TIMESTAMP, MIN_TIMESTAMP};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, PgType, TimeTz};

const TIMETZ: Arg = Arg::Is(PgType::Timetz);

/// Operators and functions of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("+", &[TIMETZ, INTERVAL], PgType::Timetz, |_, a| {
        plus(at(a, 0), at(a, 1), 1)
    }),
    Overload::new("+", &[INTERVAL, TIMETZ], PgType::Timetz, |_, a| {
        plus(at(a, 1), at(a, 0), 1)
    }),
    Overload::new("-", &[TIMETZ, INTERVAL], PgType::Timetz, |_, a| {
        plus(at(a, 0), at(a, 1), -1)
    }),
    Overload::new("+", &[DATE, TIMETZ], PgType::Timestamptz, |_, a| {
        moment(at(a, 0), at(a, 1))
    }),
    Overload::new("+", &[TIMETZ, DATE], PgType::Timestamptz, |_, a| {
        moment(at(a, 1), at(a, 0))
    }),
    Overload::new("timezone", &[TEXT, TIMETZ], PgType::Timetz, in_zone).volatile(),
    Overload::new("timezone", &[INTERVAL, TIMETZ], PgType::Timetz, at_distance),
];

fn time(value: &Datum) -> SqlResult<TimeTz> {
    match value {
        Datum::Timetz(time) => Ok(*time),
        _ => Err(mismatch()),
    }
}

/// The clock is turned by the time part; days and months mean nothing to it.
fn plus(value: &Datum, interval: &Datum, sign: i64) -> SqlResult<Datum> {
    let time = time(value)?;
    let Datum::Interval(interval) = interval else {
        return Err(mismatch());
    };
    let turn = interval.micros.rem_euclid(MICROS_PER_DAY) * sign;
    Ok(Datum::Timetz(TimeTz {
        micros: (time.micros + turn).rem_euclid(MICROS_PER_DAY),
        ..time
    }))
}

fn moment(date: &Datum, value: &Datum) -> SqlResult<Datum> {
    let time = time(value)?;
    let Datum::Date(days) = date else {
        return Err(mismatch());
    };
    match *days {
        i32::MAX => return Ok(Datum::Timestamptz(i64::MAX)),
        i32::MIN => return Ok(Datum::Timestamptz(i64::MIN)),
        _ => {}
    }
    i64::from(*days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|micros| micros.checked_add(time.utc()))
        .filter(|micros| (MIN_TIMESTAMP..END_TIMESTAMP).contains(micros))
        .map(Datum::Timestamptz)
        .ok_or_else(timestamp_out_of_range)
}

/// The same moment, as clocks at another distance from UTC show it.
fn moved(time: TimeTz, offset: i32) -> Datum {
    let local = time.utc() + i64::from(offset) * 1_000_000;
    Datum::Timetz(TimeTz {
        micros: local.rem_euclid(MICROS_PER_DAY),
        offset,
    })
}

fn in_zone(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let zone = zone_named(str_at(args, 0))?;
    Ok(moved(time(at(args, 1))?, zone.offset_at(call.format.now)))
}

fn at_distance(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Interval(interval) = at(args, 0) else {
        return Err(mismatch());
    };
    if interval.months != 0 || interval.days != 0 {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!(
                "interval time zone \"{}\" must not include months or days",
                crate::types::text_out(PgType::Interval, at(args, 0), &Default::default())
                    .unwrap_or_default()
            ),
        ));
    }
    let offset = i32::try_from(interval.micros / 1_000_000).map_err(|_| mismatch())?;
    Ok(moved(time(at(args, 1))?, offset))
}
