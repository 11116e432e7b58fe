//! Sums, products and quotients with PostgreSQL's scales, and what they are
//! for NaN and the infinities.

use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, Sign};

use super::estimate::quotient_scale;
use super::{Kind, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, power_i128};
use crate::error::{SqlError, SqlResult, state};

/// 22003: more digits before the point than a numeric can have.
pub(crate) fn overflow() -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        "value overflows numeric format",
    )
}

/// 22012.
pub(crate) fn division_by_zero() -> SqlError {
    SqlError::new(state::DIVISION_BY_ZERO, "division by zero")
}

/// Ten to the power of `exponent`.
pub(super) fn ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

impl Numeric {
    /// An infinity.
    pub(super) fn infinite(negative: bool) -> Numeric {
        if negative {
            Numeric::NEG_INFINITY
        } else {
            Numeric::INFINITY
        }
    }

    /// Whether the value is an ordinary number.
    pub fn is_finite(&self) -> bool {
        self.kind() == Kind::Finite
    }

    /// The value if it has no more digits than a numeric can have.
    pub(super) fn checked(self) -> SqlResult<Numeric> {
        let most = i32::try_from(MAX_INTEGER_DIGITS).unwrap_or(i32::MAX);
        // Few enough digits cannot be too many before the point.
        if matches!(self.0, super::Repr::Small { .. }) || self.decimal_exponent() <= most {
            return Ok(self);
        }
        Err(overflow())
    }

    /// Unscaled values of both at the larger of their scales.
    fn aligned(&self, other: &Numeric) -> (BigInt, BigInt, u16) {
        let scale = self.scale().max(other.scale());
        let at = |n: &Numeric| n.unscaled().unwrap_or_default() * ten(u32::from(scale - n.scale()));
        (at(self), at(other), scale)
    }

