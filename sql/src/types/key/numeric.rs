//! Numerics: class, exponent, pairs of digits.

use bigdecimal::num_bigint::BigInt;

use super::{corrupt, take};
use crate::error::SqlResult;
use crate::types::numeric::{Kind, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, power_i128};

/// Digits an `i128` certainly holds.
const SMALL_DIGITS: usize = 38;

/// Appends the key of a number: bytes in the order of the numbers, and no key is
/// the beginning of another.
pub(crate) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    let class = match value.kind() {
        Kind::NegInf => 0,
        Kind::PosInf => 4,
        Kind::NaN => 5,
        Kind::Finite if value.is_zero() => 2,
        Kind::Finite if value.is_negative() => 1,
        Kind::Finite => 3,
    };
    out.push(class);
    if class != 1 && class != 3 {
        return;
    }
    let start = out.len();
    if let Some((unscaled, scale)) = value.as_i128() {
        let mut text = itoa::Buffer::new();
        push_digits(text.format(unscaled.unsigned_abs()).as_bytes(), scale, out);
    } else {
        push_digits(value.digits().as_bytes(), value.scale(), out);
    }
    if class == 1
        && let Some(body) = out.get_mut(start..)
    {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn push_digits(mut digits: &[u8], scale: u16, out: &mut Vec<u8>) {
    // At most 131,072 + 16,383 digits, so neither cast nor sum overflows.
    let exponent = digits.len() as i32 - i32::from(scale);
    while let Some((b'0', rest)) = digits.split_last() {
        digits = rest;
    }
    out.extend_from_slice(&(exponent ^ i32::MIN).to_be_bytes());
    for pair in digits.chunks(2) {
        let tens = pair.first().map_or(0, |d| d - b'0');
        let ones = pair.get(1).map_or(0, |d| d - b'0');
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
}

/// Takes the key of a number off the front of `bytes`.
pub(crate) fn decode_numeric(bytes: &mut &[u8]) -> SqlResult<Numeric> {
    let [class] = take::<1>(bytes)?;
    let flip = match class {
        0 => return Ok(Numeric::NEG_INFINITY),
        1 => 255,
        2 => return Ok(Numeric::ZERO),
        3 => 0,
        4 => return Ok(Numeric::INFINITY),
        5 => return Ok(Numeric::NAN),
        _ => return Err(corrupt()),
    };
    let exponent = i32::from_be_bytes(take::<4>(bytes)?.map(|byte| byte ^ flip)) ^ i32::MIN;
    // Both stay in the key: no value has this byte as a pair.
    let end = bytes
        .iter()
        .position(|byte| *byte == flip)
        .ok_or_else(corrupt)?;
    let (pairs, rest) = bytes.split_at(end);
    *bytes = rest.get(1..).unwrap_or_default();
    let negative = class == 1;
    match small(pairs, flip, exponent, negative)? {
        Some(value) => Ok(value),
        None => large(pairs, flip, exponent, negative),
    }
}

/// A number that an `i128` holds.
fn small(pairs: &[u8], flip: u8, exponent: i32, negative: bool) -> SqlResult<Option<Numeric>> {
    if pairs.len() * 2 > SMALL_DIGITS {
        return Ok(None);
    }
    let mut unscaled = 0i128;
    for byte in pairs {
        let pair = byte ^ flip;
        if !(1..=100).contains(&pair) {
            return Err(corrupt());
        }
        unscaled = unscaled * 100 + i128::from(pair - 1);
    }
    // At most 38, so the cast does not overflow.
    let mut digits = (pairs.len() * 2) as i32;
    // The first pair of an odd count of digits begins with one, not with zero.
    if unscaled % 10 == 0 && !pairs.is_empty() {
        unscaled /= 10;
        digits -= 1;
    }
    let scale = i64::from(digits) - i64::from(exponent);
    let unscaled = if negative { -unscaled } else { unscaled };
    if let Ok(scale) = u16::try_from(scale) {
        if scale > MAX_SCALE {
            return Err(corrupt());
        }
        return Ok(Some(Numeric::from_i128(unscaled, scale)));
    }
    let grown = u16::try_from(-scale)
        .ok()
        .and_then(power_i128)
        .and_then(|factor| unscaled.checked_mul(factor));
    Ok(grown.map(|unscaled| Numeric::from_i128(unscaled, 0)))
}

fn large(pairs: &[u8], flip: u8, exponent: i32, negative: bool) -> SqlResult<Numeric> {
    if pairs.len() * 2 > MAX_INTEGER_DIGITS + usize::from(MAX_SCALE) + 2 {
        return Err(corrupt());
    }
    let mut digits = Vec::with_capacity(pairs.len() * 2);
    for byte in pairs {
        match byte ^ flip {
            pair @ 1..=100 => {
                digits.push((pair - 1) / 10 + b'0');
                digits.push((pair - 1) % 10 + b'0');
            }
            _ => return Err(corrupt()),
        }
    }
    if digits.last() == Some(&b'0') {
        digits.pop();
    }
    let count = i32::try_from(digits.len()).map_err(|_| corrupt())?;
    let scale = count.checked_sub(exponent).ok_or_else(corrupt)?;
    let padding = usize::try_from(-i64::from(scale)).unwrap_or(0);
    if padding > MAX_INTEGER_DIGITS {
        return Err(corrupt());
    }
    digits.resize(digits.len() + padding, b'0');
    let scale = u16::try_from(scale.max(0)).map_err(|_| corrupt())?;
    let magnitude = BigInt::parse_bytes(&digits, 10).ok_or_else(corrupt)?;
    if scale > MAX_SCALE {
        return Err(corrupt());
    }
    let signed = if negative { -magnitude } else { magnitude };
    Ok(Numeric::from_bigint(signed, scale))
}
