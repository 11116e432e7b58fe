//! Text of dates, times, timestamps and intervals, in the styles that a session
//! has chosen.

use bytes::BufMut;

use crate::types::calendar::{TimeZone, civil_from_days};
use crate::types::datum::{
    DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
};
use crate::types::interval::{Interval, MICROS_PER_DAY};
use crate::types::styles::{IntervalStyle, Styles};
use crate::types::{datetime_styled, interval_styled};

/// Appends a `date` (days since 2000-01-01).
pub fn write_date(days: i32, styles: &Styles, out: &mut impl BufMut) {
    match days {
        DATE_INFINITY => out.put_slice(b"infinity"),
        DATE_NEG_INFINITY => out.put_slice(b"-infinity"),
        days if !styles.dates_are_iso() => {
            datetime_styled::write_date(i64::from(days), styles, out);
        }
        days => {
            if write_day(i64::from(days), out) {
                out.put_slice(b" BC");
            }
        }
    }
}

/// Appends a `time` (microseconds since midnight).
pub fn write_time(micros: i64, out: &mut impl BufMut) {
    let seconds = micros.unsigned_abs() / 1_000_000;
    two_digits(seconds / 3600, out);
    out.put_u8(b':');
    two_digits(seconds / 60 % 60, out);
    out.put_u8(b':');
    two_digits(seconds % 60, out);
    write_fraction(micros.unsigned_abs() % 1_000_000, out);
}

/// Appends a `timestamp` (microseconds since 2000-01-01).
pub fn write_timestamp(micros: i64, styles: &Styles, out: &mut impl BufMut) {
    if write_infinity(micros, out) {
        return;
    }
    if !styles.dates_are_iso() {
        return datetime_styled::write_timestamp(i128::from(micros), None, styles, out);
    }
    let bc = write_day(micros.div_euclid(MICROS_PER_DAY), out);
    out.put_u8(b' ');
    write_time(micros.rem_euclid(MICROS_PER_DAY), out);
    if bc {
        out.put_slice(b" BC");
    }
}

/// Appends a `timestamptz` (microseconds since 2000-01-01 UTC) as the zone's
/// clocks show it.
pub fn write_timestamptz(micros: i64, zone: &TimeZone, styles: &Styles, out: &mut impl BufMut) {
    if write_infinity(micros, out) {
        return;
    }
    let offset = zone.offset_at(micros);
    let local = i128::from(micros) + i128::from(offset) * 1_000_000;
    if !styles.dates_are_iso() {
        let zone = datetime_styled::zone_at(zone, micros);
        return datetime_styled::write_timestamp(local, Some(zone), styles, out);
    }
    let day = i128::from(MICROS_PER_DAY);
    // Both fit: the first is near micros / day, the second below a day.
    let bc = write_day(local.div_euclid(day) as i64, out);
    out.put_u8(b' ');
    write_time(local.rem_euclid(day) as i64, out);
    write_offset(offset, out);
    if bc {
        out.put_slice(b" BC");
    }
}

fn write_infinity(micros: i64, out: &mut impl BufMut) -> bool {
    match micros {
        TIMESTAMP_INFINITY => out.put_slice(b"infinity"),
        TIMESTAMP_NEG_INFINITY => out.put_slice(b"-infinity"),
        _ => return false,
    }
    true
}

/// Appends `+02`, `-03:30` or `+00:19:32` for seconds east of UTC.
pub(crate) fn write_offset(seconds: i32, out: &mut impl BufMut) {
    out.put_u8(if seconds < 0 { b'-' } else { b'+' });
    let seconds = u64::from(seconds.unsigned_abs());
    two_digits(seconds / 3600, out);
    if seconds % 3600 != 0 {
        out.put_u8(b':');
        two_digits(seconds / 60 % 60, out);
    }
    if seconds % 60 != 0 {
        out.put_u8(b':');
        two_digits(seconds % 60, out);
    }
}

/// Appends year, month and day; answers whether " BC" must follow at the end.
fn write_day(days: i64, out: &mut impl BufMut) -> bool {
    let civil = civil_from_days(days);
    let bc = civil.year <= 0;
    let year = if bc { 1 - civil.year } else { civil.year }.unsigned_abs();
    if year < 10_000 {
        two_digits(year / 100, out);
        two_digits(year % 100, out);
    } else {
        out.put_slice(itoa::Buffer::new().format(year).as_bytes());
    }
    out.put_u8(b'-');
    two_digits(u64::from(civil.month), out);
    out.put_u8(b'-');
    two_digits(u64::from(civil.day), out);
    bc
}

/// At least two digits.
pub(super) fn two_digits(value: u64, out: &mut impl BufMut) {
    match u8::try_from(value) {
        Ok(value) if value < 100 => out.put_slice(&[b'0' + value / 10, b'0' + value % 10]),
        _ => out.put_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// Appends `.5` for 500,000 microseconds and nothing for none.
pub(super) fn write_fraction(micros: u64, out: &mut impl BufMut) {
    if micros == 0 {
        return;
    }
    let mut digits = *b".000000";
    let mut rest = micros;
    for digit in digits.iter_mut().skip(1).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let kept = digits.iter().rposition(|d| *d != b'0').unwrap_or(0) + 1;
    out.put_slice(digits.get(..kept).unwrap_or_default());
}

/// Appends an `interval`: `1 year -2 mons +3 days 04:05:06.7`.
pub fn write_interval(interval: &Interval, style: IntervalStyle, out: &mut impl BufMut) {
    match style {
        IntervalStyle::Postgres => {}
        IntervalStyle::PostgresVerbose => return interval_styled::write_verbose(interval, out),
        IntervalStyle::SqlStandard => return interval_styled::write_sql_standard(interval, out),
        IntervalStyle::Iso8601 => return interval_styled::write_iso_8601(interval, out),
    }
    let mut first = true;
    let mut negative_before = false;
    let parts = [
        (interval.months / 12, "year"),
        (interval.months % 12, "mon"),
        (interval.days, "day"),
    ];
    for (value, unit) in parts {
        if value == 0 {
            continue;
        }
        if !first {
            out.put_u8(b' ');
        }
        if negative_before && value > 0 {
            out.put_u8(b'+');
        }
        out.put_slice(itoa::Buffer::new().format(value).as_bytes());
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
        negative_before = value < 0;
        first = false;
    }
    if !first && interval.micros == 0 {
        return;
    }
    if !first {
        out.put_u8(b' ');
    }
    if interval.micros < 0 {
        out.put_u8(b'-');
    } else if negative_before {
        out.put_u8(b'+');
    }
    let micros = interval.micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    two_digits(seconds / 3600, out);
    out.put_u8(b':');
    two_digits(seconds / 60 % 60, out);
    out.put_u8(b':');
    two_digits(seconds % 60, out);
    write_fraction(micros % 1_000_000, out);
}
