//! The text form of `numeric`.

use std::fmt;

use bigdecimal::num_bigint::BigInt;

use super::{Kind, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric};
use crate::error::{SqlError, SqlResult, state};

impl Numeric {
    /// Parses PostgreSQL's input syntax: blanks around, sign, digits with an
    /// optional point and exponent, `NaN`, `Infinity`, `inf`.
    pub fn parse(text: &str) -> SqlResult<Numeric> {
        let trimmed = text.trim_matches(is_space);
        parse_special(trimmed)
            .map_or_else(|| parse_number(trimmed), |special| Ok(Some(special)))?
            .ok_or_else(|| {
                SqlError::new(
                    state::INVALID_TEXT_REPRESENTATION,
                    format!("invalid input syntax for type numeric: \"{text}\""),
                )
            })
    }
}

/// What C's `isspace` accepts.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn parse_special(text: &str) -> Option<Numeric> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case("infinity") || rest.eq_ignore_ascii_case("inf") {
        return Some(if negative {
            Numeric::NEG_INFINITY
        } else {
            Numeric::INFINITY
        });
    }
    text.eq_ignore_ascii_case("nan").then_some(Numeric::NAN)
}

/// `Ok(None)` is a syntax error.
fn parse_number(text: &str) -> SqlResult<Option<Numeric>> {
    let bytes = text.as_bytes();
    let (negative, bytes) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    let (mantissa, exponent) = match bytes.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => {
            let (mantissa, rest) = bytes.split_at(at);
            match parse_exponent(rest.get(1..).unwrap_or_default()) {
                Some(exponent) => (mantissa, exponent),
                None => return Ok(None),
            }
        }
        None => (bytes, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
        Some(at) => (
            mantissa.get(..at).unwrap_or_default(),
            mantissa.get(at + 1..).unwrap_or_default(),
        ),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty()
        || !whole.iter().chain(fraction).all(u8::is_ascii_digit)
    {
        return Ok(None);
    }
    build(negative, whole, fraction, exponent).map(Some)
}

fn parse_exponent(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Beyond this every value overflows or is zero.
    let value = digits.iter().fold(0i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(1_000_000)
    });
    Some(if negative { -value } else { value })
}

fn build(negative: bool, whole: &[u8], fraction: &[u8], exponent: i64) -> SqlResult<Numeric> {
    let overflow = || {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            "value overflows numeric format",
        )
    };
    let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let scale = fraction_len.saturating_sub(exponent);
    let digits: Vec<u8> = whole
        .iter()
        .chain(fraction)
        .copied()
        .skip_while(|b| *b == b'0')
        .collect();
    if digits.is_empty() {
        let shown = u16::try_from(scale.clamp(0, i64::from(MAX_SCALE))).unwrap_or(MAX_SCALE);
        return Ok(Numeric::from_i128(0, shown));
    }
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let limit = i64::try_from(MAX_INTEGER_DIGITS).unwrap_or(i64::MAX);
    if length.saturating_sub(scale) > limit {
        return Err(overflow());
    }
    // Digits far behind the last one kept cannot matter: drop all but one
    // more than rounding needs, so that the work is bounded.
    let kept_scale = scale.min(i64::from(MAX_SCALE) + 1);
    let kept = length.saturating_sub(scale - kept_scale).max(0);
    let digits = digits
        .get(..usize::try_from(kept).unwrap_or(0))
        .unwrap_or_default();
    let zeros = usize::try_from(-kept_scale).unwrap_or(0);
    let scale = u16::try_from(kept_scale.max(0)).unwrap_or(MAX_SCALE + 1);
    let value = match small(digits, zeros) {
        Some(value) => Numeric::from_i128(if negative { -value } else { value }, scale),
        None => {
            let magnitude = BigInt::parse_bytes(digits, 10).ok_or_else(overflow)?;
            let magnitude = magnitude * BigInt::from(10).pow(u32::try_from(zeros).unwrap_or(0));
            let signed = if negative { -magnitude } else { magnitude };
            Numeric::from_bigint(signed, scale)
        }
    };
    Ok(if scale > MAX_SCALE {
        value.rescale(MAX_SCALE)
    } else {
        value
    })
}

