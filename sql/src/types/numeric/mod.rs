//! `numeric`: a decimal number with its display scale.
//!
//! Up to 38 digits live in an `i128`; longer ones in a big integer. Two values
//! are equal when they are the same number, whatever their scale: 1.0 = 1.00.

mod arithmetic;
mod estimate;
mod fixed;
mod integers;
mod power;
mod text;
mod transcendental;
pub(crate) mod wide;

pub(crate) use arithmetic::division_by_zero;
pub(crate) use text::is_space;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bigdecimal::num_bigint::{BigInt, Sign};

use crate::error::{SqlError, SqlResult, state};

/// Digits before the point PostgreSQL allows.
pub const MAX_INTEGER_DIGITS: usize = 131_072;
/// Digits after the point PostgreSQL allows.
pub const MAX_SCALE: u16 = 16_383;

/// A `numeric` value.
#[derive(Debug, Clone)]
pub struct Numeric(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// `unscaled * 10^-scale`
    Small {
        unscaled: i128,
        scale: u16,
    },
    /// The same, only for values an `i128` does not hold.
    Big(Box<(BigInt, u16)>),
    NaN,
    PosInf,
    NegInf,
}

/// What a [`Numeric`] is, for encoders that take it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary number.
    Finite,
    /// Not a number; equal to itself and greater than everything else.
    NaN,
    /// Greater than every number.
    PosInf,
    /// Less than every number.
    NegInf,
}

impl Numeric {
    /// Not a number.
    pub const NAN: Numeric = Numeric(Repr::NaN);
    /// Infinity.
    pub const INFINITY: Numeric = Numeric(Repr::PosInf);
    /// Minus infinity.
    pub const NEG_INFINITY: Numeric = Numeric(Repr::NegInf);
    /// Zero, shown without a point.
    pub const ZERO: Numeric = Numeric(Repr::Small {
        unscaled: 0,
        scale: 0,
    });

    /// `unscaled * 10^-scale`, shown with `scale` digits after the point.
    pub fn from_i128(unscaled: i128, scale: u16) -> Numeric {
        Numeric(Repr::Small { unscaled, scale })
    }

    /// The same from a number of any size.
    pub fn from_bigint(unscaled: BigInt, scale: u16) -> Numeric {
        match i128::try_from(&unscaled) {
            Ok(unscaled) => Numeric::from_i128(unscaled, scale),
            Err(_) => Numeric(Repr::Big(Box::new((unscaled, scale)))),
        }
    }

    /// Whether the value is a number, and if not, what it is.
    pub fn kind(&self) -> Kind {
        match self.0 {
            Repr::Small { .. } | Repr::Big(_) => Kind::Finite,
            Repr::NaN => Kind::NaN,
            Repr::PosInf => Kind::PosInf,
            Repr::NegInf => Kind::NegInf,
        }
    }

    /// Digits shown after the point; 0 for NaN and the infinities.
    pub fn scale(&self) -> u16 {
        match &self.0 {
            Repr::Small { scale, .. } => *scale,
            Repr::Big(big) => big.1,
            _ => 0,
        }
    }

    /// The unscaled value when it fits an `i128`, with its scale.
    pub fn as_i128(&self) -> Option<(i128, u16)> {
        match self.0 {
            Repr::Small { unscaled, scale } => Some((unscaled, scale)),
            _ => None,
        }
    }

    /// The unscaled value of a finite number.
    pub fn unscaled(&self) -> Option<BigInt> {
        match &self.0 {
            Repr::Small { unscaled, .. } => Some(BigInt::from(*unscaled)),
            Repr::Big(big) => Some(big.0.clone()),
            _ => None,
        }
    }

