//! Floats, which may neither overflow nor underflow.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::ArrowPrimitiveType;

use super::operand::{Operand, row_count};
use super::{ArithmeticOp, division_by_zero};
use crate::error::{SqlError, SqlResult, state};

/// A column of floats from two.
pub(super) fn float<T>(op: ArithmeticOp, left: &Operand, right: &Operand) -> SqlResult<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: num_float::Float,
{
    use num_float::Float;
    if right.array.data_type() != left.array.data_type() {
        return Err(SqlError::internal("float operands of two types"));
    }
    let (l, r) = (Rows::<T>::new(left), Rows::<T>::new(right));
    let rows = row_count(left, right);
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(a), Some(b)) = (l.get(row), r.get(row)) else {
            out.push(None);
            continue;
        };
        let value = match op {
            ArithmeticOp::Add => a.plus(b),
            ArithmeticOp::Subtract => a.minus(b),
            ArithmeticOp::Multiply => a.times(b),
            ArithmeticOp::Divide if b.is_zero() && !a.is_nan() => return Err(division_by_zero()),
            ArithmeticOp::Divide | ArithmeticOp::Modulo => a.over(b),
        }
        .with_one_nan();
        if value.is_infinite() && !a.is_infinite() && !b.is_infinite() {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                "value out of range: overflow",
            ));
        }
        let underflow = match op {
            ArithmeticOp::Multiply => !a.is_zero() && !b.is_zero(),
            ArithmeticOp::Divide => !a.is_zero() && !b.is_infinite(),
            _ => false,
        };
        if value.is_zero() && underflow {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                "value out of range: underflow",
            ));
        }
        out.push(Some(value));
    }
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(out)))
}

/// Values of an operand, row by row.
struct Rows<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    constant: bool,
}

impl<'a, T: ArrowPrimitiveType> Rows<'a, T> {
    fn new(operand: &'a Operand) -> Self {
        Self {
            array: operand.array.as_primitive::<T>(),
            constant: operand.constant,
        }
    }

    fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.constant { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row))
    }
}

/// The few things floats of both sizes do here.
pub(in super::super) mod num_float {
    pub(in super::super::super) trait Float:
        Copy + Send + Sync + std::fmt::Debug
    {
        /// The value, without the sign of a NaN.
        fn with_one_nan(self) -> Self;
        fn plus(self, other: Self) -> Self;
        fn minus(self, other: Self) -> Self;
        fn times(self, other: Self) -> Self;
        fn over(self, other: Self) -> Self;
        fn is_zero(self) -> bool;
        fn is_nan(self) -> bool;
        fn is_infinite(self) -> bool;
    }

    macro_rules! float {
        ($ty:ty) => {
            impl Float for $ty {
                fn with_one_nan(self) -> Self {
                    if <$ty>::is_nan(self) {
                        <$ty>::NAN
                    } else {
                        self
                    }
                }
                fn plus(self, other: Self) -> Self {
                    self + other
                }
                fn minus(self, other: Self) -> Self {
                    self - other
                }
                fn times(self, other: Self) -> Self {
                    self * other
                }
                fn over(self, other: Self) -> Self {
                    self / other
                }
                fn is_zero(self) -> bool {
                    self == 0.0
                }
                fn is_nan(self) -> bool {
                    <$ty>::is_nan(self)
                }
                fn is_infinite(self) -> bool {
                    <$ty>::is_infinite(self)
                }
            }
        };
    }
    float!(f32);
    float!(f64);
}
