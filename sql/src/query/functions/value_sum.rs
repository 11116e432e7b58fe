//! Sums that are added up value by value: of reals, which are rounded at every step as
//! PostgreSQL rounds them, and of intervals.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::super::arrow_value::{datum_at, scalar_as};
use super::super::error::external;
use super::interval::interval_plus;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// A sum of reals or intervals.
#[derive(Debug)]
pub(super) struct ValueSum {
    ty: PgType,
    arrow: DataType,
    /// `None` before the first value.
    sum: Option<Datum>,
}

impl ValueSum {
    /// The type of values of this Arrow type, if they are summed here.
    pub(super) fn of(arrow: &DataType) -> Option<Self> {
        let ty = match arrow {
            DataType::Float32 => PgType::Float4,
            DataType::Interval(_) => PgType::Interval,
            _ => return None,
        };
        Some(Self {
            ty,
            arrow: arrow.clone(),
            sum: None,
        })
    }

    fn add(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else {
            return Ok(());
        };
        for row in 0..array.len() {
            let value = datum_at(array.as_ref(), row, self.ty).map_err(external)?;
            if value.is_null() {
                continue;
            }
            self.sum = Some(match &self.sum {
                Some(sum) => plus(sum, &value).map_err(external)?,
                None => value,
            });
        }
        Ok(())
    }
}

fn plus(left: &Datum, right: &Datum) -> SqlResult<Datum> {
    match (left, right) {
        (Datum::Float4(left), Datum::Float4(right)) => {
            let sum = left + right;
            if sum.is_infinite() && left.is_finite() && right.is_finite() {
                return Err(SqlError::new(
                    state::NUMERIC_VALUE_OUT_OF_RANGE,
                    "value out of range: overflow",
                ));
            }
            Ok(Datum::Float4(sum))
        }
        _ => interval_plus(left, right, 1),
    }
}

impl Accumulator for ValueSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.sum.as_ref().unwrap_or(&Datum::Null);
        scalar_as(sum, &self.arrow).map_err(external)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(states)
    }
}
