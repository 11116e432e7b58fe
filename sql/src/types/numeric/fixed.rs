//! Logarithms and exponentials of binary fixed-point numbers of any precision.
//!
//! A number is an integer with `bits` binary digits after the point. Results are
//! right but for a few of the last bits; callers keep [`GUARD`] bits more than
//! they show.

use std::sync::Mutex;

use bigdecimal::num_bigint::BigInt;

use super::arithmetic::ten;

/// Bits beyond those that are shown.
pub(super) const GUARD: u64 = 64;
/// Bits of a decimal digit, rounded up, times 1000.
const BITS_PER_1000_DIGITS: u64 = 3322;

/// Bits for this many decimal digits.
pub(super) fn bits_for(digits: u64) -> u64 {
    digits * BITS_PER_1000_DIGITS / 1000 + GUARD
}

/// `unscaled * 10^-scale` in fixed point.
pub(super) fn from_decimal(unscaled: &BigInt, scale: u32, bits: u64) -> BigInt {
    (unscaled << bits) / ten(scale)
}

/// A fixed-point number as a decimal with `scale` digits after the point,
/// rounded half away from zero.
pub(super) fn to_decimal(value: &BigInt, scale: u32, bits: u64) -> BigInt {
    super::arithmetic::round_quotient(&(value * ten(scale)), &(BigInt::from(1) << bits))
}

/// The natural logarithm of 2, kept for the precision it was last asked in.
fn ln_2(bits: u64) -> BigInt {
    static KNOWN: Mutex<Option<(u64, BigInt)>> = Mutex::new(None);
    let mut known = KNOWN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((have, value)) = known.as_ref()
        && *have >= bits
    {
        return value >> (have - bits);
    }
    // ln 2 = 2 artanh(1/3)
    let one = BigInt::from(1) << bits;
    let value: BigInt = artanh(&(one / 3), bits) << 1u32;
    *known = Some((bits, value.clone()));
    value
}

/// `x + x^3/3 + x^5/5 + …` for `|x| <= 1/3`.
fn artanh(x: &BigInt, bits: u64) -> BigInt {
    let square: BigInt = (x * x) >> bits;
    let mut power = x.clone();
    let mut sum = x.clone();
    let mut n = 1u32;
    loop {
        power = (&power * &square) >> bits;
        n += 2;
        let term = &power / n;
        if term == BigInt::ZERO || term == BigInt::from(-1) {
            return sum;
        }
        sum += term;
    }
}

/// The natural logarithm of `numerator / denominator`, both above zero.
pub(super) fn ln(numerator: &BigInt, denominator: &BigInt, bits: u64) -> BigInt {
    let work = bits + 32;
    // numerator / denominator = 2^exponent * m with m in (1/2, 2).
    let exponent = i64::try_from(numerator.bits()).unwrap_or(i64::MAX)
        - i64::try_from(denominator.bits()).unwrap_or(i64::MAX);
    let shift = i64::try_from(work).unwrap_or(i64::MAX) - exponent;
    let mut m = if shift >= 0 {
        (numerator << shift.unsigned_abs()) / denominator
    } else {
        numerator / (denominator << shift.unsigned_abs())
    };
    let mut exponent = exponent;
    let one = BigInt::from(1) << work;
    // Bring m into [3/4, 3/2), where the series is quick.
    if &m * 2 >= &one * 3 {
        m >>= 1u32;
        exponent += 1;
    } else if &m * 4 < &one * 3 {
        m <<= 1u32;
        exponent -= 1;
    }
    let x = ((&m - &one) << work) / (&m + &one);
    let value: BigInt = (artanh(&x, work) << 1u32) + ln_2(work) * exponent;
    value >> 32u32
}

/// `e^x` as a mantissa of `bits` bits and a power of two: the value is
/// `mantissa * 2^(exponent - bits)`. `x` has `bits` bits after the point.
pub(super) fn exp(x: &BigInt, bits: u64) -> (BigInt, i64) {
    let work = bits + 64;
    let x: BigInt = x << 64u32;
    let ln_2 = ln_2(work);
    let mut exponent = &x / &ln_2;
    if x < BigInt::ZERO {
        exponent -= 1;
    }
    let mut rest = &x - &exponent * &ln_2;
    // e^rest = (e^(rest / 2^halvings))^(2^halvings)
    let halvings = 16u32;
    rest >>= halvings;
    let one = BigInt::from(1) << work;
    let (mut term, mut sum) = (one.clone(), one);
    let mut n = 1u32;
    loop {
        term = ((&term * &rest) >> work) / n;
        if term == BigInt::ZERO {
            break;
        }
        sum += &term;
        n += 1;
    }
    for _ in 0..halvings {
        sum = (&sum * &sum) >> work;
    }
    (sum >> 64u32, i64::try_from(exponent).unwrap_or(i64::MAX))
}