    /// Whether the value is less than zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small { unscaled, .. } => *unscaled < 0,
            Repr::Big(big) => big.0.sign() == Sign::Minus,
            Repr::NegInf => true,
            _ => false,
        }
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Repr::Small { unscaled: 0, .. })
    }

    /// The value shown with `scale` digits after the point: rounded half away
    /// from zero, or padded with zeros. NaN and infinities stay.
    #[must_use]
    pub fn rescale(&self, scale: u16) -> Numeric {
        let current = self.scale();
        match &self.0 {
            Repr::Small { unscaled, .. } => {
                if scale == current {
                    return self.clone();
                }
                if scale > current {
                    if let Some(grown) =
                        power_i128(scale - current).and_then(|factor| unscaled.checked_mul(factor))
                    {
                        return Numeric::from_i128(grown, scale);
                    }
                } else {
                    let unscaled = match power_i128(current - scale) {
                        Some(factor) => round_div(*unscaled, factor),
                        // 10^39 is more than twice any i128.
                        None => 0,
                    };
                    return Numeric::from_i128(unscaled, scale);
                }
                Numeric::from_bigint(rescale_big(&BigInt::from(*unscaled), current, scale), scale)
            }
            Repr::Big(big) => Numeric::from_bigint(rescale_big(&big.0, current, scale), scale),
            _ => self.clone(),
        }
    }

    /// The value as `numeric(precision, scale)` keeps it: rounded to the
    /// scale; 22003 when the integer part does not fit.
    pub fn with_modifier(&self, precision: u16, scale: i16) -> SqlResult<Numeric> {
        let overflow =
            || SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
        match self.kind() {
            Kind::Finite => {}
            Kind::NaN if wide::narrow(precision, scale).is_none() => return Ok(Numeric::NAN),
            Kind::NaN => {
                return Err(SqlError::unsupported(format!(
                    "NaN in numeric({precision},{scale})"
                )));
            }
            Kind::PosInf | Kind::NegInf => {
                return Err(overflow().detail(format!(
                    "A field with precision {precision}, scale {scale} cannot hold an infinite value."
                )));
            }
        }
        let rounded = self.round(i32::from(scale))?;
        let whole = i32::from(precision) - i32::from(scale);
        if rounded.is_zero() || rounded.decimal_exponent() <= whole {
            return Ok(rounded);
        }
        let limit = if whole == 0 {
            "1".to_owned()
        } else {
            format!("10^{whole}")
        };
        Err(overflow().detail(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
        )))
    }

    /// Bytes the value holds beyond its own size.
    pub(crate) fn heap_size(&self) -> usize {
        match &self.0 {
            Repr::Big(big) => usize::try_from(big.0.bits() / 8).unwrap_or(0) + 40,
            _ => 0,
        }
    }

    /// Significant digits of the unscaled value; 0 for zero.
    pub fn digit_count(&self) -> usize {
        match &self.0 {
            Repr::Small { unscaled: 0, .. } => 0,
            Repr::Small { unscaled, .. } => {
                usize::try_from(unscaled.unsigned_abs().ilog10()).unwrap_or(0) + 1
            }
            Repr::Big(big) => decimal_length(&big.0),
            _ => 0,
        }
    }

    /// The unscaled value at exactly `scale` digits; `None` when digits would
    /// be lost or an `i128` does not hold it.
    pub fn exact_i128_at(&self, scale: u16) -> Option<i128> {
        let (unscaled, own) = self.as_i128()?;
        if scale >= own {
            return unscaled.checked_mul(power_i128(scale - own)?);
        }
        if unscaled == 0 {
            return Some(0);
        }
        let factor = power_i128(own - scale)?;
        (unscaled % factor == 0).then(|| unscaled / factor)
    }

    /// The nearest integer, halves away from zero; `None` when it is not a
    /// number or does not fit.
    pub fn round_to_i64(&self) -> Option<i64> {
        let (unscaled, _) = self.rescale(0).as_i128()?;
        i64::try_from(unscaled).ok()
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        match self.kind() {
            Kind::NaN => f64::NAN,
            Kind::PosInf => f64::INFINITY,
            Kind::NegInf => f64::NEG_INFINITY,
            Kind::Finite => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// The value without trailing zeros after the point.
    #[must_use]
    pub fn trimmed(&self) -> Numeric {
        match &self.0 {
            Repr::Small { unscaled, scale } => {
                let (mut unscaled, mut scale) = (*unscaled, *scale);
                while scale > 0 && unscaled % 10 == 0 {
                    unscaled /= 10;
                    scale -= 1;
                }
                Numeric::from_i128(unscaled, scale)
            }
            Repr::Big(big) => {
                let digits = big.0.magnitude().to_string();
                let zeros = digits.bytes().rev().take_while(|b| *b == b'0').count();
                let drop = u16::try_from(zeros).unwrap_or(u16::MAX).min(big.1);
                self.rescale(big.1 - drop)
            }
            _ => self.clone(),
        }
    }

    /// The digits of the absolute unscaled value.
    pub(crate) fn digits(&self) -> String {
        match &self.0 {
            Repr::Small { unscaled, .. } => unscaled.unsigned_abs().to_string(),
            Repr::Big(big) => big.0.magnitude().to_string(),
            _ => String::new(),
        }
    }
}

/// `10^n` when an `i128` holds it.
pub(crate) fn power_i128(n: u16) -> Option<i128> {
    10i128.checked_pow(u32::from(n))
}

/// Decimal digits of a number that no `i128` holds.
fn decimal_length(value: &BigInt) -> usize {
    // log10(2), a little less: the guess is right or one or two too small.
    let bits = value.magnitude().bits();
    let mut digits = bits.saturating_sub(1) * 30_102_999 / 100_000_000;
    let mut power = BigInt::from(10).pow(u32::try_from(digits).unwrap_or(u32::MAX));
    while power.magnitude() <= value.magnitude() {
        power *= 10;
        digits += 1;
    }
    usize::try_from(digits).unwrap_or(usize::MAX)
}

fn round_div(value: i128, factor: i128) -> i128 {
    let (quotient, rest) = (value / factor, value % factor);
    // |rest| < factor <= 10^38, so doubling could overflow: compare halves.
    let half = factor.unsigned_abs() / 2;
    if rest.unsigned_abs() >= half && factor > 1 {
        quotient + value.signum()
    } else {
        quotient
    }
}

fn rescale_big(value: &BigInt, from: u16, to: u16) -> BigInt {
    let ten = BigInt::from(10);
    if to >= from {
        return value * ten.pow(u32::from(to - from));
    }
    let factor = ten.pow(u32::from(from - to));
    let quotient = value / &factor;
    let rest = value % &factor;
    if rest.magnitude() * 2u32 >= *factor.magnitude() {
        match value.sign() {
            Sign::Minus => quotient - 1,
            _ => quotient + 1,
        }
    } else {
        quotient
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |n: &Numeric| match n.kind() {
            Kind::NegInf => 0u8,
            Kind::Finite => 1,
            Kind::PosInf => 2,
            Kind::NaN => 3,
        };
        match rank(self).cmp(&rank(other)) {
            Ordering::Equal if self.kind() == Kind::Finite => compare_finite(self, other),
            unequal => unequal,
        }
    }
}

fn compare_finite(a: &Numeric, b: &Numeric) -> Ordering {
    if let (Some((x, s)), Some((y, t))) = (a.as_i128(), b.as_i128()) {
        if s == t {
            return x.cmp(&y);
        }
        let scale = s.max(t);
        if let (Some(x), Some(y)) = (a.exact_i128_at(scale), b.exact_i128_at(scale)) {
            return x.cmp(&y);
        }
    }
    let scale = a.scale().max(b.scale());
    let align = |n: &Numeric| rescale_big(&n.unscaled().unwrap_or_default(), n.scale(), scale);
    align(a).cmp(&align(b))
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let trimmed = self.trimmed();
        std::mem::discriminant(&trimmed.0).hash(state);
        trimmed.scale().hash(state);
        trimmed.unscaled().hash(state);
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Numeric::from_i128(i128::from(value), 0)
    }
}

impl Numeric {
    /// The value shown with `scale` digits after the point; what lies behind
    /// them is cut off, not rounded.
    #[must_use]
    pub(crate) fn truncate(&self, scale: u16) -> Numeric {
        let own = self.scale();
        match (self.unscaled(), own.checked_sub(scale)) {
            (Some(unscaled), Some(drop @ 1..)) => {
                Numeric::from_bigint(unscaled / BigInt::from(10).pow(u32::from(drop)), scale)
            }
            _ => self.rescale(scale),
        }
    }
}
