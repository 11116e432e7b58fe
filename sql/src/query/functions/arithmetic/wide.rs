//! Numerics whose scale differs from row to row, one by one.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryBuilder};

use super::super::super::arrow_value::datum_at;
use super::ArithmeticOp;
use super::operand::{Operand, row_count};
use crate::error::{SqlError, SqlResult};
use crate::types::numeric::wide;
use crate::types::{Datum, Numeric, PgType};

/// A column of numerics in wide form, from two of any form.
pub(super) fn wide(op: ArithmeticOp, left: &Operand, right: &Operand) -> SqlResult<ArrayRef> {
    let rows = row_count(left, right);
    let mut out = LargeBinaryBuilder::with_capacity(rows, rows * 16);
    let mut room = Vec::new();
    let (mut l, mut r) = (Numerics::new(left), Numerics::new(right));
    for row in 0..rows {
        let (Some(a), Some(b)) = (l.get(row)?, r.get(row)?) else {
            out.append_null();
            continue;
        };
        let result = match op {
            ArithmeticOp::Add => a.add(&b)?,
            ArithmeticOp::Subtract => a.subtract(&b)?,
            ArithmeticOp::Multiply => a.multiply(&b)?,
            ArithmeticOp::Divide => a.divide(&b)?,
            ArithmeticOp::Modulo => a.remainder(&b)?,
        };
        room.clear();
        wide::encode(&result, &mut room);
        out.append_value(&room);
    }
    Ok(Arc::new(out.finish()))
}

/// The values of an operand.
struct Numerics<'a> {
    operand: &'a Operand,
    /// The value of a constant, once it was read.
    constant: Option<Numeric>,
}

impl<'a> Numerics<'a> {
    fn new(operand: &'a Operand) -> Self {
        Self {
            operand,
            constant: None,
        }
    }

    fn get(&mut self, row: usize) -> SqlResult<Option<Numeric>> {
        let Some(position) = self.operand.position(row) else {
            return Ok(None);
        };
        if let Some(value) = &self.constant {
            return Ok(Some(value.clone()));
        }
        let array = self.operand.array.as_ref();
        let Datum::Numeric(value) = datum_at(array, position, PgType::Numeric(None))? else {
            return Err(SqlError::internal("a numeric operand is none"));
        };
        if self.operand.constant {
            self.constant = Some(value.clone());
        }
        Ok(Some(value))
    }
}
