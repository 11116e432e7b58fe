//! `to_char` of numbers: the digits that go into the template.

use super::super::args::{at, mismatch, str_at};
use super::super::overload::Call;
use super::roman::roman;
use super::template::Template;
use super::writer::write;
use crate::error::SqlResult;
use crate::types::{Datum, Numeric};

/// Digits that a double certainly has.
const DOUBLE_DIGITS: usize = 15;
/// Digits that a real certainly has.
const REAL_DIGITS: usize = 6;

pub(super) fn to_char(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut template = Template::read(str_at(args, 1))?;
    let template = &mut template;
    let text = match at(args, 0) {
        // A tie is rounded as that of a double is.
        Datum::Int4(n) if template.scientific => float_exponent(f64::from(*n), template.after),
        Datum::Int4(n) => of_whole(i64::from(*n), template)?,
        Datum::Int8(n) => of_whole(*n, template)?,
        Datum::Numeric(n) => of_numeric(n, template)?,
        Datum::Float4(f) => of_float(f64::from(*f), REAL_DIGITS, template)?,
        Datum::Float8(f) => of_float(*f, DOUBLE_DIGITS, template)?,
        _ => return Err(mismatch()),
    };
    Ok(Datum::Text(text))
}

/// `#` in every place of a scientific template.
fn no_exponent(template: &Template) -> String {
    let mut out = String::from(" ");
    out.push_str(&"#".repeat(template.before));
    out.push('.');
    out.push_str(&"#".repeat(template.after + 4));
    out
}

fn of_whole(value: i64, template: &mut Template) -> SqlResult<String> {
    if template.roman {
        return write(template, ' ', &roman(Some(value)), 0);
    }
    of_numeric(&Numeric::from(value), template)
}

fn of_numeric(value: &Numeric, template: &mut Template) -> SqlResult<String> {
    if template.roman {
        let whole = value.round(0)?.round_to_i64();
        return write(template, ' ', &roman(whole), 0);
    }
    if template.scientific {
        if !value.is_finite() {
            return Ok(no_exponent(template));
        }
        return scientific(value, template.after);
    }
    let mut value = value.clone();
    if template.shifted {
        let shift = i64::try_from(template.shift).unwrap_or(i64::MAX);
        let factor = Numeric::from(10).power(&Numeric::from(shift))?;
        value = value.multiply(&factor)?;
        template.before += template.shift;
    }
    let places = i32::try_from(template.after).unwrap_or(i32::MAX);
    let text = value.round(places)?.to_string();
    fill(template, &text)
}

fn of_float(value: f64, digits: usize, template: &mut Template) -> SqlResult<String> {
    if template.roman {
        let whole = value.round_ties_even();
        let whole = (whole.abs() < 1e9).then_some(whole as i64);
        return write(template, ' ', &roman(whole), 0);
    }
    if template.scientific {
        if !value.is_finite() {
            return Ok(no_exponent(template));
        }
        return Ok(float_exponent(value, template.after));
    }
    let mut value = value;
    if template.shifted {
        value *= 10f64.powi(i32::try_from(template.shift).unwrap_or(i32::MAX));
        template.before += template.shift;
    }
    let text = |places: usize| {
        if value.is_nan() {
            "NaN".to_owned()
        } else if value.is_infinite() {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}Infinity")
        } else {
            format!("{value:.places$}")
        }
    };
    let whole = text(0).trim_start_matches('-').len();
    // Digits that the type does not have are not shown.
    template.after = template.after.min(digits.saturating_sub(whole));
    let text = text(template.after);
    fill(template, &text)
}

/// Puts a number into the places of a template; `#` where there are too few.
fn fill(template: &Template, text: &str) -> SqlResult<String> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ('-', number),
        None => ('+', text),
    };
    let whole = number.find('.').unwrap_or(number.len());
    if whole <= template.before {
        return write(template, sign, number, template.before - whole);
    }
    let hidden = format!(
        "{}.{}",
        "#".repeat(template.before),
        "#".repeat(template.after)
    );
    write(template, sign, &hidden, 0)
}

/// A number with an exponent, and a blank where a sign would be.
fn scientific(value: &Numeric, places: usize) -> SqlResult<String> {
    let exponent = if value.is_zero() {
        0
    } else {
        let digits = i64::try_from(value.digit_count()).unwrap_or(i64::MAX);
        digits - 1 - i64::from(value.scale())
    };
    let scale = u16::try_from(places).unwrap_or(u16::MAX);
    let magnitude = Numeric::from(exponent.abs());
    let significand = if exponent < 0 {
        value.multiply(&Numeric::from(10).power(&magnitude)?)?
    } else {
        value.divide_to(&Numeric::from(10).power(&magnitude)?, scale)?
    };
    let sign = if value.is_negative() { "" } else { " " };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    Ok(format!(
        "{sign}{}e{exponent_sign}{:02}",
        significand.rescale(scale),
        exponent.abs()
    ))
}

fn float_exponent(value: f64, places: usize) -> String {
    let text = format!("{value:.places$e}");
    let (significand, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let blank = if significand.starts_with('-') {
        ""
    } else {
        " "
    };
    format!("{blank}{significand}e{sign}{digits:0>2}")
}
