//! Dates with a separator between year, month and day.

use super::digits::{number, two_digit_year};
use super::word::month_number;
use super::{Fault, Fields};
use crate::types::calendar::{Civil, days_from_civil};
use crate::types::styles::DateOrder;

impl Fields {
    /// `2024-01-31`, `1/31/2024`, `31-Jan-2024`, `2024.01.31`.
    pub(super) fn separated<'a>(&mut self, text: &'a str, separator: u8) -> Result<&'a str, Fault> {
        let (whole, rest) = text.split_at(date_length(text, separator));
        if let Some((year, day)) = whole.split_once('.')
            && year.len() > 2
            && day.len() == 3
        {
            self.day_of_year(year, day)?;
            return Ok(rest);
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

    /// `1999.008`: a year and the number of a day of it.
    fn day_of_year(&mut self, year: &str, day: &str) -> Result<(), Fault> {
        let year = number(year).ok_or(Fault::Syntax)?;
        let day = number(day).ok_or(Fault::Syntax)?;
        if !(1..=366).contains(&day) {
            return Err(Fault::Syntax);
        }
        let first = days_from_civil(Civil {
            year,
            month: 1,
            day: 1,
        });
        self.set_day(first + day - 1)
    }

    /// Which part is the year, the month and the day.
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
            let year_first = self.order == DateOrder::Ymd && c.len() <= 2;
            if a.len() > 2 || year_first {
                (year(a)?, month, small(c)?)
            } else {
                (year(c)?, month, small(a)?)
            }
        } else if a.len() > 2 || self.order == DateOrder::Ymd {
            (year(a)?, small(b)?, small(c)?)
        } else if self.order == DateOrder::Dmy {
            (year(c)?, small(b)?, small(a)?)
        } else {
            (year(c)?, small(a)?, small(b)?)
        };
        self.set_date(date)
    }
}

/// How much of the text is the date: letters may follow its day directly.
fn date_length(text: &str, separator: u8) -> usize {
    let end = text
        .bytes()
        .position(|b| b != separator && !b.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let mut whole = text.get(..end).unwrap_or_default();
    let after_digit = |whole: &str, at: usize| {
        at.checked_sub(1)
            .and_then(|before| whole.as_bytes().get(before))
            .is_some_and(u8::is_ascii_digit)
    };
    // "2024-01-31T10:00": the T begins the time.
    let last = whole.rfind(char::from(separator)).unwrap_or(0);
    let is_t = |c: char| c == 't' || c == 'T';
    if let Some(at) = whole.get(last..).and_then(|tail| tail.find(is_t))
        && after_digit(whole, last + at)
    {
        whole = whole.get(..last + at).unwrap_or_default();
    }
    // A zone may follow the day directly: "2024-01-31Z".
    let letters = whole
        .bytes()
        .rev()
        .take_while(u8::is_ascii_alphabetic)
        .count();
    let day_end = whole.len() - letters;
    if letters > 0 && after_digit(whole, day_end) {
        return day_end;
    }
    whole.len()
}
