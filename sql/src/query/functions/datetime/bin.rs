//! `date_bin`: the start of the stride, counted from an origin, that a moment
//! falls into.

use super::super::args::{INTERVAL, TIMESTAMP, TIMESTAMPTZ, at, mismatch};
use super::super::overload::{Call, Overload};
use super::super::range::{is_infinite_timestamp, timestamp_out_of_range};
use crate::error::{SqlError, SqlResult, state};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Interval, PgType};

/// The overloads of `date_bin`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "date_bin",
        &[INTERVAL, TIMESTAMP, TIMESTAMP],
        PgType::Timestamp,
        date_bin,
    ),
    Overload::new(
        "date_bin",
        &[INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ],
        PgType::Timestamptz,
        date_bin,
    ),
];

fn date_bin(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Interval(stride) = at(args, 0) else {
        return Err(mismatch());
    };
    match (at(args, 1), at(args, 2)) {
        (Datum::Timestamp(moment), Datum::Timestamp(origin)) => {
            bin(*stride, *moment, *origin).map(Datum::Timestamp)
        }
        (Datum::Timestamptz(moment), Datum::Timestamptz(origin)) => {
            bin(*stride, *moment, *origin).map(Datum::Timestamptz)
        }
        _ => Err(mismatch()),
    }
}

fn bin(stride: Interval, moment: i64, origin: i64) -> SqlResult<i64> {
    let overflow = |message: &'static str| SqlError::new(state::DATETIME_FIELD_OVERFLOW, message);
    if is_infinite_timestamp(moment) {
        return Ok(moment);
    }
    if is_infinite_timestamp(origin) {
        return Err(overflow("origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let step = i64::from(stride.days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(|| overflow("interval out of range"))?;
    if step <= 0 {
        return Err(overflow("stride must be greater than zero"));
    }
    let distance = moment
        .checked_sub(origin)
        .ok_or_else(timestamp_out_of_range)?;
    Ok(moment - distance.rem_euclid(step))
}
