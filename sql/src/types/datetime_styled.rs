//! Text of dates and timestamps in the styles other than ISO.

use bytes::BufMut;

use crate::types::calendar::{Civil, TimeZone, civil_from_days};
use crate::types::datetime_out::{two_digits, write_offset, write_time};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::styles::{DateOrder, DateStyle, Styles};

/// Names of days, Sunday first.
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/// Names of months.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// The day of the week of 2000-01-01, counted from Sunday.
const SATURDAY: i64 = 6;

/// Appends a date (days since 2000-01-01) that is not infinite.
pub(super) fn write_date(days: i64, styles: &Styles, out: &mut impl BufMut) {
    let civil = civil_from_days(days);
    write_day(civil, styles, out);
    write_era(civil, out);
}

/// Appends a timestamp (microseconds since 2000-01-01 on the clocks of its place)
/// with its zone, if it has one: seconds east of UTC and the zone's abbreviation.
pub(super) fn write_timestamp(
    local: i128,
    zone: Option<(i32, Option<String>)>,
    styles: &Styles,
    out: &mut impl BufMut,
) {
    let day = i128::from(MICROS_PER_DAY);
    // Both fit: the first is near micros / day, the second below a day.
    let (days, time) = (local.div_euclid(day) as i64, local.rem_euclid(day) as i64);
    let civil = civil_from_days(days);
    if styles.date == DateStyle::Postgres {
        let weekday = usize::try_from((days + SATURDAY).rem_euclid(7)).unwrap_or(0);
        let month = MONTHS.get(usize::from(civil.month).saturating_sub(1));
        let month = month.copied().unwrap_or_default();
        out.put_slice(DAYS.get(weekday).copied().unwrap_or_default().as_bytes());
        out.put_u8(b' ');
        if styles.order == DateOrder::Dmy {
            two_digits(u64::from(civil.day), out);
            out.put_u8(b' ');
            out.put_slice(month.as_bytes());
        } else {
            out.put_slice(month.as_bytes());
            out.put_u8(b' ');
            two_digits(u64::from(civil.day), out);
        }
        out.put_u8(b' ');
        write_time(time, out);
        out.put_u8(b' ');
        write_year(civil, out);
    } else {
        write_day(civil, styles, out);
        out.put_u8(b' ');
        write_time(time, out);
    }
    match zone {
        Some((_, Some(name))) => {
            out.put_u8(b' ');
            out.put_slice(name.as_bytes());
        }
        Some((offset, None)) => {
            if styles.date == DateStyle::Postgres {
                out.put_u8(b' ');
            }
            write_offset(offset, out);
        }
        None => {}
    }
    write_era(civil, out);
}

fn write_day(civil: Civil, styles: &Styles, out: &mut impl BufMut) {
    let separator = match styles.date {
        DateStyle::Sql => b'/',
        DateStyle::German => b'.',
        DateStyle::Postgres | DateStyle::Iso => b'-',
    };
    let day_first = styles.date == DateStyle::German || styles.order == DateOrder::Dmy;
    let (first, second) = match day_first {
        true => (civil.day, civil.month),
        false => (civil.month, civil.day),
    };
    two_digits(u64::from(first), out);
    out.put_u8(separator);
    two_digits(u64::from(second), out);
    out.put_u8(separator);
    write_year(civil, out);
}

/// The year as it is called, with four digits at least.
fn write_year(civil: Civil, out: &mut impl BufMut) {
    let year = if civil.year <= 0 {
        1 - civil.year
    } else {
        civil.year
    };
    out.put_slice(format!("{year:04}").as_bytes());
}

fn write_era(civil: Civil, out: &mut impl BufMut) {
    if civil.year <= 0 {
        out.put_slice(b" BC");
    }
}

/// Seconds east of UTC and abbreviation of a zone at an instant.
pub(super) fn zone_at(zone: &TimeZone, instant: i64) -> (i32, Option<String>) {
    (zone.offset_at(instant), zone.abbreviation_at(instant))
}
