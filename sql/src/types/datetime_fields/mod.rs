//! Takes a date or time text apart: the fields, not yet checked against the
//! calendar.

mod clock;
mod digits;
mod fault;
mod offset;
mod separated;
mod word;

use crate::types::calendar::TimeZone;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::styles::DateOrder;

use clock::{clock, read_clock};
use digits::{number, split_digits, two_digit_year};

pub(crate) use clock::fraction_micros;
pub(crate) use fault::Fault;
pub(crate) use offset::read_offset;

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
    order: DateOrder,
}

impl Fields {
    /// Reads all fields of a text. With `time_only`, four or six digits are a
    /// time even when no date is before them.
    pub(crate) fn read(text: &str, time_only: bool, order: DateOrder) -> Result<Fields, Fault> {
        let mut fields = Fields {
            time_only,
            order,
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
        let Some(month) = self.month else {
            return self.three_numbers();
        };
        let (&(a, a_digits), &(b, b_digits)) = match self.numbers.as_slice() {
            [a, b] => (a, b),
            _ => return None,
        };
        // The year is the number that cannot be a day; else the order tells.
        let year_first = self.order == DateOrder::Ymd && b_digits <= 2;
        let (year, digits, day) = if a_digits > 2 || year_first {
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

    /// A date of three numbers with blanks between them.
    fn three_numbers(&self) -> Option<(i64, u8, u8)> {
        let [a, b, c] = self.numbers.as_slice() else {
            return None;
        };
        let small = |(value, _): (i64, usize)| u8::try_from(value).unwrap_or(u8::MAX);
        let year = |(value, digits): (i64, usize)| {
            if digits <= 2 && !self.bc {
                two_digit_year(value)
            } else {
                value
            }
        };
        Some(match self.order {
            _ if a.1 > 2 => (year(*a), small(*b), small(*c)),
            DateOrder::Ymd => (year(*a), small(*b), small(*c)),
            DateOrder::Dmy => (year(*c), small(*b), small(*a)),
            DateOrder::Mdy => (year(*c), small(*a), small(*b)),
        })
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

    fn bare(&mut self, digits: &str) -> Result<(), Fault> {
        // Without the name of a month a date has three numbers.
        let enough = if self.month.is_some() { 2 } else { 3 };
        let have_date = self.date.is_some() || self.numbers.len() >= enough || self.time_only;
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
}
