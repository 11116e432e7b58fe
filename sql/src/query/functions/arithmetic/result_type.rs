//! The Arrow type of a result: how many digits, and how many after the point.

use arrow::datatypes::DataType;

use super::super::super::plan::NUMERIC_SCALE;
use super::ArithmeticOp;

/// Digits of the decimals that numerics are computed in.
const DIGITS: u8 = 38;

/// Digits of the wide decimals.
const WIDE_DIGITS: u8 = 76;

pub(super) fn decimal_parts(ty: &DataType) -> Option<(u8, i8)> {
    match ty {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => Some((*p, *s)),
        _ => None,
    }
}

/// The Arrow type of a result.
pub(super) fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> DataType {
    let (Some((p1, s1)), Some((p2, s2))) = (decimal_parts(left), decimal_parts(right)) else {
        return if left.is_null() {
            right.clone()
        } else {
            left.clone()
        };
    };
    let wide =
        matches!(left, DataType::Decimal256(..)) || matches!(right, DataType::Decimal256(..));
    let whole = |p: u8, s: i8| i16::from(p) - i16::from(s);
    let (precision, scale) = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => {
            let scale = s1.max(s2);
            (
                whole(p1, s1).max(whole(p2, s2)) + 1 + i16::from(scale),
                scale,
            )
        }
        ArithmeticOp::Multiply => (i16::from(p1) + i16::from(p2), s1.saturating_add(s2)),
        ArithmeticOp::Divide => {
            let scale = s1.max(s2).max(NUMERIC_SCALE);
            (i16::from(DIGITS), scale)
        }
        ArithmeticOp::Modulo => {
            let scale = s1.max(s2);
            (whole(p1, s1).min(whole(p2, s2)) + i16::from(scale), scale)
        }
    };
    // More digits than fit are cut off at the front: a value that needs them is
    // out of range when it comes up.
    let limit = if wide || scale > 28 {
        WIDE_DIGITS
    } else {
        DIGITS
    };
    let precision = u8::try_from(precision.clamp(1, i16::from(limit))).unwrap_or(limit);
    let precision = precision.max(u8::try_from(scale).unwrap_or(0)).min(limit);
    if limit == DIGITS {
        DataType::Decimal128(precision, scale)
    } else {
        DataType::Decimal256(precision, scale)
    }
}