fn small(digits: &[u8], zeros: usize) -> Option<i128> {
    if digits.len() + zeros > 38 {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    value.checked_mul(10i128.checked_pow(u32::try_from(zeros).ok()?)?)
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::NaN => return f.write_str("NaN"),
            Kind::PosInf => return f.write_str("Infinity"),
            Kind::NegInf => return f.write_str("-Infinity"),
            Kind::Finite => {}
        }
        if self.is_negative() {
            f.write_str("-")?;
        }
        let scale = usize::from(self.scale());
        let digits = self.digits();
        if scale == 0 {
            return f.write_str(&digits);
        }
        match digits.len().checked_sub(scale) {
            Some(0) | None => {
                f.write_str("0.")?;
                for _ in digits.len()..scale {
                    f.write_str("0")?;
                }
                f.write_str(&digits)
            }
            Some(point) => {
                let (whole, fraction) = digits.split_at(point);
                write!(f, "{whole}.{fraction}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    fn show(text: &str) -> String {
        Numeric::parse(text).unwrap().to_string()
    }

    // Expected values: `select '…'::numeric` on PostgreSQL 15.
    #[test]
    fn parses_and_prints_as_postgresql() {
        for (input, output) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.00", "0.00"),
            ("  12.50 ", "12.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.5e1", "15"),
            ("1.2345e2", "123.45"),
            ("1e-3", "0.001"),
            ("0e-5", "0.00000"),
            (
                "-12345678901234567890123456789012345678901234567890.5",
                "-12345678901234567890123456789012345678901234567890.5",
            ),
            ("nan", "NaN"),
            ("-inf", "-Infinity"),
            ("+Infinity", "Infinity"),
            ("1e-20000", &format!("0.{}", "0".repeat(16383))),
        ] {
            assert_eq!(show(input), output, "{input}");
        }
    }

    #[test]
    fn bad_input_has_postgresqls_error() {
        for text in [
            "", " ", ".", "1e", "1e+", "abc", "1 2", "--1", "0x10", "-nan", "1.2.3", "1_0",
        ] {
            let error = Numeric::parse(text).unwrap_err();
            assert_eq!(error.sqlstate(), "22P02", "{text}");
            assert_eq!(
                error.message(),
                format!("invalid input syntax for type numeric: \"{text}\"")
            );
        }
        let error = Numeric::parse("1e200000").unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.message()),
            ("22003", "value overflows numeric format")
        );
        assert!(Numeric::parse("1e999999999999999999999999").is_err());
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (input, scale, output) in [
            ("1.25", 1, "1.3"),
            ("-1.25", 1, "-1.3"),
            ("1.249", 1, "1.2"),
            ("99.95", 1, "100.0"),
            ("5e-39", 0, "0"),
            ("1.5", 3, "1.500"),
            (
                "123456789012345678901234567890123456789012.5",
                0,
                "123456789012345678901234567890123456789013",
            ),
            (
                "-123456789012345678901234567890123456789012.5",
                0,
                "-123456789012345678901234567890123456789013",
            ),
        ] {
            assert_eq!(
                Numeric::parse(input).unwrap().rescale(scale).to_string(),
                output
            );
        }
    }

    #[test]
    fn a_declared_precision_is_enforced() {
        let n = |text| Numeric::parse(text).unwrap();
        assert_eq!(
            n("99.994").with_modifier(4, 2).unwrap().to_string(),
            "99.99"
        );
        let error = n("99.995").with_modifier(4, 2).unwrap_err();
        assert_eq!(error.sqlstate(), "22003");
        assert_eq!(error.message(), "numeric field overflow");
        assert_eq!(
            error.get_detail(),
            Some(
                "A field with precision 4, scale 2 must round to an absolute value less than 10^2."
            )
        );
        assert_eq!(
            n("1").with_modifier(2, 2).unwrap_err().get_detail(),
            Some("A field with precision 2, scale 2 must round to an absolute value less than 1.")
        );
        assert!(n("inf").with_modifier(4, 2).unwrap_err().is("22003"));
    }

    proptest! {
        #[test]
        fn text_round_trips(unscaled in any::<i128>(), scale in 0u16..60, extra in "[0-9]{0,40}") {
            let value = Numeric::from_i128(unscaled, scale);
            let text = value.to_string();
            let back = Numeric::parse(&text).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(back.scale(), scale);
            prop_assert_eq!(back.to_string(), text);
            let long = format!("1{extra}.{extra}7");
            prop_assert_eq!(Numeric::parse(&long).unwrap().to_string(), long);
        }

        #[test]
        fn order_agrees_with_aligned_integers(a in any::<i64>(), b in any::<i64>(), s in 0u16..30, t in 0u16..30) {
            let (x, y) = (Numeric::from_i128(a.into(), s), Numeric::from_i128(b.into(), t));
            let scale = u32::from(s.max(t));
            let align = |v: i64, own: u16| BigInt::from(v) * BigInt::from(10).pow(scale - u32::from(own));
            prop_assert_eq!(x.cmp(&y), align(a, s).cmp(&align(b, t)));
            prop_assert_eq!(x.rescale(40), x);
        }
    }
}
