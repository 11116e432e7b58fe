//! `to_char` of a timestamp: text by a pattern.

use chrono::DateTime;

use super::super::args::{TEXT, TIMESTAMP, TIMESTAMPTZ, at, mismatch, str_at};
use super::super::overload::{Call, Overload};
use super::super::range::is_infinite_timestamp;
use super::day::{day_of_year, iso_week, iso_weekday, weekday};
use super::zone::{instant, local};
use crate::error::{SqlError, SqlResult};
use crate::types::calendar::{Civil, TimeZone, UNIX_EPOCH_MICROS, civil_from_days};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, PgType};

/// The overloads of `to_char`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("to_char", &[TIMESTAMP, TEXT], PgType::Text, to_char),
    Overload::new("to_char", &[TIMESTAMPTZ, TEXT], PgType::Text, to_char).stable(),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Patterns of `to_char`, longer ones before their beginnings.
const PATTERNS: [&str; 40] = [
    "HH24", "HH12", "HH", "MI", "SS", "MS", "US", "YYYY", "YYY", "YY", "Y", "IYYY", "IW", "ID",
    "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DY", "Dy", "dy",
    "DDD", "DD", "D", "Q", "AM", "PM", "am", "pm", "WW", "CC", "J", "TZ", "OF",
];

fn to_char(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let zone = &call.format.time_zone;
    let moment = match at(args, 0) {
        Datum::Timestamp(micros) => Moment::new(*micros, None),
        Datum::Timestamptz(instant) => Moment::new(local(zone, *instant), Some(zone)),
        _ => return Err(mismatch()),
    };
    if is_infinite_timestamp(moment.micros) {
        return Ok(Datum::Null);
    }
    let mut out = String::new();
    let mut rest = str_at(args, 1);
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("FM") {
            fill = false;
            rest = tail;
            continue;
        }
        if let Some(tail) = rest.strip_prefix('"') {
            let (literal, tail) = tail.split_once('"').unwrap_or((tail, ""));
            out.push_str(literal);
            rest = tail;
            continue;
        }
        match PATTERNS.iter().find(|p| rest.starts_with(**p)) {
            Some(pattern) => {
                out.push_str(&moment.piece(pattern, fill));
                fill = true;
                rest = rest.get(pattern.len()..).unwrap_or_default();
            }
            None if first.is_ascii_alphabetic() => {
                return Err(SqlError::unsupported(format!("to_char pattern \"{rest}\"")));
            }
            None => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok(Datum::Text(out))
}

/// What a pattern is filled in from.
struct Moment<'a> {
    /// The local clock.
    micros: i64,
    day: i64,
    /// Microseconds of the day.
    time: i64,
    civil: Civil,
    /// The clock's zone, when the type has one.
    zone: Option<&'a TimeZone>,
}

impl<'a> Moment<'a> {
    fn new(micros: i64, zone: Option<&'a TimeZone>) -> Self {
        let day = micros.div_euclid(MICROS_PER_DAY);
        Self {
            micros,
            day,
            time: micros.rem_euclid(MICROS_PER_DAY),
            civil: civil_from_days(day),
            zone,
        }
    }

    /// The text of one pattern; `fill` pads it to its width.
    fn piece(&self, pattern: &str, fill: bool) -> String {
        let number = self
            .time_number(pattern)
            .or_else(|| self.date_number(pattern));
        match number {
            Some((value, width)) if fill => format!("{value:0width$}"),
            Some((value, _)) => value.to_string(),
            None => self
                .name(pattern, fill)
                .unwrap_or_else(|| self.zone_text(pattern)),
        }
    }

