//! Reads intervals: `1 year -2 mons 3 days 04:05:06.7`, `@ 1 hour ago`,
//! `1-2`, ISO 8601 (`P1Y2M3DT4H5M6S`).

use crate::error::{SqlError, SqlResult, state};
use crate::types::datetime_fields::fraction_micros;
use crate::types::interval::{Interval, MICROS_PER_DAY};

/// Reads an `interval` as the SQL standard has it: a minus sign before the first
/// field counts for all of them, when no other field has a sign.
pub fn parse_sql_standard(text: &str) -> SqlResult<Interval> {
    let mut fields = text.split_whitespace();
    let negative = fields.next().is_some_and(|first| first.starts_with('-'));
    let signs = fields.any(|field| field.starts_with(['-', '+']));
    parse(text, negative && !signs)
}

/// Reads an `interval`.
pub fn parse_interval(text: &str) -> SqlResult<Interval> {
    parse(text, false)
}

/// Reads an interval; fields without a sign are negative if asked for.
fn parse(text: &str, negative: bool) -> SqlResult<Interval> {
    let trimmed = text.trim();
    let syntax = || {
        SqlError::new(
            state::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        )
    };
    if trimmed.is_empty() || trimmed.len() > 256 {
        return Err(syntax());
    }
    let sum = match trimmed.strip_prefix(['P', 'p']) {
        Some(iso) => read_iso(iso),
        None => read_words(trimmed, negative),
    };
    match sum.and_then(Sum::finish) {
        Ok(interval) => Ok(interval),
        Err(Fault::Syntax) => Err(syntax()),
        Err(Fault::Overflow) => Err(SqlError::new(
            state::INTERVAL_FIELD_OVERFLOW,
            format!("interval field value out of range: \"{text}\""),
        )),
        Err(Fault::Months) => Err(SqlError::new(
            state::DATETIME_VALUE_OUT_OF_RANGE,
            "interval out of range",
        )),
    }
}

enum Fault {
    Syntax,
    Overflow,
    Months,
}

/// Fields summed up so far, wide enough not to overflow on the way.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i128,
    /// One bit for each unit seen.
    given: u16,
}

/// The bits of hours, minutes and seconds: what a clock time gives.
const CLOCK: u16 = 0b111;
/// The bits of years and months.
const YEAR_MONTH: u16 = 0b1100_0000;

impl Sum {
    fn finish(self) -> Result<Interval, Fault> {
        Ok(Interval {
            months: i32::try_from(self.months).map_err(|_| Fault::Months)?,
            days: i32::try_from(self.days).map_err(|_| Fault::Overflow)?,
            micros: i64::try_from(self.micros).map_err(|_| Fault::Overflow)?,
        })
    }

    /// Notes that a unit is given; each may be given once.
    fn mark(&mut self, unit: u16) -> Result<(), Fault> {
        if self.given & unit != 0 {
            return Err(Fault::Syntax);
        }
        self.given |= unit;
        Ok(())
    }

    fn negate(&mut self) {
        self.months = -self.months;
        self.days = -self.days;
        self.micros = -self.micros;
    }

    /// Adds `value` units. What a unit's fraction leaves goes to the next
    /// smaller field: years to months, months to days, days to microseconds.
    fn add(&mut self, value: &Number, unit: Unit) -> Result<(), Fault> {
        let overflow = || Fault::Overflow;
        match unit {
            Unit::Months(per) => {
                let whole = value.whole.checked_mul(per).ok_or_else(overflow)?;
                self.months = self.months.checked_add(whole).ok_or_else(overflow)?;
                if per >= 12 {
                    // Fractions of years are rounded to months.
                    self.months += (value.fraction * per as f64).round_ties_even() as i64;
                } else {
                    self.add_days(value.fraction * 30.0);
                }
            }
            Unit::Days(per) => {
                let whole = value.whole.checked_mul(per).ok_or_else(overflow)?;
                self.days = self.days.checked_add(whole).ok_or_else(overflow)?;
                self.add_days(value.fraction * per as f64);
            }
            Unit::Micros(per) => {
                self.micros += i128::from(value.whole) * i128::from(per);
                self.micros += whole_micros(value.fraction * per as f64);
            }
        }
        Ok(())
    }

    fn add_days(&mut self, days: f64) {
        self.days += days.trunc() as i64;
        self.micros += whole_micros(days.fract() * MICROS_PER_DAY as f64);
    }
}

/// Rounded to the nearest; a half goes towards zero.
fn whole_micros(micros: f64) -> i128 {
    let whole = micros.trunc();
    let rest = micros - whole;
    whole as i128 + i128::from(rest > 0.5) - i128::from(rest < -0.5)
}

