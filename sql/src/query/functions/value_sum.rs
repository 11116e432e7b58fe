//! Sums of intervals, which are added up value by value.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::super::arrow_value::{datum_at, scalar_as};
use super::super::error::external;
use super::interval::interval_plus;
use crate::types::{Datum, PgType};

/// A sum of intervals.
#[derive(Debug)]
pub(super) struct ValueSum {
    arrow: DataType,
    /// `None` before the first value.
    sum: Option<Datum>,
}

impl ValueSum {
    /// The type of values of this Arrow type, if they are summed here.
    pub(super) fn of(arrow: &DataType) -> Option<Self> {
        matches!(arrow, DataType::Interval(_)).then(|| Self {
            arrow: arrow.clone(),
            sum: None,
        })
    }

    fn add(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else {
            return Ok(());
        };
        for row in 0..array.len() {
            let value = datum_at(array.as_ref(), row, PgType::Interval).map_err(external)?;
            if value.is_null() {
                continue;
            }
            self.sum = Some(match &self.sum {
                Some(sum) => interval_plus(sum, &value, 1).map_err(external)?,
                None => value,
            });
        }
        Ok(())
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
