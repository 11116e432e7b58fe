//! Text of `real` and `double precision`: the shortest digits that read back
//! as the same value, in PostgreSQL's layout.

use bytes::BufMut;
use std::io::Write;

/// Appends a `double precision`.
pub fn write_f64(value: f64, out: &mut impl BufMut) {
    let mut buffer = Scratch::new();
    let shortest = |buffer: &mut Scratch| write!(buffer, "{value:e}").is_ok();
    let longer = |buffer: &mut Scratch, digits| write!(buffer, "{value:.digits$e}").is_ok();
    let same = |text: &str| text.parse() == Ok(value.abs());
    // Below 2^48 neither a tie nor a boundary has few enough digits.
    let check = value.abs() >= 281_474_976_710_656.0;
    if let Some(text) = special(value.is_nan(), value.is_infinite(), value < 0.0) {
        out.put_slice(text);
        return;
    }
    digits(&mut buffer, check, shortest, longer, same);
    layout(&buffer, 15, out);
}

/// Appends a `real`.
pub fn write_f32(value: f32, out: &mut impl BufMut) {
    let mut buffer = Scratch::new();
    let shortest = |buffer: &mut Scratch| write!(buffer, "{value:e}").is_ok();
    let longer = |buffer: &mut Scratch, digits| write!(buffer, "{value:.digits$e}").is_ok();
    let same = |text: &str| text.parse() == Ok(value.abs());
    let check = value.abs() >= 262_144.0;
    if let Some(text) = special(value.is_nan(), value.is_infinite(), value < 0.0) {
        out.put_slice(text);
        return;
    }
    digits(&mut buffer, check, shortest, longer, same);
    layout(&buffer, 6, out);
}

/// Appends a `double precision` as `extra_float_digits` says: exactly when it is
/// greater than 0, else with so many digits more or less than 15.
pub fn write_f64_digits(value: f64, extra: i8, out: &mut impl BufMut) {
    match (
        extra,
        special(value.is_nan(), value.is_infinite(), value < 0.0),
    ) {
        (1.., _) | (_, Some(_)) => write_f64(value, out),
        (extra, None) => rounded(15, extra, out, |buffer, digits| {
            write!(buffer, "{value:.digits$e}").is_ok()
        }),
    }
}

/// Appends a `real` as `extra_float_digits` says; 6 digits is the middle.
pub fn write_f32_digits(value: f32, extra: i8, out: &mut impl BufMut) {
    match (
        extra,
        special(value.is_nan(), value.is_infinite(), value < 0.0),
    ) {
        (1.., _) | (_, Some(_)) => write_f32(value, out),
        (extra, None) => rounded(6, extra, out, |buffer, digits| {
            write!(buffer, "{value:.digits$e}").is_ok()
        }),
    }
}

/// Appends a value with a number of digits, without zeros at their end.
fn rounded(
    digits: i32,
    extra: i8,
    out: &mut impl BufMut,
    write: impl Fn(&mut Scratch, usize) -> bool,
) {
    let digits = (digits + i32::from(extra)).max(1);
    let mut buffer = Scratch::new();
    write(&mut buffer, usize::try_from(digits - 1).unwrap_or(0));
    let (mantissa, exponent) = buffer
        .text()
        .split_once('e')
        .unwrap_or((buffer.text(), "0"));
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let short = format!("{mantissa}e{exponent}");
    let mut buffer = Scratch::new();
    if buffer.write_all(short.as_bytes()).is_ok() {
        layout(&buffer, digits, out);
    }
}

fn special(nan: bool, infinite: bool, negative: bool) -> Option<&'static [u8]> {
    match (nan, infinite, negative) {
        (true, _, _) => Some(b"NaN"),
        (_, true, true) => Some(b"-Infinity"),
        (_, true, false) => Some(b"Infinity"),
        _ => None,
    }
}

/// Text in Rust's `{:e}` layout.
struct Scratch {
    bytes: [u8; 40],
    length: usize,
}

