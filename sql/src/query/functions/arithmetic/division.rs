//! Quotients of numerics, rounded and scaled as PostgreSQL does.

use bigdecimal::num_bigint::BigInt;

use super::decimal::power;
use super::{division_by_zero, out_of_range};
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, Numeric, PgType};

/// A quotient rounded half away from zero to `scale` digits.
pub(super) fn quotient(
    left: (&BigInt, i8),
    right: (&BigInt, i8),
    scale: u16,
) -> SqlResult<Numeric> {
    if *right.0 == BigInt::ZERO {
        return Err(division_by_zero());
    }
    // One digit more than asked for would not round right; the remainder does.
    let shift = i16::try_from(scale).unwrap_or(0) + i16::from(right.1) - i16::from(left.1);
    let (numerator, denominator) = if shift >= 0 {
        (left.0 * power(shift), right.0.clone())
    } else {
        (left.0.clone(), right.0 * power(-shift))
    };
    let (whole, rest) = (&numerator / &denominator, &numerator % &denominator);
    let twice = BigInt::from(rest.magnitude().clone()) * 2u8;
    let negative = (numerator < BigInt::ZERO) != (denominator < BigInt::ZERO);
    let rounded = if twice >= BigInt::from(denominator.magnitude().clone()) {
        if negative { whole - 1u8 } else { whole + 1u8 }
    } else {
        whole
    };
    Ok(Numeric::from_bigint(rounded, scale))
}

/// Divides two numerics to `scale` digits.
pub(in super::super) fn divide(left: &Numeric, right: &Numeric, scale: u16) -> SqlResult<Numeric> {
    let parts = |n: &Numeric| -> SqlResult<(BigInt, i8)> {
        let scale = i8::try_from(n.scale()).map_err(|_| out_of_range(PgType::Numeric(None)))?;
        n.unscaled()
            .map(|unscaled| (unscaled, scale))
            .ok_or_else(|| SqlError::unsupported("dividing NaN or infinite numeric values"))
    };
    let (l, r) = (parts(left)?, parts(right)?);
    quotient((&l.0, l.1), (&r.0, r.1), scale)
}

/// The quotient of two constants at exactly the scale PostgreSQL chooses for
/// them (`select_div_scale` in numeric.c); `None` when one is NULL or no number.
pub(in crate::query) fn divide_constants(left: &Datum, right: &Datum) -> SqlResult<Option<Datum>> {
    let (Datum::Numeric(a), Datum::Numeric(b)) = (left, right) else {
        return Ok(None);
    };
    if b.is_zero() || a.unscaled().is_none() || b.unscaled().is_none() {
        return Ok(None);
    }
    let scale = division_scale(a, b);
    if scale > 30 {
        return Ok(None);
    }
    divide(a, b, scale).map(|q| Some(Datum::Numeric(q)))
}

/// Digits after the point of a quotient: at least 16 significant ones.
fn division_scale(left: &Numeric, right: &Numeric) -> u16 {
    let (w1, f1) = leading(left);
    let (w2, f2) = leading(right);
    let mut weight = w1 - w2;
    if f1 <= f2 {
        weight -= 1;
    }
    let wanted = 16 - weight * 4;
    let least = i32::from(left.scale().max(right.scale()));
    u16::try_from(wanted.max(least).max(0)).unwrap_or(0)
}

/// Weight and value of the first digit in base 10,000.
fn leading(value: &Numeric) -> (i32, u32) {
    let digits = value.digits();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return (0, 0);
    }
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // Position of the first decimal digit: 0 = units.
    let first = count - i32::from(value.scale()) - 1;
    let weight = first.div_euclid(4);
    let take = usize::try_from(first.rem_euclid(4) + 1).unwrap_or(1);
    let mut head: String = digits.chars().take(take).collect();
    while head.len() < take {
        head.push('0');
    }
    (weight, head.parse().unwrap_or(0))
}
