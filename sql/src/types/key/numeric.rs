//! Numerics: class, exponent, pairs of digits.

use bigdecimal::num_bigint::BigInt;

use super::{corrupt, take};
use crate::error::SqlResult;
use crate::types::numeric::{Kind, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric};

pub(super) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
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
    let digits = value.digits();
    // At most 131,072 + 16,383 digits, so neither cast nor sum overflows.
    let exponent = digits.len() as i32 - i32::from(value.scale());
    out.extend_from_slice(&(exponent ^ i32::MIN).to_be_bytes());
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let tens = pair.first().map_or(0, |d| d - b'0');
        let ones = pair.get(1).map_or(0, |d| d - b'0');
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
    if class == 1
        && let Some(body) = out.get_mut(start..)
    {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
}

pub(super) fn decode_numeric(bytes: &mut &[u8]) -> SqlResult<Numeric> {
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
    let mut digits = Vec::new();
    loop {
        let [byte] = take::<1>(bytes)?;
        match byte ^ flip {
            0 => break,
            pair @ 1..=100 => {
                digits.push((pair - 1) / 10 + b'0');
                digits.push((pair - 1) % 10 + b'0');
            }
            _ => return Err(corrupt()),
        }
        if digits.len() > MAX_INTEGER_DIGITS + usize::from(MAX_SCALE) + 2 {
            return Err(corrupt());
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
    let signed = if class == 1 { -magnitude } else { magnitude };
    Ok(Numeric::from_bigint(signed, scale))
}
