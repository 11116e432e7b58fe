//! Numerics of one scale, with Arrow's kernels.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type};

use super::super::super::error::from_arrow;
use super::operand::{Operand, with_operands};
use super::{ArithmeticOp, checked, out_of_range};
use crate::error::{SqlError, SqlResult};
use crate::types::PgType;

/// A column of numerics from two, of the type that was announced for it.
pub(super) fn decimal(
    op: ArithmeticOp,
    left: &Operand,
    right: &Operand,
    target: &DataType,
) -> SqlResult<ArrayRef> {
    // Arrow computes the scale as PostgreSQL does; its precision is ours or less.
    let result = with_operands(left, right, |l, r| match op {
        ArithmeticOp::Add => Ok(numeric::add(l, r)),
        ArithmeticOp::Subtract => Ok(numeric::sub(l, r)),
        ArithmeticOp::Multiply => Ok(numeric::mul(l, r)),
        ArithmeticOp::Modulo => Ok(numeric::rem(l, r)),
        ArithmeticOp::Divide => Err(SqlError::internal("the scale of a quotient is not fixed")),
    })?
    .map_err(|e| checked(e, PgType::Numeric(None)))?;
    retyped(&result, target)
}

/// A decimal array under the precision its type was announced with.
fn retyped(array: &ArrayRef, target: &DataType) -> SqlResult<ArrayRef> {
    match (array.data_type(), target) {
        (own, target) if own == target => Ok(Arc::clone(array)),
        (DataType::Decimal128(_, own), DataType::Decimal128(precision, scale)) if own == scale => {
            let decimals = array.as_primitive::<Decimal128Type>().clone();
            Ok(Arc::new(
                decimals
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(|_| out_of_range(PgType::Numeric(None)))?,
            ))
        }
        _ => arrow::compute::cast(array, target).map_err(from_arrow),
    }
}
