//! Numerics: with Arrow's kernels where they round as PostgreSQL does, else with
//! integers of any size.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, i256};
use bigdecimal::num_bigint::BigInt;

use super::super::super::arrow_value::array_of;
use super::super::super::error::from_arrow;
use super::division::quotient;
use super::operand::{Operand, row_count, with_operands};
use super::result_type::decimal_parts;
use super::{ArithmeticOp, checked, division_by_zero, out_of_range};
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, Numeric, PgType};

/// A column of numerics from two.
pub(super) fn decimal(
    op: ArithmeticOp,
    left: &Operand,
    right: &Operand,
    target: &DataType,
) -> SqlResult<ArrayRef> {
    let ty = PgType::Numeric(None);
    let narrow = |t: &DataType| matches!(t, DataType::Decimal128(..));
    let all_narrow =
        narrow(left.array.data_type()) && narrow(right.array.data_type()) && narrow(target);
    if all_narrow && op != ArithmeticOp::Divide {
        // Arrow computes the scale as PostgreSQL does; its precision is ours or less.
        let result = with_operands(left, right, |l, r| match op {
            ArithmeticOp::Add => numeric::add(l, r),
            ArithmeticOp::Subtract => numeric::sub(l, r),
            ArithmeticOp::Multiply => numeric::mul(l, r),
            _ => numeric::rem(l, r),
        })
        .map_err(|e| checked(e, ty))?;
        return retyped(&result, target);
    }
    let (l, r) = (BigRows::new(left)?, BigRows::new(right)?);
    let scale = decimal_parts(target).map_or(0, |(_, s)| s);
    let rows = row_count(left, right);
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(a), Some(b)) = (l.get(row), r.get(row)) else {
            out.push(Datum::Null);
            continue;
        };
        out.push(Datum::Numeric(big(
            op,
            (&a, l.scale),
            (&b, r.scale),
            scale,
        )?));
    }
    array_of(&out, target)
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

/// Unscaled values of decimals of either width.
struct BigRows<'a> {
    operand: &'a Operand,
    scale: i8,
}

impl<'a> BigRows<'a> {
    fn new(operand: &'a Operand) -> SqlResult<Self> {
        let (_, scale) = decimal_parts(operand.array.data_type())
            .ok_or_else(|| SqlError::internal("a decimal operand is none"))?;
        Ok(Self { operand, scale })
    }

    fn get(&self, row: usize) -> Option<BigInt> {
        let row = self.operand.position(row)?;
        let array = &self.operand.array;
        Some(match array.data_type() {
            DataType::Decimal128(..) => {
                BigInt::from(array.as_primitive::<Decimal128Type>().value(row))
            }
            _ => {
                let wide: i256 = array.as_primitive::<Decimal256Type>().value(row);
                BigInt::from_signed_bytes_le(&wide.to_le_bytes())
            }
        })
    }
}

/// Ten to the power of `exponent`.
pub(super) fn power(exponent: i16) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

fn big(
    op: ArithmeticOp,
    left: (&BigInt, i8),
    right: (&BigInt, i8),
    scale: i8,
) -> SqlResult<Numeric> {
    let to = |value: &BigInt, from: i8, to: i8| value * power(i16::from(to) - i16::from(from));
    let digits = u16::try_from(scale).unwrap_or(0);
    let common = left.1.max(right.1);
    Ok(match op {
        ArithmeticOp::Add => Numeric::from_bigint(
            to(left.0, left.1, common) + to(right.0, right.1, common),
            digits,
        ),
        ArithmeticOp::Subtract => Numeric::from_bigint(
            to(left.0, left.1, common) - to(right.0, right.1, common),
            digits,
        ),
        ArithmeticOp::Multiply => Numeric::from_bigint(left.0 * right.0, digits),
        ArithmeticOp::Modulo => {
            let divisor = to(right.0, right.1, common);
            if divisor == BigInt::ZERO {
                return Err(division_by_zero());
            }
            Numeric::from_bigint(to(left.0, left.1, common) % divisor, digits)
        }
        ArithmeticOp::Divide => quotient(left, right, digits)?,
    })
}