    /// `-self`.
    #[must_use]
    pub fn negate(&self) -> Numeric {
        match self.kind() {
            Kind::NaN => Numeric::NAN,
            Kind::PosInf => Numeric::NEG_INFINITY,
            Kind::NegInf => Numeric::INFINITY,
            Kind::Finite => match self.as_i128() {
                Some((unscaled, scale)) if unscaled != i128::MIN => {
                    Numeric::from_i128(-unscaled, scale)
                }
                _ => Numeric::from_bigint(-self.unscaled().unwrap_or_default(), self.scale()),
            },
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(&self) -> Numeric {
        if self.is_negative() {
            self.negate()
        } else {
            self.clone()
        }
    }

    /// -1, 0 or 1; NaN for NaN.
    #[must_use]
    pub fn sign(&self) -> Numeric {
        match self.kind() {
            Kind::NaN => Numeric::NAN,
            _ if self.is_zero() => Numeric::ZERO,
            _ if self.is_negative() => Numeric::from_i128(-1, 0),
            _ => Numeric::from_i128(1, 0),
        }
    }

    /// `self + other`. 22003 when it has too many digits.
    pub fn add(&self, other: &Numeric) -> SqlResult<Numeric> {
        if let (Some((a, s)), Some((b, t))) = (self.as_i128(), other.as_i128()) {
            let scale = s.max(t);
            let at = |value: i128, own: u16| value.checked_mul(power_i128(scale - own)?);
            if let Some(sum) = at(a, s).zip(at(b, t)).and_then(|(a, b)| a.checked_add(b)) {
                return Ok(Numeric::from_i128(sum, scale));
            }
        }
        match (self.kind(), other.kind()) {
            (Kind::Finite, Kind::Finite) => {
                let (a, b, scale) = self.aligned(other);
                Numeric::from_bigint(a + b, scale).checked()
            }
            (Kind::NaN, _) | (_, Kind::NaN) => Ok(Numeric::NAN),
            (Kind::Finite, _) => Ok(other.clone()),
            (_, Kind::Finite) => Ok(self.clone()),
            (a, b) if a == b => Ok(self.clone()),
            _ => Ok(Numeric::NAN),
        }
    }

    /// `self - other`. 22003 when it has too many digits.
    pub fn subtract(&self, other: &Numeric) -> SqlResult<Numeric> {
        self.add(&other.negate())
    }

    /// `self * other`. 22003 when it has too many digits.
    pub fn multiply(&self, other: &Numeric) -> SqlResult<Numeric> {
        match (self.kind(), other.kind()) {
            (Kind::Finite, Kind::Finite) => {}
            (Kind::NaN, _) | (_, Kind::NaN) => return Ok(Numeric::NAN),
            _ if self.is_zero() || other.is_zero() => return Ok(Numeric::NAN),
            _ => return Ok(Numeric::infinite(self.is_negative() != other.is_negative())),
        }
        if let (Some((a, s)), Some((b, t))) = (self.as_i128(), other.as_i128())
            && let (Some(product), Some(scale)) = (a.checked_mul(b), s.checked_add(t))
            && scale <= MAX_SCALE
        {
            return Ok(Numeric::from_i128(product, scale));
        }
        let product = self.unscaled().unwrap_or_default() * other.unscaled().unwrap_or_default();
        let scale = u32::from(self.scale()) + u32::from(other.scale());
        from_parts(product, scale).checked()
    }

    /// `self / other` with as many digits as PostgreSQL gives it.
    ///
    /// # Errors
    /// 22012, 22003.
    pub fn divide(&self, other: &Numeric) -> SqlResult<Numeric> {
        match self.divide_special(other)? {
            Some(result) => Ok(result),
            None => self.divide_to(other, quotient_scale(self, other)),
        }
    }

    /// A quotient with NaN or an infinity in it, and what cannot be divided.
    fn divide_special(&self, other: &Numeric) -> SqlResult<Option<Numeric>> {
        Ok(match (self.kind(), other.kind()) {
            (Kind::NaN, _) | (_, Kind::NaN) => Some(Numeric::NAN),
            _ if other.is_zero() => return Err(division_by_zero()),
            (Kind::Finite, Kind::Finite) => None,
            (Kind::Finite, _) => Some(Numeric::ZERO),
            (_, Kind::Finite) => Some(Numeric::infinite(self.is_negative() != other.is_negative())),
            _ => Some(Numeric::NAN),
        })
    }

    /// A quotient of numbers, rounded half away from zero to `scale` digits.
    ///
    /// # Errors
    /// 22012, 22003.
    pub(crate) fn divide_to(&self, other: &Numeric, scale: u16) -> SqlResult<Numeric> {
        if other.is_zero() {
            return Err(division_by_zero());
        }
        let shift = i32::from(scale) + i32::from(other.scale()) - i32::from(self.scale());
        if let (Some((a, _)), Some((b, _))) = (self.as_i128(), other.as_i128())
            && let Ok(shift) = u16::try_from(shift)
            && let Some(numerator) = power_i128(shift).and_then(|p| a.checked_mul(p))
            && let Some(quotient) = numerator.checked_div(b)
        {
            let rest = (numerator % b).unsigned_abs();
            let away = rest >= b.unsigned_abs() - rest;
            let step = if (a < 0) == (b < 0) { 1 } else { -1 };
            return Ok(Numeric::from_i128(
                quotient + if away { step } else { 0 },
                scale,
            ));
        }
        let (mut numerator, mut denominator) = (
            self.unscaled().unwrap_or_default(),
            other.unscaled().unwrap_or_default(),
        );
        if shift >= 0 {
            numerator *= ten(shift.unsigned_abs());
        } else {
            denominator *= ten(shift.unsigned_abs());
        }
        Numeric::from_bigint(round_quotient(&numerator, &denominator), scale).checked()
    }

    /// The whole part of a quotient.
    ///
    /// # Errors
    /// 22012, 22003.
    pub fn whole_quotient(&self, other: &Numeric) -> SqlResult<Numeric> {
        if let Some(special) = self.divide_special(other)? {
            return Ok(special);
        }
        let (a, b, _) = self.aligned(other);
        Numeric::from_bigint(a / b, 0).checked()
    }

    /// What a division leaves: it has the sign of `self`.
    ///
    /// # Errors
    /// 22012.
    pub fn remainder(&self, other: &Numeric) -> SqlResult<Numeric> {
        Ok(match (self.kind(), other.kind()) {
            (Kind::NaN, _) | (_, Kind::NaN) => Numeric::NAN,
            _ if other.is_zero() => return Err(division_by_zero()),
            (Kind::Finite, Kind::Finite) => {
                let (a, b, scale) = self.aligned(other);
                Numeric::from_bigint(a % b, scale)
            }
            (Kind::Finite, _) => self.clone(),
            _ => Numeric::NAN,
        })
    }

    /// The least integer not below the value.
    #[must_use]
    pub fn ceil(&self) -> Numeric {
        self.whole(Ordering::Greater)
    }

    /// The greatest integer not above the value.
    #[must_use]
    pub fn floor(&self) -> Numeric {
        self.whole(Ordering::Less)
    }

    fn whole(&self, towards: Ordering) -> Numeric {
        if !self.is_finite() {
            return self.clone();
        }
        let cut = self.truncate(0);
        if (*self).cmp(&cut) != towards {
            return cut;
        }
        let step = if towards == Ordering::Greater { 1 } else { -1 };
        Numeric::from_bigint(cut.unscaled().unwrap_or_default() + step, 0)
    }

    /// Rounded half away from zero to `digits` after the point, or, when
    /// negative, before it.
    ///
    /// # Errors
    /// 22003.
    pub fn round(&self, digits: i32) -> SqlResult<Numeric> {
        self.at_digit(digits, true)
    }

    /// Cut off behind `digits` after the point, or, when negative, before it.
    ///
    /// # Errors
    /// 22003.
    pub fn trunc(&self, digits: i32) -> SqlResult<Numeric> {
        self.at_digit(digits, false)
    }

    fn at_digit(&self, digits: i32, nearest: bool) -> SqlResult<Numeric> {
        if !self.is_finite() {
            return Ok(self.clone());
        }
        let most = i32::from(MAX_SCALE);
        if let Ok(scale) = u16::try_from(digits.min(most)) {
            let moved = if nearest {
                self.rescale(scale)
            } else {
                self.truncate(scale)
            };
            return moved.checked();
        }
        let most = u32::try_from(MAX_INTEGER_DIGITS + 1).unwrap_or(0);
        let before = digits.unsigned_abs().min(most);
        if i64::from(self.decimal_exponent()) < i64::from(before) {
            return Ok(Numeric::ZERO);
        }
        let unit = ten(before);
        let exact = self.unscaled().unwrap_or_default();
        let down = ten(u32::from(self.scale())) * &unit;
        let rounded = if nearest {
            round_quotient(&exact, &down)
        } else {
            exact / down
        };
        Numeric::from_bigint(rounded * unit, 0).checked()
    }

    /// Digits after the point that are needed to show the value.
    pub fn min_scale(&self) -> u16 {
        self.trimmed().scale()
    }
}

/// A number of any scale as a numeric, which cannot have more than 16,383
/// digits after the point.
pub(super) fn from_parts(unscaled: BigInt, scale: u32) -> Numeric {
    match u16::try_from(scale) {
        Ok(scale) if scale <= MAX_SCALE => Numeric::from_bigint(unscaled, scale),
        _ => {
            let drop = scale - u32::from(MAX_SCALE);
            Numeric::from_bigint(round_quotient(&unscaled, &ten(drop)), MAX_SCALE)
        }
    }
}

/// A quotient rounded half away from zero. The denominator is not zero.
pub(super) fn round_quotient(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    if rest.magnitude() * 2u32 < *denominator.magnitude() {
        return quotient;
    }
    let negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
    if negative { quotient - 1 } else { quotient + 1 }
}