#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

const SECOND: Unit = Unit::Micros(1_000_000);

/// A decimal number; every part carries the sign.
struct Number {
    whole: i64,
    fraction: f64,
}

fn unit(word: &str) -> Option<(Unit, u16)> {
    Some(match word.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" | "microsec" => {
            (Unit::Micros(1), 1 << 11)
        }
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" | "millisec" => {
            (Unit::Micros(1000), 1 << 10)
        }
        "s" | "sec" | "secs" | "second" | "seconds" => (SECOND, 1),
        "m" | "min" | "mins" | "minute" | "minutes" => (Unit::Micros(60_000_000), 1 << 1),
        "h" | "hr" | "hrs" | "hour" | "hours" => (Unit::Micros(3_600_000_000), 1 << 2),
        "d" | "day" | "days" => (Unit::Days(1), 1 << 4),
        "w" | "week" | "weeks" => (Unit::Days(7), 1 << 5),
        "mon" | "mons" | "month" | "months" => (Unit::Months(1), 1 << 6),
        "y" | "yr" | "yrs" | "year" | "years" => (Unit::Months(12), 1 << 7),
        "dec" | "decs" | "decade" | "decades" => (Unit::Months(120), 1 << 8),
        "c" | "cent" | "century" | "centuries" => (Unit::Months(1200), 1 << 9),
        "mil" | "mils" | "millennium" | "millennia" => (Unit::Months(12_000), 1 << 12),
        _ => return None,
    })
}

fn read_words(text: &str, negative: bool) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_start();
    let mut any = false;
    while !rest.is_empty() {
        if any && rest.eq_ignore_ascii_case("ago") {
            sum.negate();
            return Ok(sum);
        }
        rest = read_field(rest, negative, &mut sum)?.trim_start();
        any = true;
    }
    if any { Ok(sum) } else { Err(Fault::Syntax) }
}

/// One field: a clock time, `years-months`, or a number with its unit.
fn read_field<'a>(text: &'a str, negative: bool, sum: &mut Sum) -> Result<&'a str, Fault> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (negative, text),
    };
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    match body.as_bytes().get(digits) {
        Some(b':') if digits > 0 => {
            let (micros, rest) = read_clock(body)?;
            sum.mark(CLOCK)?;
            sum.micros += if negative { -micros } else { micros };
            return Ok(rest);
        }
        Some(b'-') if digits > 0 => {
            let (years, months) = body.split_at(digits);
            let (months, rest) = read_year_month(years, months.get(1..).unwrap_or_default())?;
            sum.mark(YEAR_MONTH)?;
            sum.months += if negative { -months } else { months };
            return Ok(rest);
        }
        _ => {}
    }
    let (value, rest) = read_number(body, negative)?;
    read_unit(&value, rest, sum)
}

/// The months of `years-months`, and the rest of the text.
fn read_year_month<'a>(years: &str, text: &'a str) -> Result<(i64, &'a str), Fault> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (months, rest) = text.split_at(end);
    let (years, months) = (integer(years)?, integer(months)?);
    if months > 11 {
        return Err(Fault::Overflow);
    }
    let total = years.checked_mul(12).ok_or(Fault::Overflow)? + months;
    Ok((total, rest))
}

/// The unit behind a number, if there is one.
fn read_unit<'a>(value: &Number, rest: &'a str, sum: &mut Sum) -> Result<&'a str, Fault> {
    let after = rest.trim_start();
    let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, behind) = after.split_at(letters);
    if word.is_empty() {
        // "1 2:03" is a day and a time; a bare number is seconds.
        let sign = after.strip_prefix(['-', '+']).unwrap_or(after);
        let digits = sign.bytes().take_while(u8::is_ascii_digit).count();
        let clock_follows = digits > 0 && sign.as_bytes().get(digits) == Some(&b':');
        if !clock_follows && !after.is_empty() {
            return Err(Fault::Syntax);
        }
        let (unit, bit) = if clock_follows {
            (Unit::Days(1), 1 << 4)
        } else {
            (SECOND, 1)
        };
        sum.mark(bit)?;
        sum.add(value, unit)?;
        return Ok(after);
    }
    if word.eq_ignore_ascii_case("ago") {
        sum.add(value, SECOND)?;
        return Ok(after);
    }
    let (unit, bit) = unit(word).ok_or(Fault::Syntax)?;
    sum.mark(bit)?;
    sum.add(value, unit)?;
    Ok(behind)
}

fn integer(digits: &str) -> Result<i64, Fault> {
    if digits.is_empty() {
        return Err(Fault::Syntax);
    }
    digits.parse().map_err(|_| Fault::Overflow)
}

