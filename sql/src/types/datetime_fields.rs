//! Takes a date or time text apart: the fields, not yet checked against the
//! calendar.

use crate::error::{SqlError, state};
use crate::types::calendar::TimeZone;
use crate::types::interval::MICROS_PER_DAY;

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a date at all.
    Syntax,
    /// A field is out of range.
    Field,
    /// Month or day out of range: maybe in another order.
    MonthOrDay,
    /// The zone is too far from UTC.
    Zone,
    /// A word that could only be a zone, and is none.
    UnknownZone(String),
}

impl Fault {
    /// PostgreSQL's error for the fault.
    #[cold]
    pub(crate) fn error(self, text: &str, type_name: &str) -> SqlError {
        match self {
            Fault::Syntax => SqlError::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Fault::Field => SqlError::new(
                state::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            ),
            Fault::MonthOrDay => Fault::Field
                .error(text, type_name)
                .hint("Perhaps you need a different \"datestyle\" setting."),
            Fault::Zone => SqlError::new(
                state::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Fault::UnknownZone(name) => SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("time zone \"{name}\" not recognized"),
            ),
        }
    }
}

/// Words that are a whole date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Infinity,
    NegInfinity,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    AllBalls,
}

/// The fields of a text.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) special: Option<Special>,
    /// Microseconds since midnight.
    pub(crate) time: Option<i64>,
    pub(crate) zone: Option<TimeZone>,
    pub(crate) bc: bool,
    date: Option<(i64, u8, u8)>,
    /// Month given as a word, and the numbers beside it with their digits.
    month: Option<u8>,
    numbers: Vec<(i64, usize)>,
    pm: Option<bool>,
    time_only: bool,
}

impl Fields {
    /// Reads all fields of a text. With `time_only`, four or six digits are a
    /// time even when no date is before them.
    pub(crate) fn read(text: &str, time_only: bool) -> Result<Fields, Fault> {
        let mut fields = Fields {
            time_only,
            ..Fields::default()
        };
        let mut rest = text.trim();
        if rest.is_empty() || rest.len() > 128 {
            return Err(Fault::Syntax);
        }
        while let Some(first) = rest.as_bytes().first() {
            rest = match first {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => rest.get(1..).unwrap_or_default(),
                b'0'..=b'9' => fields.number(rest)?,
                b'+' | b'-' => fields.signed(rest)?,
                b'a'..=b'z' | b'A'..=b'Z' => fields.word(rest)?,
                _ => return Err(Fault::Syntax),
            };
        }
        fields.apply_half_day()?;
        Ok(fields)
    }

    /// Year (as written), month and day.
    pub(crate) fn date(&self) -> Option<(i64, u8, u8)> {
        if self.date.is_some() {
            return self.date;
        }
        let month = self.month?;
        let (&(a, a_digits), &(b, b_digits)) = match self.numbers.as_slice() {
            [a, b] => (a, b),
            _ => return None,
        };
        // The year is the number that cannot be a day; else it comes last.
        let (year, digits, day) = if a_digits > 2 {
            (a, a_digits, b)
        } else {
            (b, b_digits, a)
        };
        let year = if digits <= 2 && !self.bc {
            two_digit_year(year)
        } else {
            year
        };
        Some((year, month, u8::try_from(day).unwrap_or(u8::MAX)))
    }

    fn set_date(&mut self, date: (i64, u8, u8)) -> Result<(), Fault> {
        if self.date.is_some() || self.month.is_some() || self.special.is_some() {
            return Err(Fault::Syntax);
        }
        self.date = Some(date);
        Ok(())
    }

    fn set_time(&mut self, micros: i64) -> Result<(), Fault> {
        if self.time.replace(micros).is_some() {
            return Err(Fault::Syntax);
        }
        Ok(())
    }

