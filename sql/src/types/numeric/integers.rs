//! Greatest common divisors, factorials and buckets.

use bigdecimal::num_bigint::BigInt;

use super::arithmetic::overflow;
use super::{Kind, Numeric};
use crate::error::{SqlError, SqlResult, state};

/// The greatest number whose factorial a numeric holds.
const MAX_FACTORIAL: i64 = 32_177;

impl Numeric {
    /// The greatest common divisor, shown with the larger scale.
    #[must_use]
    pub fn gcd(&self, other: &Numeric) -> Numeric {
        if !self.is_finite() || !other.is_finite() {
            return Numeric::NAN;
        }
        let (mut a, mut b) = (self.abs(), other.abs());
        let scale = a.scale().max(b.scale());
        while !b.is_zero() {
            let Ok(rest) = a.remainder(&b) else {
                break;
            };
            (a, b) = (b, rest);
        }
        a.rescale(scale)
    }

    /// The least common multiple, shown with the larger scale.
    ///
    /// # Errors
    /// 22003.
    pub fn lcm(&self, other: &Numeric) -> SqlResult<Numeric> {
        if !self.is_finite() || !other.is_finite() {
            return Ok(Numeric::NAN);
        }
        let scale = self.scale().max(other.scale());
        if self.is_zero() || other.is_zero() {
            return Ok(Numeric::from_i128(0, scale));
        }
        let parts = self.abs().whole_quotient(&self.gcd(other))?;
        Ok(parts.multiply(&other.abs())?.rescale(scale))
    }

    /// `n!`.
    ///
    /// # Errors
    /// 22003 below zero and above 32,177.
    pub fn factorial(n: i64) -> SqlResult<Numeric> {
        if n < 0 {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                "factorial of a negative number is undefined",
            ));
        }
        if n > MAX_FACTORIAL {
            return Err(overflow());
        }
        Ok(Numeric::from_bigint(product(1, n), 0))
    }

    /// The number of the bucket a value is in, of `count` equal ones between
    /// two bounds: 0 before the first, `count + 1` after the last.
    ///
    /// # Errors
    /// 2201G, 22003.
    pub fn width_bucket(&self, low: &Numeric, high: &Numeric, count: i32) -> SqlResult<i32> {
        let refuse = |message: &'static str| {
            Err(SqlError::new(
                state::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
                message,
            ))
        };
        if count <= 0 {
            return refuse("count must be greater than zero");
        }
        let nan = |n: &Numeric| n.kind() == Kind::NaN;
        if nan(self) || nan(low) || nan(high) {
            return refuse("operand, lower bound, and upper bound cannot be NaN");
        }
        if !low.is_finite() || !high.is_finite() {
            return refuse("lower and upper bounds must be finite");
        }
        let (start, end, value) = match low.cmp(high) {
            std::cmp::Ordering::Equal => return refuse("lower bound cannot equal upper bound"),
            std::cmp::Ordering::Less => (low.clone(), high.clone(), self.clone()),
            // Downwards it is the same with every sign changed.
            std::cmp::Ordering::Greater => (low.negate(), high.negate(), self.negate()),
        };
        if value < start {
            return Ok(0);
        }
        if value >= end {
            return count.checked_add(1).ok_or_else(|| {
                SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")
            });
        }
        let inside = value
            .subtract(&start)?
            .multiply(&Numeric::from(i64::from(count)))?;
        let bucket = inside.whole_quotient(&end.subtract(&start)?)?;
        let bucket = bucket.as_i128().map_or(0, |(n, _)| n);
        i32::try_from(bucket + 1).map_err(|_| overflow())
    }
}

/// The product of the integers from `low` to `high`, halves first so that
/// large numbers are multiplied rarely.
fn product(low: i64, high: i64) -> BigInt {
    if high - low < 16 {
        return (low..=high).map(BigInt::from).product();
    }
    let middle = low + (high - low) / 2;
    product(low, middle) * product(middle + 1, high)
}
