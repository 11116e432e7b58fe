//! `to_char` of timestamps and intervals: text by a template.

use chrono::DateTime;

use super::super::super::args::{INTERVAL, TEXT, TIMESTAMP, TIMESTAMPTZ, at, mismatch, str_at};
use super::super::super::overload::{Call, Overload};
use super::super::super::range::is_infinite_timestamp;
use super::super::zone::local;
use super::template::nodes;
use super::write::{Moment, write};
use crate::error::SqlResult;
use crate::types::calendar::{TimeZone, UNIX_EPOCH_MICROS};
use crate::types::{Datum, PgType};

/// The overloads of `to_char`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("to_char", &[TIMESTAMP, TEXT], PgType::Text, to_char).stable(),
    Overload::new("to_char", &[TIMESTAMPTZ, TEXT], PgType::Text, to_char).stable(),
    Overload::new("to_char", &[INTERVAL, TEXT], PgType::Text, to_char).stable(),
];

fn to_char(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let template = str_at(args, 1);
    if template.is_empty() {
        return Ok(Datum::Null);
    }
    let moment = match at(args, 0) {
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) if is_infinite_timestamp(*micros) => {
            return Ok(Datum::Null);
        }
        Datum::Timestamp(micros) => Moment::of_local(*micros),
        Datum::Timestamptz(instant) => {
            let zone = &call.format.time_zone;
            let mut moment = Moment::of_local(local(zone, *instant));
            moment.offset = zone.offset_at(*instant);
            moment.zone = abbreviation(zone, *instant);
            moment
        }
        Datum::Interval(interval) => Moment::of_interval(*interval),
        _ => return Err(mismatch()),
    };
    write(&moment, &nodes(template, false)?).map(Datum::Text)
}

/// What a zone is called at an instant.
fn abbreviation(zone: &TimeZone, instant: i64) -> String {
    match zone {
        TimeZone::Named(tz) => {
            DateTime::from_timestamp_micros(instant.saturating_add(UNIX_EPOCH_MICROS))
                .map(|at| at.with_timezone(tz).format("%Z").to_string())
                .unwrap_or_default()
        }
        TimeZone::Moscow => zone.name(),
        TimeZone::Fixed(seconds) => {
            let mut out = Vec::new();
            crate::types::datetime_out::write_offset(*seconds, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}