/// `12`, `12.5`, `.5`; the sign was read before.
fn read_number(text: &str, negative: bool) -> Result<(Number, &str), Fault> {
    let whole_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at(whole_len);
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        (fraction, rest) = after.split_at(length);
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(Fault::Syntax);
    }
    let magnitude = if whole.is_empty() { 0 } else { integer(whole)? };
    let part: f64 = if fraction.is_empty() {
        0.0
    } else {
        format!("0.{fraction}").parse().map_err(|_| Fault::Syntax)?
    };
    let sign = if negative { -1 } else { 1 };
    let number = Number {
        whole: sign * magnitude,
        fraction: sign as f64 * part,
    };
    Ok((number, rest))
}

/// `H:M`, `H:M:S` or `H:M:S.f`; `M:S.f` when only seconds have a fraction.
fn read_clock(text: &str) -> Result<(i128, &str), Fault> {
    let mut parts = [0i64; 3];
    let mut count = 0;
    let mut rest = text;
    for part in &mut parts {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at(length);
        *part = integer(digits)?;
        count += 1;
        rest = after;
        match rest.strip_prefix(':') {
            Some(after) if count < 3 => rest = after,
            _ => break,
        }
    }
    let mut micros = 0;
    let mut fractional = false;
    if let Some(after) = rest.strip_prefix('.') {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = after.split_at(length);
        (micros, rest, fractional) = (fraction_micros(digits), after, true);
    }
    let [mut hours, mut minutes, mut seconds] = parts;
    if count == 2 && fractional {
        (hours, minutes, seconds) = (0, hours, minutes);
    }
    if minutes > 59 || seconds > 60 {
        return Err(Fault::Overflow);
    }
    let total = (i128::from(hours) * 60 + i128::from(minutes)) * 60 + i128::from(seconds);
    Ok((total * 1_000_000 + i128::from(micros), rest))
}

/// What follows the `P`.
fn read_iso(text: &str) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let (mut rest, mut in_time, mut any) = (text, false, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['T', 't']) {
            if in_time {
                return Err(Fault::Syntax);
            }
            (rest, in_time, any) = (after, true, true);
            continue;
        }
        let (negative, body) = match rest.as_bytes().first() {
            Some(b'-') => (true, rest.get(1..).unwrap_or_default()),
            Some(b'+') => (false, rest.get(1..).unwrap_or_default()),
            _ => (false, rest),
        };
        let (value, after) = read_number(body, negative)?;
        let unit = match (after.as_bytes().first(), in_time) {
            (Some(b'Y' | b'y'), false) => Unit::Months(12),
            (Some(b'M' | b'm'), false) => Unit::Months(1),
            (Some(b'W' | b'w'), false) => Unit::Days(7),
            (Some(b'D' | b'd'), false) => Unit::Days(1),
            (Some(b'H' | b'h'), true) => Unit::Micros(3_600_000_000),
            (Some(b'M' | b'm'), true) => Unit::Micros(60_000_000),
            (Some(b'S' | b's'), true) => SECOND,
            _ => return Err(Fault::Syntax),
        };
        sum.add(&value, unit)?;
        rest = after.get(1..).unwrap_or_default();
        any = true;
    }
    if any { Ok(sum) } else { Err(Fault::Syntax) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::types::datetime_out::write_interval;
    use crate::types::styles::IntervalStyle;
    use proptest::prelude::*;

    fn show(interval: &Interval) -> String {
        let mut out = Vec::new();
        write_interval(interval, IntervalStyle::Postgres, &mut out);
        String::from_utf8(out).unwrap()
    }

    // Expected values: `select '…'::interval` on PostgreSQL 15.
    #[test]
    fn reads_and_shows_as_postgresql() {
        for (input, output) in INTERVALS {
            match parse_interval(input) {
                Ok(interval) => assert_eq!(show(&interval), *output, "{input}"),
                Err(error) => assert_eq!(error.message(), *output, "{input}"),
            }
        }
    }

    const INTERVALS: &[(&str, &str)] = include!("testdata/intervals.txt");

    proptest! {
        #[test]
        fn text_round_trips(months in any::<i32>(), days in any::<i32>(), micros in any::<i64>()) {
            let interval = Interval { months, days, micros };
            let back = parse_interval(&show(&interval)).unwrap();
            prop_assert!(back.identical(&interval), "{:?} {:?}", back, interval);
        }

        #[test]
        fn any_text_reads_or_fails(text in "[-+P@T0-9.: a-z]{0,20}") {
            if let Err(error) = parse_interval(&text) {
                prop_assert!(["22007", "22008", "22015"].contains(&error.sqlstate()));
            }
        }
    }
}
