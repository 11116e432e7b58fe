//! Reads dates, times and timestamps.

use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{
    Civil, END_DATE, END_TIMESTAMP, MIN_DATE, MIN_TIMESTAMP, TimeZone, civil_from_days,
    days_from_civil, days_in_month,
};
pub(crate) use crate::types::datetime_fields::read_offset;
use crate::types::datetime_fields::{Fault, Fields, Special};
use crate::types::datum::{
    DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
};
use crate::types::format::SessionFormat;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::timetz::TimeTz;

/// Reads a `date`: days since 2000-01-01.
pub fn parse_date(text: &str, format: &SessionFormat) -> SqlResult<i32> {
    let fields = read(text, "date", format)?;
    let out_of_range = || {
        SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("date out of range: \"{text}\""),
        )
    };
    match fields.special {
        Some(Special::Infinity) => return Ok(DATE_INFINITY),
        Some(Special::NegInfinity) => return Ok(DATE_NEG_INFINITY),
        Some(special) => {
            let days = special_local(special, format).div_euclid(MICROS_PER_DAY);
            return i32::try_from(days).map_err(|_| out_of_range());
        }
        None => {}
    }
    let days = day_number(&fields, text, "date")?;
    match i32::try_from(days) {
        Ok(days) if (MIN_DATE..END_DATE).contains(&days) => Ok(days),
        _ => Err(out_of_range()),
    }
}

/// Reads a `time`: microseconds since midnight.
pub fn parse_time(text: &str, format: &SessionFormat) -> SqlResult<i64> {
    let fields = read(text, "time", format)?;
    match (fields.special, fields.time) {
        (Some(Special::Now), _) => {
            Ok(special_local(Special::Now, format).rem_euclid(MICROS_PER_DAY))
        }
        // The offset of a zone by name depends on the date.
        (None, Some(_))
            if matches!(fields.zone, Some(TimeZone::Named(_))) && fields.date().is_none() =>
        {
            Err(Fault::Syntax.error(text, "time"))
        }
        (None | Some(Special::AllBalls), Some(micros)) => Ok(micros),
        _ => Err(Fault::Syntax.error(text, "time")),
    }
}

/// Reads a `time with time zone`. Without a zone in the text, the session's is meant:
/// its offset on the date in the text, or today.
pub fn parse_timetz(text: &str, format: &SessionFormat) -> SqlResult<TimeTz> {
    const TYPE: &str = "time with time zone";
    let fields =
        Fields::read(text, true, format.styles.order).map_err(|fault| fault.error(text, TYPE))?;
    let named = matches!(fields.zone, Some(TimeZone::Named(_)));
    let micros = match (fields.special, fields.time) {
        (Some(Special::Now), _) => special_local(Special::Now, format).rem_euclid(MICROS_PER_DAY),
        // The offset of a zone by name depends on the date.
        (None, Some(_)) if named && fields.date().is_none() => {
            return Err(Fault::Syntax.error(text, TYPE));
        }
        (None | Some(Special::AllBalls), Some(micros)) => micros,
        _ => return Err(Fault::Syntax.error(text, TYPE)),
    };
    let zone = fields.zone.unwrap_or(format.time_zone);
    let offset = match fields.date() {
        Some(_) => {
            let day = day_number(&fields, text, TYPE)?;
            zone.offset_at_local(day.saturating_mul(MICROS_PER_DAY).saturating_add(micros))
        }
        None => {
            let today = special_local(Special::Today, format);
            zone.offset_at_local(today.saturating_add(micros))
        }
    };
    Ok(TimeTz { micros, offset })
}

/// Reads a `timestamp`: microseconds since 2000-01-01. A zone is ignored.
pub fn parse_timestamp(text: &str, format: &SessionFormat) -> SqlResult<i64> {
    let fields = read(text, "timestamp", format)?;
    match fields.special {
        Some(Special::Infinity) => Ok(TIMESTAMP_INFINITY),
        Some(Special::NegInfinity) => Ok(TIMESTAMP_NEG_INFINITY),
        Some(special) if special != Special::AllBalls => {
            let local = special_local(special, format);
            Ok(local + fields.time.unwrap_or(0))
        }
        _ => {
            let local = local_micros(&fields, text, "timestamp")?;
            in_range(local, text)
        }
    }
}