    /// A number of the time of day, and how many digits it has at least.
    fn time_number(&self, pattern: &str) -> Option<(i64, usize)> {
        let hour = self.hour();
        Some(match pattern {
            "HH24" => (hour, 2),
            "HH12" | "HH" => (if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
            "MI" => (self.time / 60_000_000 % 60, 2),
            "SS" => (self.time / 1_000_000 % 60, 2),
            "MS" => (self.time / 1_000 % 1_000, 3),
            "US" => (self.time % 1_000_000, 6),
            _ => return None,
        })
    }

    /// A number of the date, and how many digits it has at least.
    fn date_number(&self, pattern: &str) -> Option<(i64, usize)> {
        let (civil, day) = (self.civil, self.day);
        let year = if civil.year > 0 {
            civil.year
        } else {
            1 - civil.year
        };
        Some(match pattern {
            "YYYY" => (year, 4),
            "YYY" => (year % 1_000, 3),
            "YY" => (year % 100, 2),
            "Y" => (year % 10, 1),
            "IYYY" => (iso_week(day).0, 4),
            "IW" => (iso_week(day).1, 2),
            "ID" => (iso_weekday(day), 1),
            "MM" => (i64::from(civil.month), 2),
            "DDD" => (day_of_year(day, civil.year), 3),
            "DD" => (i64::from(civil.day), 2),
            "D" => (weekday(day) + 1, 1),
            "Q" => ((i64::from(civil.month) - 1) / 3 + 1, 1),
            "WW" => ((day_of_year(day, civil.year) - 1) / 7 + 1, 2),
            "CC" => ((year + 99) / 100, 2),
            "J" => (day + 2_451_545, 1),
            _ => return None,
        })
    }

    /// The name of the month, the day or the half of the day.
    fn name(&self, pattern: &str, fill: bool) -> Option<String> {
        let month = named(&MONTHS, i64::from(self.civil.month) - 1);
        let day = named(&DAYS, weekday(self.day));
        let full = |name: &str| {
            if fill {
                format!("{name:<9}")
            } else {
                name.to_owned()
            }
        };
        let short = |name: &str| name.chars().take(3).collect::<String>();
        let afternoon = self.hour() >= 12;
        Some(match pattern {
            "MONTH" => full(month).to_uppercase(),
            "Month" => full(month),
            "month" => full(month).to_lowercase(),
            "MON" => short(month).to_uppercase(),
            "Mon" => short(month),
            "mon" => short(month).to_lowercase(),
            "DAY" => full(day).to_uppercase(),
            "Day" => full(day),
            "day" => full(day).to_lowercase(),
            "DY" => short(day).to_uppercase(),
            "Dy" => short(day),
            "dy" => short(day).to_lowercase(),
            "AM" | "PM" => if afternoon { "PM" } else { "AM" }.to_owned(),
            "am" | "pm" => if afternoon { "pm" } else { "am" }.to_owned(),
            _ => return None,
        })
    }

    /// The zone or its offset; nothing for a timestamp without one.
    fn zone_text(&self, pattern: &str) -> String {
        match (pattern, self.zone) {
            ("TZ", Some(zone)) => abbreviation(zone, instant(zone, self.micros)),
            ("OF", Some(zone)) => offset(zone.offset_at_local(self.micros)),
            _ => String::new(),
        }
    }

    fn hour(&self) -> i64 {
        self.time / 3_600_000_000
    }
}

fn named<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index)
        .ok()
        .and_then(|i| names.get(i))
        .copied()
        .unwrap_or_default()
}

/// An offset in seconds as hours, and minutes if there are any.
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() / 60 % 60);
    if minutes == 0 {
        format!("{sign}{hours:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}")
    }
}

/// What a zone is called at an instant.
fn abbreviation(zone: &TimeZone, instant: i64) -> String {
    match zone {
        TimeZone::Named(tz) => {
            DateTime::from_timestamp_micros(instant.saturating_add(UNIX_EPOCH_MICROS))
                .map(|at| at.with_timezone(tz).format("%Z").to_string())
                .unwrap_or_default()
        }
        TimeZone::Fixed(_) => zone.name(),
    }
}
