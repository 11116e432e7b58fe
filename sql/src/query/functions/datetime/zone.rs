//! Between an instant and the reading of a local clock.

use super::super::args::{TEXT, TIMESTAMP, TIMESTAMPTZ, at, mismatch, str_at};
use super::super::overload::{Call, Overload};
use super::super::range::is_infinite_timestamp;
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::TimeZone;
use crate::types::datetime_in::zone_by_name;
use crate::types::{Datum, PgType};

/// Functions that move between clocks.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("timezone", &[TEXT, TIMESTAMP], PgType::Timestamptz, at_zone),
    Overload::new("timezone", &[TEXT, TIMESTAMPTZ], PgType::Timestamp, at_zone),
];

/// Microseconds of the local clock at an instant.
pub(super) fn local(zone: &TimeZone, instant: i64) -> i64 {
    if is_infinite_timestamp(instant) {
        return instant;
    }
    instant.saturating_add(i64::from(zone.offset_at(instant)) * 1_000_000)
}

/// The instant of a local clock reading.
pub(super) fn instant(zone: &TimeZone, local: i64) -> i64 {
    if is_infinite_timestamp(local) {
        return local;
    }
    local.saturating_sub(i64::from(zone.offset_at_local(local)) * 1_000_000)
}

/// A timestamp with time zone as the session's clock reads it.
pub(super) fn to_local(call: &Call<'_>, value: &Datum) -> Datum {
    match value {
        Datum::Timestamptz(micros) => Datum::Timestamp(local(&call.format.time_zone, *micros)),
        other => other.clone(),
    }
}

/// The time zone of that name (22023 when there is none).
pub(super) fn zone_named(name: &str) -> SqlResult<TimeZone> {
    zone_by_name(name).ok_or_else(|| {
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