/// Reads a `timestamptz`: microseconds since 2000-01-01 UTC. Without a zone
/// in the text, the session's is meant.
pub fn parse_timestamptz(text: &str, format: &SessionFormat) -> SqlResult<i64> {
    const TYPE: &str = "timestamp with time zone";
    let fields = read(text, TYPE, format)?;
    let local = match fields.special {
        Some(Special::Infinity) => return Ok(TIMESTAMP_INFINITY),
        Some(Special::NegInfinity) => return Ok(TIMESTAMP_NEG_INFINITY),
        Some(Special::Now) => return Ok(format.now),
        Some(Special::Epoch) => return Ok(special_local(Special::Epoch, format)),
        Some(special) if special != Special::AllBalls => {
            i128::from(special_local(special, format)) + i128::from(fields.time.unwrap_or(0))
        }
        _ => local_micros(&fields, text, TYPE)?,
    };
    let zone = fields.zone.unwrap_or(format.time_zone);
    let nearest = i64::try_from(local).unwrap_or(i64::MAX);
    let offset = i128::from(zone.offset_at_local(nearest));
    in_range(local - offset * 1_000_000, text)
}

fn read(text: &str, type_name: &str, format: &SessionFormat) -> SqlResult<Fields> {
    let order = format.styles.order;
    Fields::read(text, type_name == "time", order).map_err(|fault| fault.error(text, type_name))
}

fn in_range(micros: i128, text: &str) -> SqlResult<i64> {
    match i64::try_from(micros) {
        Ok(micros) if (MIN_TIMESTAMP..END_TIMESTAMP).contains(&micros) => Ok(micros),
        _ => Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("timestamp out of range: \"{text}\""),
        )),
    }
}

fn local_micros(fields: &Fields, text: &str, type_name: &str) -> SqlResult<i128> {
    let days = day_number(fields, text, type_name)?;
    Ok(i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(fields.time.unwrap_or(0)))
}

/// "now", "today" and the like on the session's clock.
fn special_local(special: Special, format: &SessionFormat) -> i64 {
    let zone = &format.time_zone;
    let local = format.now + i64::from(zone.offset_at(format.now)) * 1_000_000;
    let midnight = local - local.rem_euclid(MICROS_PER_DAY);
    match special {
        Special::Now => local,
        Special::Today => midnight,
        Special::Tomorrow => midnight + MICROS_PER_DAY,
        Special::Yesterday => midnight - MICROS_PER_DAY,
        Special::Epoch => -crate::types::calendar::UNIX_EPOCH_MICROS,
        Special::AllBalls | Special::Infinity | Special::NegInfinity => 0,
    }
}

fn day_number(fields: &Fields, text: &str, type_name: &str) -> SqlResult<i64> {
    let Some((year, month, day)) = fields.date() else {
        return Err(Fault::Syntax.error(text, type_name));
    };
    let year = if fields.bc {
        if year < 1 {
            return Err(Fault::Field.error(text, type_name));
        }
        1 - year
    } else if year == 0 {
        return Err(Fault::Field.error(text, type_name));
    } else {
        year
    };
    if !(1..=12).contains(&month) {
        return Err(Fault::MonthOrDay.error(text, type_name));
    }
    if day < 1 || day > days_in_month(year, month) {
        return Err(match day {
            1..=31 => Fault::Field,
            _ => Fault::MonthOrDay,
        }
        .error(text, type_name));
    }
    Ok(days_from_civil(Civil { year, month, day }))
}

/// The date and microseconds since midnight of a timestamp, for EXTRACT.
pub fn split_timestamp(micros: i64) -> (Civil, i64) {
    (
        civil_from_days(micros.div_euclid(MICROS_PER_DAY)),
        micros.rem_euclid(MICROS_PER_DAY),
    )
}

/// `-05:30`, `UTC+3`, `<x>-4`: an offset as POSIX writes it, which counts to the west.
fn posix_offset(text: &str) -> Option<TimeZone> {
    let offset = match text.strip_prefix('<') {
        Some(named) => named.split_once('>')?.1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let signed = if offset.starts_with(['+', '-']) {
        offset.to_owned()
    } else {
        format!("+{offset}")
    };
    let (seconds, rest) = crate::types::datetime_fields::read_offset(&signed)?;
    (rest.is_empty() && seconds.abs() < 168 * 3600).then_some(TimeZone::Fixed(-seconds))
}

/// The zone that `AT TIME ZONE` and the like mean by a text.
pub fn zone_by_name(text: &str) -> Option<TimeZone> {
    let text = text.trim();
    TimeZone::from_name(text).or_else(|| posix_offset(text))
}
