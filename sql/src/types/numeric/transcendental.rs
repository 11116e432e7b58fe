//! Roots, logarithms and exponentials, with the scale PostgreSQL chooses: at
//! least 16 significant digits, and as many after the point as the argument
//! has. All digits that are shown are right.

use std::f64::consts::{LN_10, LOG10_E};

use bigdecimal::num_bigint::BigInt;

use super::arithmetic::{division_by_zero, overflow, ten};
use super::estimate::{MAX_CHOSEN_SCALE, MIN_SIGNIFICANT, chosen_scale};
use super::fixed::{self, bits_for};
use super::{Kind, Numeric};
use crate::error::{SqlError, SqlResult, state};

/// Exponents beyond this are out of range whatever the digits.
const EXPONENT_LIMIT: f64 = 6000.0;
/// Decimal weights beyond this are not looked at.
const WEIGHT_LIMIT: f64 = 2000.0;

fn no_logarithm(of: &str) -> SqlError {
    SqlError::new(
        state::INVALID_ARGUMENT_FOR_LOG,
        format!("cannot take logarithm of {of}"),
    )
}

impl Numeric {
    /// The square root.
    ///
    /// # Errors
    /// 2201F for a negative number.
    pub fn sqrt(&self) -> SqlResult<Numeric> {
        let refused = || {
            SqlError::new(
                state::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                "cannot take square root of a negative number",
            )
        };
        match self.kind() {
            Kind::NaN | Kind::PosInf => return Ok(self.clone()),
            _ if self.is_negative() => return Err(refused()),
            _ => {}
        }
        // Zero counts as a number of weight 0.
        let weight = self.leading().weight;
        let root_weight = (weight + 1) * 4 / 2 - 1;
        let scale = chosen_scale(MIN_SIGNIFICANT - root_weight, &[self]);
        Ok(self.sqrt_to(scale))
    }

    /// The square root of a number, with `scale` digits after the point.
    pub(crate) fn sqrt_to(&self, scale: u16) -> Numeric {
        // One digit more, cut off, says how to round: a root is never just half.
        let digits = 2 * (u32::from(scale) + 1);
        let own = u32::from(self.scale());
        let unscaled = self.unscaled().unwrap_or_default();
        let radicand = if digits >= own {
            unscaled * ten(digits - own)
        } else {
            unscaled / ten(own - digits)
        };
        Numeric::from_bigint(radicand.sqrt(), scale + 1).rescale(scale)
    }

    /// Position of the first digit of the natural logarithm, about.
    pub(super) fn ln_weight(&self) -> i32 {
        if self.is_zero() || self.is_negative() {
            return 0;
        }
        let close = *self >= Numeric::from_i128(9, 1) && *self <= Numeric::from_i128(11, 1);
        if close {
            let Ok(rest) = self.subtract(&Numeric::from_i128(1, 0)) else {
                return 0;
            };
            if rest.is_zero() {
                return 0;
            }
            return rest.decimal_exponent() - 1;
        }
        // Two digits of base 10,000 where there are two.
        let groups = self.base_digits().clamp(1, 2);
        let (digits, exponent) = self.approximate(groups);
        let ln = digits.ln() + f64::from(exponent) * LN_10;
        // Truncation towards zero is meant.
        ln.abs().log10() as i32
    }