impl Scratch {
    fn new() -> Self {
        Scratch {
            bytes: [0; 40],
            length: 0,
        }
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Scratch {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let mut room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let written = room.write(buf)?;
        self.length += written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes the shortest digits, of several the nearest, of two as near the even
/// one (Rust takes the greater). PostgreSQL wants them strictly between the
/// boundaries to the neighbouring values, so that they read back under any
/// rounding; Rust accepts a boundary itself for an even mantissa. Such digits
/// are at a boundary exactly when a value a hair further away reads as the
/// neighbour; then more digits are needed.
fn digits(
    buffer: &mut Scratch,
    check: bool,
    shortest: impl Fn(&mut Scratch) -> bool,
    longer: impl Fn(&mut Scratch, usize) -> bool,
    same: impl Fn(&str) -> bool,
) {
    shortest(buffer);
    if !check {
        return;
    }
    let inside = |buffer: &Scratch| {
        let text = buffer.text().trim_start_matches('-');
        let Some((mantissa, exponent)) = text.split_once('e') else {
            return true;
        };
        let (mantissa, dot) = match mantissa.contains('.') {
            true => (mantissa.to_owned(), ""),
            false => (mantissa.to_owned(), "."),
        };
        let above = format!("{mantissa}{dot}000000000000000000000001e{exponent}");
        let below = format!(
            "{}{dot}999999999999999999999999e{exponent}",
            decremented(&mantissa)
        );
        same(&above) && same(&below)
    };
    let mantissa = buffer.text().split('e').next().unwrap_or_default();
    let mut precision = mantissa.bytes().filter(u8::is_ascii_digit).count();
    buffer.length = 0;
    longer(buffer, precision.saturating_sub(1));
    while !inside(buffer) && precision < 18 {
        buffer.length = 0;
        longer(buffer, precision);
        precision += 1;
    }
}

/// One less in the last place. The first digit of a mantissa is not 0, and its
/// last digit is not 0 either unless it is the only one.
fn decremented(mantissa: &str) -> String {
    let mut bytes = mantissa.as_bytes().to_vec();
    for byte in bytes.iter_mut().rev().filter(|byte| **byte != b'.') {
        if *byte > b'0' {
            *byte -= 1;
            break;
        }
        *byte = b'9';
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// From `-1.5e-7` to PostgreSQL's `-1.5e-07` or `-0.00000015`.
fn layout(buffer: &Scratch, digits_limit: i32, out: &mut impl BufMut) {
    let text = buffer.text();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if negative {
        out.put_u8(b'-');
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (first, rest) = mantissa.split_at(1.min(mantissa.len()));
    let rest = rest.trim_start_matches('.');
    if !(-4..digits_limit).contains(&exponent) {
        out.put_slice(mantissa.as_bytes());
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            out.put_u8(b'0');
        }
        out.put_slice(itoa::Buffer::new().format(magnitude).as_bytes());
    } else if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', usize::try_from(-exponent - 1).unwrap_or(0));
        out.put_slice(first.as_bytes());
        out.put_slice(rest.as_bytes());
    } else {
        let whole = usize::try_from(exponent).unwrap_or(0);
        out.put_slice(first.as_bytes());
        match rest.split_at_checked(whole) {
            Some((head, "")) => out.put_slice(head.as_bytes()),
            Some((head, tail)) => {
                out.put_slice(head.as_bytes());
                out.put_u8(b'.');
                out.put_slice(tail.as_bytes());
            }
            None => {
                out.put_slice(rest.as_bytes());
                out.put_bytes(b'0', whole - rest.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn single(value: f32) -> String {
        let mut out = Vec::new();
        write_f32(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    // Expected values: `select …::float8` and `::float4` on PostgreSQL 15.
    #[test]
    fn layout_is_postgresqls() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (1e23, "9.999999999999999e+22"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (8.41e21, "8.409999999999999e+21"),
            (9.536_743_164_062_5e-7, "9.5367431640625e-07"),
            (4_503_599_627_370_496.5, "4.503599627370496e+15"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (123.456, "123.456"),
        ] {
            assert_eq!(double(value), text);
        }
        for (value, text) in [
            (1_234_567.0f32, "1.234567e+06"),
            (100_000.0, "100000"),
            (1.175_494_4e-38, "1.1754944e-38"),
            (3.402_823_5e38, "3.4028235e+38"),
            (33_554_432.0, "3.3554432e+07"),
            (0.1, "0.1"),
            (16_777_216.0, "1.6777216e+07"),
            (2e-44, "2e-44"),
            (f32::NAN, "NaN"),
        ] {
            assert_eq!(single(value), text);
        }
    }

    proptest! {
        #[test]
        fn doubles_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn singles_read_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(single(value).parse::<f32>().unwrap().to_bits(), bits);
        }
    }
}