    fn number<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        let (digits, rest) = split_digits(text);
        match rest.as_bytes() {
            [b':', ..] => {
                let (micros, rest) = read_clock(text)?;
                self.set_time(micros)?;
                Ok(rest)
            }
            [separator @ (b'-' | b'/' | b'.'), next, ..]
                if self.date.is_none() && self.month.is_none() && next.is_ascii_alphanumeric() =>
            {
                self.separated(text, *separator)
            }
            _ => {
                self.bare(digits)?;
                Ok(rest)
            }
        }
    }

    /// `2024-01-31`, `1/31/2024`, `31-Jan-2024`, `2024.01.31`.
    fn separated<'a>(&mut self, text: &'a str, separator: u8) -> Result<&'a str, Fault> {
        let end = text
            .bytes()
            .position(|b| b != separator && !b.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        let (mut whole, mut rest) = text.split_at(end);
        // "2024-01-31T10:00": the T begins the time.
        let last = whole.rfind(char::from(separator)).unwrap_or(0);
        let is_t = |c: char| c == 't' || c == 'T';
        if let Some(at) = whole.get(last..).and_then(|tail| tail.find(is_t)) {
            let at = last + at;
            let before_is_digit = at
                .checked_sub(1)
                .and_then(|before| whole.as_bytes().get(before))
                .is_some_and(u8::is_ascii_digit);
            if before_is_digit {
                (whole, rest) = text.split_at(at);
            }
        }
        // A zone may follow the day directly: "2024-01-31Z".
        let tail_letters = whole
            .bytes()
            .rev()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let split = whole.len() - tail_letters;
        if tail_letters > 0
            && whole
                .as_bytes()
                .get(split.wrapping_sub(1))
                .is_some_and(u8::is_ascii_digit)
        {
            (whole, rest) = text.split_at(split);
        }
        let mut parts = whole.split(char::from(separator));
        let (Some(a), Some(b), Some(c), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Syntax);
        };
        self.three_parts(a, b, c)?;
        Ok(rest)
    }

    fn three_parts(&mut self, a: &str, b: &str, c: &str) -> Result<(), Fault> {
        let small = |text: &str| match number(text) {
            Some(value) => Ok(u8::try_from(value).unwrap_or(u8::MAX)),
            None => Err(Fault::Syntax),
        };
        let year = |text: &str| match number(text) {
            Some(value) if text.len() <= 2 => Ok(two_digit_year(value)),
            Some(value) => Ok(value),
            None => Err(Fault::Syntax),
        };
        let date = if let Some(month) = month_number(b) {
            if a.len() > 2 {
                (year(a)?, month, small(c)?)
            } else {
                (year(c)?, month, small(a)?)
            }
        } else if a.len() > 2 {
            (year(a)?, small(b)?, small(c)?)
        } else {
            (year(c)?, small(a)?, small(b)?)
        };
        self.set_date(date)
    }

    fn bare(&mut self, digits: &str) -> Result<(), Fault> {
        let have_date = self.date.is_some() || self.numbers.len() >= 2 || self.time_only;
        let value = number(digits).ok_or(Fault::Field)?;
        let part = |from: usize, to: usize| digits.get(from..to).and_then(number).unwrap_or(0);
        let small = |value: i64| u8::try_from(value).unwrap_or(u8::MAX);
        match digits.len() {
            8 if !have_date && self.month.is_none() => {
                self.set_date((part(0, 4), small(part(4, 6)), small(part(6, 8))))
            }
            6 if !have_date && self.month.is_none() && self.numbers.is_empty() => self.set_date((
                two_digit_year(part(0, 2)),
                small(part(2, 4)),
                small(part(4, 6)),
            )),
            4 if have_date && self.time.is_none() => {
                self.set_time(clock(part(0, 2), part(2, 4), 0, 0)?)
            }
            6 if have_date && self.time.is_none() => {
                self.set_time(clock(part(0, 2), part(2, 4), part(4, 6), 0)?)
            }
            1 | 2 if have_date && self.time.is_none() => self.set_time(clock(value, 0, 0, 0)?),
            length if !have_date => {
                self.numbers.push((value, length));
                Ok(())
            }
            _ => Err(Fault::Syntax),
        }
    }

    fn signed<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        let rest = text.get(1..).unwrap_or_default();
        if rest.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
            let (word, after) = split_word(rest);
            if !word.eq_ignore_ascii_case("infinity") && !word.eq_ignore_ascii_case("inf") {
                return Err(Fault::Syntax);
            }
            let special = if text.starts_with('-') {
                Special::NegInfinity
            } else {
                Special::Infinity
            };
            self.set_special(special)?;
            return Ok(after);
        }
        // "Jan-08-1999": a separator between words and numbers.
        if self.month.is_some() && self.numbers.len() < 2 && text.starts_with('-') {
            return Ok(rest);
        }
        let (offset, after) = read_offset(text).ok_or(Fault::Syntax)?;
        let has_moment = self.time.is_some() || self.date().is_some() || self.special.is_some();
        // "UTC+3" would be a POSIX zone, which counts the other way round.
        if self.zone.is_some() || !has_moment {
            return Err(Fault::Syntax);
        }
        // Another date is not a zone.
        if after.starts_with('-') {
            return Err(Fault::Syntax);
        }
        if offset.abs() >= 16 * 3600 {
            return Err(Fault::Zone);
        }
        self.zone = Some(TimeZone::Fixed(offset));
        Ok(after)
    }

    fn set_special(&mut self, special: Special) -> Result<(), Fault> {
        if self.special.is_some() || self.date.is_some() || self.month.is_some() {
            return Err(Fault::Syntax);
        }
        if special == Special::AllBalls {
            self.set_time(0)?;
            self.zone = Some(TimeZone::Fixed(0));
        }
        self.special = Some(special);
        Ok(())
    }

    fn word<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        // "T10:00" and "T100000".
        if let [b't' | b'T', digit, ..] = text.as_bytes()
            && digit.is_ascii_digit()
            && self.date().is_some()
        {
            return Ok(text.get(1..).unwrap_or_default());
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

    fn zone_name<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        let end = text.bytes().position(|b| !in_name(b)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let has_moment = self.time.is_some() || self.date().is_some();
        if !has_moment {
            return Err(Fault::Syntax);
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

    fn apply_half_day(&mut self) -> Result<(), Fault> {
        let Some(pm) = self.pm else { return Ok(()) };
        let Some(time) = self.time else {
            return Err(Fault::Syntax);
        };
        const NOON: i64 = MICROS_PER_DAY / 2;
        const HOUR: i64 = MICROS_PER_DAY / 24;
        if time >= NOON + HOUR {
            return Err(Fault::Field);
        }
        self.time = Some(match (pm, time >= NOON) {
            (true, false) => time + NOON,
            (false, true) => time - NOON,
            _ => time,
        });
        Ok(())
    }
}

fn two_digit_year(year: i64) -> i64 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        other => other,
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_alphabetic())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Up to nine digits.
fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn clock(hour: i64, minute: i64, second: i64, micros: i64) -> Result<i64, Fault> {
    let total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    if hour > 24 || minute > 59 || second > 60 || total > MICROS_PER_DAY {
        return Err(Fault::Field);
    }
    Ok(total)
}

/// `H:M`, `H:M:S` or `H:M:S.f`.
fn read_clock(text: &str) -> Result<(i64, &str), Fault> {
    let (hour, rest) = split_digits(text);
    let (minute, rest) = split_digits(rest.strip_prefix(':').unwrap_or_default());
    let hour = number(hour).ok_or(Fault::Syntax)?;
    let minute = number(minute).ok_or(Fault::Syntax)?;
    let Some(after) = rest.strip_prefix(':') else {
        return Ok((clock(hour, minute, 0, 0)?, rest));
    };
    let (second, rest) = split_digits(after);
    let second = number(second).ok_or(Fault::Syntax)?;
    let (micros, rest) = match rest.strip_prefix('.') {
        Some(after) => {
            let (digits, rest) = split_digits(after);
            (fraction_micros(digits), rest)
        }
        None => (0, rest),
    };
    Ok((clock(hour, minute, second, micros)?, rest))
}

/// Digits behind the point as microseconds, rounded.
pub(crate) fn fraction_micros(digits: &str) -> i64 {
    if digits.len() > 6 {
        // Rounded as PostgreSQL does: in floating point, halves to even.
        let fraction: f64 = format!("0.{digits}").parse().unwrap_or(0.0);
        return (fraction * 1e6).round_ties_even() as i64;
    }
    let digits = digits.as_bytes();
    (0..6).fold(0, |micros, at| {
        micros * 10 + digits.get(at).map_or(0, |b| i64::from(b - b'0'))
    })
}

/// `+05`, `-0530`, `+05:30`, `-05:30:15`: seconds east of UTC and the rest.
pub(crate) fn read_offset(text: &str) -> Option<(i32, &str)> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => return None,
    };
    let (digits, mut rest) = split_digits(rest);
    let (mut hours, mut minutes, mut seconds) = match digits.len() {
        1 | 2 => (number(digits)?, 0, 0),
        3 | 4 => {
            let value = number(digits)?;
            (value / 100, value % 100, 0)
        }
        6 => {
            let value = number(digits)?;
            (value / 10_000, value / 100 % 100, value % 100)
        }
        _ => return None,
    };
    if digits.len() <= 2 {
        for part in [&mut minutes, &mut seconds] {
            let Some(after) = rest.strip_prefix(':') else {
                break;
            };
            let (digits, after) = split_digits(after);
            *part = number(digits)?;
            rest = after;
        }
    }
    if minutes > 59 || seconds > 59 {
        hours = 99;
    }
    let total = i32::try_from(hours * 3600 + minutes * 60 + seconds).ok()?;
    Some((if negative { -total } else { total }, rest))
}

fn month_number(word: &str) -> Option<u8> {
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