    /// How many digits the number has in base 10,000, without zeros at the end.
    pub(super) fn base_digits(&self) -> i32 {
        let first = self.leading().weight;
        (first - self.lowest_digit().div_euclid(4) + 1).max(1)
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// 2201E for what has none.
    pub fn ln(&self) -> SqlResult<Numeric> {
        self.check_logarithm()?;
        match self.kind() {
            Kind::NaN | Kind::PosInf => return Ok(self.clone()),
            _ => {}
        }
        let scale = chosen_scale(MIN_SIGNIFICANT - self.ln_weight(), &[self]);
        let bits = bits_for(u64::from(scale));
        let value = self.ln_fixed(bits);
        let unscaled = fixed::to_decimal(&value, u32::from(scale), bits);
        Ok(Numeric::from_bigint(unscaled, scale))
    }

    pub(super) fn ln_fixed(&self, bits: u64) -> BigInt {
        let denominator = ten(u32::from(self.scale()));
        fixed::ln(&self.unscaled().unwrap_or_default(), &denominator, bits)
    }

    fn check_logarithm(&self) -> SqlResult<()> {
        match self.kind() {
            Kind::NaN => Ok(()),
            _ if self.is_negative() => Err(no_logarithm("a negative number")),
            _ if self.is_zero() => Err(no_logarithm("zero")),
            _ => Ok(()),
        }
    }

    /// The logarithm of `self` to a base.
    ///
    /// # Errors
    /// 2201E for what has none, 22012 for base 1.
    pub fn log(&self, base: &Numeric) -> SqlResult<Numeric> {
        if self.kind() == Kind::NaN || base.kind() == Kind::NaN {
            return Ok(Numeric::NAN);
        }
        base.check_logarithm()?;
        self.check_logarithm()?;
        match (base.kind(), self.kind()) {
            (Kind::PosInf, Kind::PosInf) => return Ok(Numeric::NAN),
            (Kind::PosInf, _) => return Ok(Numeric::ZERO),
            (_, Kind::PosInf) => return Ok(Numeric::INFINITY),
            _ => {}
        }
        let (own, other) = (self.ln_weight(), base.ln_weight());
        let scale = chosen_scale(MIN_SIGNIFICANT - (own - other), &[base, self]);
        // A logarithm near zero needs as many digits more as it has zeros.
        let extra = own.unsigned_abs() + other.unsigned_abs() * 2;
        let bits = bits_for(u64::from(scale) + u64::from(extra) + 16);
        let (n, d) = (self.ln_fixed(bits), base.ln_fixed(bits));
        if d == BigInt::ZERO {
            return Err(division_by_zero());
        }
        let unscaled = super::arithmetic::round_quotient(&(n * ten(u32::from(scale))), &d);
        Numeric::from_bigint(unscaled, scale).checked()
    }

    /// `e` to the power of `self`.
    ///
    /// # Errors
    /// 22003.
    pub fn exp(&self) -> SqlResult<Numeric> {
        match self.kind() {
            Kind::NaN | Kind::PosInf => return Ok(self.clone()),
            Kind::NegInf => return Ok(Numeric::ZERO),
            Kind::Finite => {}
        }
        let approximate = self.to_f64();
        let weight = (approximate * LOG10_E).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT);
        let scale = chosen_scale(MIN_SIGNIFICANT - weight as i32, &[self]);
        if approximate.abs() >= EXPONENT_LIMIT {
            if approximate > 0.0 {
                return Err(overflow());
            }
            return Ok(Numeric::from_i128(0, scale));
        }
        let digits = u64::from(scale) + (approximate.max(0.0) * LOG10_E) as u64 + 8;
        let bits = bits_for(digits);
        let x = fixed::from_decimal(
            &self.unscaled().unwrap_or_default(),
            u32::from(self.scale()),
            bits,
        );
        exp_to(&x, bits, scale)
    }
}

/// `e^x` of a fixed-point number with `scale` decimal digits after the point.
pub(super) fn exp_to(x: &BigInt, bits: u64, scale: u16) -> SqlResult<Numeric> {
    let (mantissa, exponent) = fixed::exp(x, bits);
    let shift = i64::try_from(bits).unwrap_or(i64::MAX) - exponent;
    let unscaled = match u64::try_from(shift) {
        Ok(shift) => fixed::to_decimal(&mantissa, u32::from(scale), shift),
        Err(_) => (mantissa << shift.unsigned_abs()) * ten(u32::from(scale)),
    };
    Numeric::from_bigint(unscaled, scale).checked()
}

/// The scale of a power whose result has about this decimal weight.
pub(super) fn power_scale(weight: f64, base: &Numeric, exponent: &Numeric) -> u16 {
    let weight = weight.clamp(-f64::from(MAX_CHOSEN_SCALE) * 4.0, f64::from(i32::MAX / 2));
    chosen_scale(
        MIN_SIGNIFICANT.saturating_sub(weight as i32),
        &[base, exponent],
    )
}

/// log10(e), for who estimates powers.
pub(super) fn decimal_weight(natural: f64) -> f64 {
    natural * LOG10_E
}
