//! What follows a sign: an offset from UTC, or infinity.

use super::digits::{number, split_digits, split_word};
use super::{Fault, Fields, Special};
use crate::types::calendar::TimeZone;

impl Fields {
    /// What begins with `+` or `-`.
    pub(super) fn signed<'a>(&mut self, text: &'a str) -> Result<&'a str, Fault> {
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
        if self.month.is_some()
            && self.time.is_none()
            && self.numbers.len() < 2
            && text.starts_with('-')
        {
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
