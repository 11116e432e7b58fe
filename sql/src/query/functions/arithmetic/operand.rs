//! Operands: whole columns, or one value for every row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Datum as ArrowDatum, Scalar};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

/// An operand as Arrow's kernels take it.
pub(super) struct Operand {
    pub(super) array: ArrayRef,
    /// Whether the array has one value, which stands for every row.
    pub(super) constant: bool,
}

impl Operand {
    pub(super) fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self {
                array: Arc::clone(array),
                constant: false,
            },
            ColumnarValue::Scalar(scalar) => Self {
                array: scalar.to_array()?,
                constant: true,
            },
        })
    }

    /// Where the value of a row is, if it is not NULL.
    pub(super) fn position(&self, row: usize) -> Option<usize> {
        let row = if self.constant { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then_some(row)
    }
}

/// A result as the planner takes it: one value when all operands are constant.
pub(super) fn value(result: ArrayRef, constant: bool) -> Result<ColumnarValue> {
    if constant {
        return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
    }
    Ok(ColumnarValue::Array(result))
}

/// Runs one of Arrow's kernels.
pub(super) fn with_operands<R>(
    left: &Operand,
    right: &Operand,
    run: impl Fn(&dyn ArrowDatum, &dyn ArrowDatum) -> R,
) -> R {
    let (l, r) = (&left.array, &right.array);
    match (left.constant, right.constant) {
        (false, false) | (true, true) => run(l, r),
        (true, false) => run(&Scalar::new(Arc::clone(l)), r),
        (false, true) => run(l, &Scalar::new(Arc::clone(r))),
    }
}

/// How many rows the result has.
pub(super) fn row_count(left: &Operand, right: &Operand) -> usize {
    match (left.constant, right.constant) {
        (false, _) => left.array.len(),
        (true, false) => right.array.len(),
        (true, true) => 1,
    }
}
