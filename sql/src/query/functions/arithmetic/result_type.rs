//! The Arrow type of a result: a decimal when its scale follows from those of the
//! operands, wide when it does not, or when the digits may be too many.

use arrow::datatypes::DataType;

use super::ArithmeticOp;

/// Digits of the decimals that numerics are computed in.
const DIGITS: i16 = 38;

/// Digits that a result may have by the types of its operands and still be
/// computed as a decimal: few values have as many digits as their type allows,
/// and one that does is out of range when it comes up.
const ANNOUNCED_DIGITS: i16 = 48;

fn decimal_parts(ty: &DataType) -> Option<(i16, i16)> {
    match ty {
        DataType::Decimal128(p, s) if *s >= 0 => Some((i16::from(*p), i16::from(*s))),
        _ => None,
    }
}

fn is_numeric(ty: &DataType) -> bool {
    ty.is_decimal() || matches!(ty, DataType::LargeBinary)
}

/// The Arrow type of a result.
pub(super) fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> DataType {
    if left.is_null() {
        return right.clone();
    }
    if !is_numeric(left) || !is_numeric(right) {
        return left.clone();
    }
    let (Some((p1, s1)), Some((p2, s2))) = (decimal_parts(left), decimal_parts(right)) else {
        return DataType::LargeBinary;
    };
    let scale = s1.max(s2);
    let (precision, scale) = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => ((p1 - s1).max(p2 - s2) + 1 + scale, scale),
        ArithmeticOp::Multiply => (p1 + p2, s1 + s2),
        ArithmeticOp::Modulo => ((p1 - s1).min(p2 - s2) + scale, scale),
        ArithmeticOp::Divide => return DataType::LargeBinary,
    };
    if precision > ANNOUNCED_DIGITS || scale > DIGITS {
        return DataType::LargeBinary;
    }
    let precision = precision.clamp(scale.max(1), DIGITS);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => DataType::Decimal128(precision, scale),
        _ => DataType::LargeBinary,
    }
}
