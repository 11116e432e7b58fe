//! Where the digits of a number are, as PostgreSQL counts them when it chooses
//! the scale of a result: in base 10,000.

use bigdecimal::num_bigint::BigInt;

use super::Numeric;

/// Significant digits a quotient or root has at least.
pub(super) const MIN_SIGNIFICANT: i32 = 16;
/// Most digits after the point that a function chooses by itself.
pub(super) const MAX_CHOSEN_SCALE: i32 = 1000;

/// The most significant digits of a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leading {
    /// Position of the first digit in base 10,000: 0 is the units.
    pub(super) weight: i32,
    /// Its value; 0 for zero.
    pub(super) digit: u32,
}

impl Numeric {
    /// Decimal digits before the point; negative counts zeros after it.
    pub(super) fn decimal_exponent(&self) -> i32 {
        // At most 147,455 digits.
        i32::try_from(self.digit_count()).unwrap_or(i32::MAX) - i32::from(self.scale())
    }

    /// The first digit in base 10,000.
    pub(super) fn leading(&self) -> Leading {
        if self.is_zero() {
            return Leading {
                weight: 0,
                digit: 0,
            };
        }
        let first = self.decimal_exponent() - 1;
        let digits = first.rem_euclid(4) + 1;
        Leading {
            weight: first.div_euclid(4),
            digit: u32::try_from(self.top_digits(digits)).unwrap_or(0),
        }
    }

    /// Position of the last decimal digit that is not zero: 0 is the units.
    pub(super) fn lowest_digit(&self) -> i32 {
        let digits = self.digits();
        let zeros = digits.bytes().rev().take_while(|b| *b == b'0').count();
        i32::try_from(zeros).unwrap_or(i32::MAX) - i32::from(self.scale())
    }

    /// The absolute value as `f * 10^p`, of about `digits` digits of base
    /// 10,000.
    pub(super) fn approximate(&self, digits: i32) -> (f64, i32) {
        let Leading { weight, .. } = self.leading();
        let first = self.decimal_exponent() - 1;
        let wanted = first.rem_euclid(4) + 1 + 4 * (digits - 1);
        let exponent = 4 * (weight - digits + 1);
        (self.top_digits(wanted) as f64, exponent)
    }

    /// The number made of the first `count` decimal digits, with zeros after
    /// the last one there is. At most 38.
    pub(super) fn top_digits(&self, count: i32) -> u128 {
        let own = i32::try_from(self.digit_count()).unwrap_or(i32::MAX);
        let shift = own - count;
        let ten = |n: i32| BigInt::from(10).pow(n.unsigned_abs());
        let unscaled = self.unscaled().unwrap_or_default();
        let magnitude = BigInt::from(unscaled.magnitude().clone());
        let top = if shift >= 0 {
            magnitude / ten(shift)
        } else {
            magnitude * ten(shift)
        };
        u128::try_from(top).unwrap_or(u128::MAX)
    }
}

/// The scale of a quotient: at least 16 significant digits, and no fewer
/// digits than either operand shows.
pub(super) fn quotient_scale(left: &Numeric, right: &Numeric) -> u16 {
    let (l, r) = (left.leading(), right.leading());
    let mut weight = l.weight - r.weight;
    if l.digit <= r.digit {
        weight -= 1;
    }
    chosen_scale(MIN_SIGNIFICANT - weight * 4, &[left, right])
}

/// A scale of at least `wanted` digits and no fewer than the operands show.
pub(super) fn chosen_scale(wanted: i32, operands: &[&Numeric]) -> u16 {
    let least = operands.iter().map(|n| i32::from(n.scale())).max();
    let scale = wanted.max(least.unwrap_or(0)).clamp(0, MAX_CHOSEN_SCALE);
    u16::try_from(scale).unwrap_or(0)
}
