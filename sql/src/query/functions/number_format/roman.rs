//! Roman numbers, and the endings of ordinal ones.

use crate::error::{SqlError, SqlResult, state};

/// Places that a Roman number takes.
pub(super) const WIDTH: usize = 15;

/// A number in Roman digits; `#` for what has none.
pub(super) fn roman(number: Option<i64>) -> String {
    const DIGITS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let Some(mut rest) = number.filter(|n| (1..=3999).contains(n)) else {
        return "#".repeat(WIDTH);
    };
    let mut out = String::new();
    for (value, digit) in DIGITS {
        while rest >= value {
            out.push_str(digit);
            rest -= value;
        }
    }
    out
}

/// What follows an ordinal number: "st", "nd", "rd" or "th".
///
/// # Errors
/// 22P02 for what does not end in a digit.
pub(in super::super) fn ordinal(number: &str, upper: bool) -> SqlResult<&'static str> {
    let mut last = number.bytes().rev();
    let ending = match (last.next(), last.next()) {
        (Some(digit), _) if !digit.is_ascii_digit() => return Err(no_number(number)),
        (None, _) => return Err(no_number(number)),
        (_, Some(b'1')) => ("th", "TH"),
        (Some(b'1'), _) => ("st", "ST"),
        (Some(b'2'), _) => ("nd", "ND"),
        (Some(b'3'), _) => ("rd", "RD"),
        _ => ("th", "TH"),
    };
    Ok(if upper { ending.1 } else { ending.0 })
}

fn no_number(text: &str) -> SqlError {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("\"{text}\" is not a number"),
    )
}
