//! Powers.

use bigdecimal::num_bigint::BigInt;

use super::arithmetic::{division_by_zero, from_parts, overflow, round_quotient, ten};
use super::estimate::{MAX_CHOSEN_SCALE, MIN_SIGNIFICANT, chosen_scale};
use super::fixed::bits_for;
use super::transcendental::{decimal_weight, exp_to, power_scale};
use super::{Kind, MAX_INTEGER_DIGITS, Numeric};
use crate::error::{SqlError, SqlResult, state};

/// Natural logarithms of results beyond this are out of range.
const NATURAL_LIMIT: f64 = 6020.0;

fn refused(message: &'static str) -> SqlError {
    SqlError::new(state::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

impl Numeric {
    /// Whether the value is a whole number.
    pub(super) fn is_whole(&self) -> bool {
        self.is_finite() && self.min_scale() == 0
    }

    fn is_odd(&self) -> bool {
        self.truncate(0).unscaled().unwrap_or_default().bit(0)
    }

    /// `self` to the power of `exponent`.
    ///
    /// # Errors
    /// 2201F where there is none, 22003 when it has too many digits.
    pub fn power(&self, exponent: &Numeric) -> SqlResult<Numeric> {
        if !self.is_finite() || !exponent.is_finite() {
            return self.special_power(exponent);
        }
        if self.is_zero() && exponent.is_negative() {
            return Err(refused("zero raised to a negative power is undefined"));
        }
        if self.is_negative() && !exponent.is_whole() {
            return Err(refused(
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        if exponent.is_whole()
            && let Some((n, _)) = exponent.truncate(0).as_i128()
            && let Ok(n) = i32::try_from(n)
        {
            return self.whole_power(n);
        }
        if self.is_zero() {
            return Ok(Numeric::from_i128(
                0,
                u16::try_from(MIN_SIGNIFICANT).unwrap_or(0),
            ));
        }
        let result = self.abs().real_power(exponent)?;
        Ok(if self.is_negative() && exponent.is_odd() {
            result.negate()
        } else {
            result
        })
    }

    /// Powers with NaN or an infinity in them.
    fn special_power(&self, exponent: &Numeric) -> SqlResult<Numeric> {
        let one = Numeric::from_i128(1, 0);
        if exponent.is_zero() || *self == one {
            return Ok(one);
        }
        if self.kind() == Kind::NaN || exponent.kind() == Kind::NaN {
            return Ok(Numeric::NAN);
        }
        if exponent.is_finite() {
            // The base is infinite.
            if self.is_negative() && !exponent.is_whole() {
                return Err(refused(
                    "a negative number raised to a non-integer power yields a complex result",
                ));
            }
            if exponent.is_negative() {
                return Ok(Numeric::ZERO);
            }
            return Ok(Numeric::infinite(self.is_negative() && exponent.is_odd()));
        }
        let grows = match self.abs().cmp(&one) {
            std::cmp::Ordering::Equal => return Ok(one),
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
        };
        if self.is_zero() && exponent.is_negative() {
            return Err(refused("zero raised to a negative power is undefined"));
        }
        Ok(if grows != exponent.is_negative() {
            Numeric::INFINITY
        } else {
            Numeric::ZERO
        })
    }

    /// A positive number to any power.
    fn real_power(&self, exponent: &Numeric) -> SqlResult<Numeric> {
        let rough_bits = bits_for(40);
        let rough = Numeric::from_bigint(
            super::fixed::to_decimal(&self.ln_fixed(rough_bits), 30, rough_bits),
            30,
        );
        let natural = rough.to_f64() * exponent.to_f64();
        if natural.abs() > NATURAL_LIMIT {
            if natural > 0.0 {
                return Err(overflow());
            }
            let scale = u16::try_from(MAX_CHOSEN_SCALE).unwrap_or(0);
            return Ok(Numeric::from_i128(0, scale));
        }
        let weight = decimal_weight(natural);
        let scale = power_scale(weight, self, exponent);
        let digits = u64::from(scale) + weight.max(0.0) as u64 + 8;
        // The logarithm is multiplied with the exponent, and its error too.
        let grown = u64::try_from(exponent.decimal_exponent().max(0)).unwrap_or(0);
        let bits = bits_for(digits + grown + 8);
        let product: BigInt = self.ln_fixed(bits) * exponent.unscaled().unwrap_or_default();
        let x = product / ten(u32::from(exponent.scale()));
        exp_to(&x, bits, scale)
    }

    /// A number to a whole power.
    fn whole_power(&self, n: i32) -> SqlResult<Numeric> {
        let weight = if self.is_zero() {
            0.0
        } else {
            let groups = self.base_digits().clamp(1, 4);
            let (digits, power) = self.approximate(groups);
            f64::from(n) * (digits.log10() + f64::from(power))
        };
        if weight > MAX_INTEGER_DIGITS as f64 {
            return Err(overflow());
        }
        let scale = chosen_scale(MIN_SIGNIFICANT, &[self]);
        if weight + 1.0 < -f64::from(scale) {
            return Ok(Numeric::from_i128(0, scale));
        }
        match n {
            0 => return Ok(Numeric::from_i128(1, 0).rescale(scale)),
            1 => return Ok(self.rescale(scale)),
            -1 => return Numeric::from_i128(1, 0).divide_to(self, scale),
            2 => return self.multiply(self).map(|square| square.rescale(scale)),
            _ => {}
        }
        if self.is_zero() {
            if n < 0 {
                return Err(division_by_zero());
            }
            return Ok(Numeric::from_i128(0, scale));
        }
        let digits = (weight.max(0.0) as u64) + u64::from(scale) + 24;
        let power = Rounded::of(self, digits).power(n.unsigned_abs());
        power.into_numeric(n < 0, scale)
    }
}

/// A decimal number of bounded length: `digits * 10^exponent`.
struct Rounded {
    digits: BigInt,
    exponent: i64,
    /// Digits that are kept.
    keep: u64,
}

impl Rounded {
    fn of(value: &Numeric, keep: u64) -> Self {
        Self {
            digits: value.unscaled().unwrap_or_default(),
            exponent: -i64::from(value.scale()),
            keep,
        }
        .shortened()
    }

    /// Drops digits beyond those that are kept.
    fn shortened(mut self) -> Self {
        // A little less than the digits there are: log10(2) is 0.30103.
        let have = self.digits.bits() * 30_102 / 100_000;
        if have > self.keep {
            let drop = u32::try_from(have - self.keep).unwrap_or(0);
            self.digits = round_quotient(&self.digits, &ten(drop));
            self.exponent += i64::from(drop);
        }
        self
    }

    fn times(&self, other: &Self) -> Self {
        Self {
            digits: &self.digits * &other.digits,
            exponent: self.exponent + other.exponent,
            keep: self.keep,
        }
        .shortened()
    }

    fn power(self, mut n: u32) -> Self {
        let mut result: Option<Self> = None;
        let mut square = self;
        loop {
            if n & 1 == 1 {
                result = Some(match result {
                    None => square.times(&Self {
                        digits: BigInt::from(1),
                        exponent: 0,
                        keep: square.keep,
                    }),
                    Some(result) => result.times(&square),
                });
            }
            n >>= 1;
            if n == 0 {
                return result.unwrap_or(square);
            }
            square = square.times(&square);
        }
    }

    /// The number, or its inverse, with `scale` digits after the point.
    fn into_numeric(self, inverse: bool, scale: u16) -> SqlResult<Numeric> {
        let unsigned = |n: i64| u32::try_from(n.unsigned_abs()).map_err(|_| overflow());
        if inverse {
            // 1 / (digits * 10^exponent)
            let shift = i64::from(scale) - self.exponent;
            let value = if shift >= 0 {
                round_quotient(&ten(unsigned(shift)?), &self.digits)
            } else {
                BigInt::ZERO
            };
            return Numeric::from_bigint(value, scale).checked();
        }
        let value = if self.exponent >= 0 {
            from_parts(self.digits * ten(unsigned(self.exponent)?), 0)
        } else {
            let own = unsigned(self.exponent)?;
            let target = u32::from(scale);
            if own > target {
                let rounded = round_quotient(&self.digits, &ten(own - target));
                Numeric::from_bigint(rounded, scale)
            } else {
                from_parts(self.digits, own)
            }
        };
        value.rescale(scale).checked()
    }
}
