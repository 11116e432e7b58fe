//! The time of day.

use super::Fault;
use super::digits::{number, split_digits};
use crate::types::interval::MICROS_PER_DAY;

/// Microseconds since midnight.
pub(super) fn clock(hour: i64, minute: i64, second: i64, micros: i64) -> Result<i64, Fault> {
    let total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    if hour > 24 || minute > 59 || second > 60 || total > MICROS_PER_DAY {
        return Err(Fault::Field);
    }
    Ok(total)
}

/// `H:M`, `H:M:S` or `H:M:S.f`.
pub(super) fn read_clock(text: &str) -> Result<(i64, &str), Fault> {
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
