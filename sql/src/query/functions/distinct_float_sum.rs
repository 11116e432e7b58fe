//! `sum(DISTINCT …)` of floats: they are added in their order, as PostgreSQL sorts them
//! to find which are distinct, so that sums are rounded alike.

use std::collections::HashSet;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::super::error::external;
use super::float_sum;
use crate::error::SqlError;

/// The distinct values of one group.
#[derive(Debug)]
pub(super) struct DistinctFloatSum {
    ty: DataType,
    /// Their bits as numbers of eight bytes, which numbers of four are exactly.
    seen: HashSet<u64>,
}

impl DistinctFloatSum {
    /// The accumulator of a sum of floats of type `ty`.
    pub(super) fn new(ty: DataType) -> Self {
        let seen = HashSet::new();
        Self { ty, seen }
    }

    /// The values in their order, NaN last.
    fn sorted(&self) -> Result<ArrayRef> {
        let mut values: Vec<f64> = self.seen.iter().map(|bits| f64::from_bits(*bits)).collect();
        values.sort_unstable_by(f64::total_cmp);
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        Ok(cast(&values, &self.ty)?)
    }
}

/// The bits of a value; there is one zero and one NaN.
fn bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        (value + 0.0).to_bits()
    }
}

impl Accumulator for DistinctFloatSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for array in values {
            let wide = cast(array, &DataType::Float64)?;
            let values = wide.as_primitive::<Float64Type>().iter().flatten();
            self.seen.extend(values.map(bits));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states {
            let lists = state.as_list::<i32>();
            for list in lists.iter().flatten() {
                self.update_batch(&[list])?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.sorted()?;
        let values: Vec<ScalarValue> = (0..values.len())
            .map(|i| ScalarValue::try_from_array(&values, i))
            .collect::<Result<_>>()?;
        let list = ScalarValue::new_list(&values, &self.ty, true);
        Ok(vec![ScalarValue::List(list)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = float_sum::one(&self.ty)
            .ok_or_else(|| external(SqlError::internal("a sum of floats of no float")))?;
        sum.update_batch(&[self.sorted()?])?;
        sum.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * size_of::<u64>()
    }
}
