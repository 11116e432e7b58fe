//! Words: months, days, zones and special dates.

use super::digits::{number, split_digits, split_word};
use super::offset::read_offset;
use super::{Fault, Fields, Special};
use crate::types::calendar::{Civil, TimeZone, civil_from_days};

/// The Julian day of 2000-01-01.
const JULIAN_DAYS: i64 = 2_451_545;

impl Fields {
    /// What begins with a letter.
    pub(super) fn word<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        // "T10:00" and "T100000".
        if let [b't' | b'T', digit, ..] = text.as_bytes()
            && digit.is_ascii_digit()
            && self.date().is_some()
        {
            return Ok(text.get(1..).unwrap_or_default());
        }
        if let [b'j' | b'J', digit, ..] = text.as_bytes()
            && digit.is_ascii_digit()
        {
            return self.julian_day(text.get(1..).unwrap_or_default());
        }
        let (word, rest) = split_word(text);
        if let Some(month) = month_number(word) {
            if self.date.is_some() || self.month.replace(month).is_some() {
                return Err(Fault::Syntax);
            }
            return Ok(rest);
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "epoch" => self.set_special(Special::Epoch)?,
            "now" => self.set_special(Special::Now)?,
            "today" => self.set_special(Special::Today)?,
            "tomorrow" => self.set_special(Special::Tomorrow)?,
            "yesterday" => self.set_special(Special::Yesterday)?,
            "infinity" | "inf" => self.set_special(Special::Infinity)?,
            "allballs" => self.set_special(Special::AllBalls)?,
            "am" => self.pm = Some(false),
            "pm" => self.pm = Some(true),
            "ad" => {}
            "bc" => self.bc = true,
            "on" | "at" => {}
            "t" if self.date().is_some() => {}
            day if is_day_name(day) => {}
            _ => return self.zone_name(text),
        }
        Ok(rest)
    }

    /// The Julian day that digits count.
    fn julian_day<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        let (digits, rest) = split_digits(text);
        let days = number(digits).ok_or(Fault::Field)? - JULIAN_DAYS;
        self.set_day(days)?;
        Ok(rest)
    }

    /// Sets the date to the day with this number.
    pub(super) fn set_day(&mut self, days: i64) -> Result<(), Fault> {
        let Civil { year, month, day } = civil_from_days(days);
        if year <= 0 {
            self.bc = true;
        }
        self.set_date((if year <= 0 { 1 - year } else { year }, month, day))
    }

    fn zone_name<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        let end = text.bytes().position(|b| !in_name(b)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let has_moment = self.time.is_some() || self.date().is_some() || self.special.is_some();
        if !has_moment {
            return Err(Fault::Syntax);
        }
        if TimeZone::from_name(name).is_none()
            && let Some((zone, rest)) = posix_zone(text)
        {
            return match self.zone.replace(zone) {
                None => Ok(rest),
                Some(_) => Err(Fault::Syntax),
            };
        }
        let Some(zone) = TimeZone::from_name(name) else {
            return Err(if name.contains('/') {
                Fault::UnknownZone(name.to_lowercase())
            } else {
                Fault::Syntax
            });
        };
        if self.zone.replace(zone).is_some() {
            return Err(Fault::Syntax);
        }
        Ok(rest)
    }
}

/// `GMT+8`: a name that means nothing, and the offset, counted to the west.
fn posix_zone(text: &str) -> Option<(TimeZone, &str)> {
    let (name, offset) = split_word(text);
    if name.len() < 3 {
        return None;
    }
    let (seconds, rest) = read_offset(offset)?;
    let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    (ends && seconds.abs() < 16 * 3600).then_some((TimeZone::Fixed(-seconds), rest))
}

/// The month of that name.
pub(super) fn month_number(word: &str) -> Option<u8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = word.to_ascii_lowercase();
    let at = NAMES.iter().position(|name| {
        *name == lower || name.get(..3) == Some(&lower) || (lower == "sept" && *name == "september")
    })?;
    u8::try_from(at + 1).ok()
}

fn is_day_name(word: &str) -> bool {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    matches!(word, "tues" | "weds" | "thur" | "thurs")
        || NAMES
            .iter()
            .any(|name| *name == word || name.get(..3) == Some(word))
}
