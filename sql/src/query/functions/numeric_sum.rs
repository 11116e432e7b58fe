//! Sums of numerics of any scale and size.
//!
//! A group's sum is an `i128` at the scale of its value with the most digits
//! after the point for as long as that holds it, then a number of any size. NaN
//! and infinities are counted, so that a value can leave a window's frame again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray, LargeBinaryBuilder};
use arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::super::error::external;
use crate::error::SqlResult;
use crate::types::Numeric;
use crate::types::numeric::{Kind, wide};

/// A sum of finite numbers, and how many of the others there are.
#[derive(Debug, Clone, Default)]
pub(super) struct NumericSum {
    /// The sum; `None` before the first value.
    sum: Option<Numeric>,
    nan: i64,
    infinite: i64,
    negative_infinite: i64,
}

impl NumericSum {
    pub(super) fn add(&mut self, value: &Numeric) -> SqlResult<()> {
        match value.kind() {
            Kind::NaN => self.nan += 1,
            Kind::PosInf => self.infinite += 1,
            Kind::NegInf => self.negative_infinite += 1,
            Kind::Finite => {
                self.sum = Some(match &self.sum {
                    Some(sum) => sum.add(value)?,
                    None => value.clone(),
                });
            }
        }
        Ok(())
    }

    fn subtract(&mut self, value: &Numeric) -> SqlResult<()> {
        match value.kind() {
            Kind::NaN => self.nan -= 1,
            Kind::PosInf => self.infinite -= 1,
            Kind::NegInf => self.negative_infinite -= 1,
            Kind::Finite => {
                if let Some(sum) = &self.sum {
                    self.sum = Some(sum.subtract(value)?);
                }
            }
        }
        Ok(())
    }

    /// The sum; `None` of no values.
    pub(super) fn value(&self) -> Option<Numeric> {
        if self.nan > 0 || (self.infinite > 0 && self.negative_infinite > 0) {
            return Some(Numeric::NAN);
        }
        if self.infinite > 0 {
            return Some(Numeric::INFINITY);
        }
        if self.negative_infinite > 0 {
            return Some(Numeric::NEG_INFINITY);
        }
        self.sum.clone()
    }

    /// Whether NaN or an infinity is among the values.
    pub(super) fn is_special(&self) -> bool {
        self.nan > 0 || self.infinite > 0 || self.negative_infinite > 0
    }

    fn size(&self) -> usize {
        self.sum.as_ref().map_or(0, Numeric::heap_size)
    }
}

/// The values of an array of numerics, wide or decimal.
pub(super) enum Numerics<'a> {
    Wide(&'a LargeBinaryArray),
    Decimal(&'a arrow::array::Decimal128Array, u16),
}

impl<'a> Numerics<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::LargeBinary => array.as_binary_opt::<i64>().map(Self::Wide),
            DataType::Decimal128(_, scale) => Some(Self::Decimal(
                array.as_primitive_opt::<Decimal128Type>()?,
                u16::try_from(*scale).ok()?,
            )),
            _ => None,
        }
    }

    pub(super) fn get(&self, row: usize) -> SqlResult<Option<Numeric>> {
        Ok(match self {
            Self::Wide(array) if array.is_valid(row) => Some(wide::decode(array.value(row))?),
            Self::Decimal(array, scale) if array.is_valid(row) => {
                Some(Numeric::from_i128(array.value(row), *scale))
            }
            _ => None,
        })
    }
}

fn no_numerics() -> datafusion::common::DataFusionError {
    external(crate::error::SqlError::internal(
        "a sum of numerics gets other values",
    ))
}

/// The sums of many groups.
#[derive(Debug, Default)]
pub(super) struct GroupSums {
    sums: Vec<NumericSum>,
    /// Bytes of the sums that are no `i128`.
    heap: usize,
}

impl GroupSums {
    fn add(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize_with(total, NumericSum::default);
        let array = values.first().ok_or_else(no_numerics)?;
        let numerics = Numerics::of(array).ok_or_else(no_numerics)?;
        for (row, group) in groups.iter().enumerate() {
            if filter.is_some_and(|f| !f.is_valid(row) || !f.value(row)) {
                continue;
            }
            if let Some(value) = numerics.get(row).map_err(external)?
                && let Some(sum) = self.sums.get_mut(*group)
            {
                let before = sum.size();
                sum.add(&value).map_err(external)?;
                self.heap = (self.heap + sum.size()).saturating_sub(before);
            }
        }
        Ok(())
    }

    fn emit(&mut self, emit: EmitTo) -> ArrayRef {
        let sums = emit.take_needed(&mut self.sums);
        let mut out = LargeBinaryBuilder::with_capacity(sums.len(), sums.len() * 16);
        for sum in &sums {
            self.heap = self.heap.saturating_sub(sum.size());
            match sum.value() {
                Some(value) => out.append_value(wide::bytes(&value)),
                None => out.append_null(),
            }
        }
        Arc::new(out.finish())
    }
}

impl GroupsAccumulator for GroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.add(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.add(values, groups, None, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let array = values.first().ok_or_else(no_numerics)?;
        let numerics = Numerics::of(array).ok_or_else(no_numerics)?;
        let mut out = LargeBinaryBuilder::with_capacity(array.len(), array.len() * 16);
        for row in 0..array.len() {
            let counts = filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            match numerics.get(row).map_err(external)? {
                Some(value) if counts => out.append_value(wide::bytes(&value)),
                _ => out.append_null(),
            }
        }
        Ok(vec![Arc::new(out.finish())])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<NumericSum>() + self.heap
    }
}

/// The sum of one group; of a window's frame, with the scales of the values in it.
#[derive(Debug, Default)]
pub(super) struct OneSum {
    sum: NumericSum,
    /// How many finite values of each scale there are: a sum shows as many digits
    /// as the value with the most. Kept only where values leave again.
    scales: Option<BTreeMap<u16, u64>>,
}

impl OneSum {
    /// A sum that values can leave.
    pub(super) fn sliding() -> Self {
        Self {
            sum: NumericSum::default(),
            scales: Some(BTreeMap::new()),
        }
    }

    fn each(
        &mut self,
        values: &[ArrayRef],
        apply: impl Fn(&mut Self, &Numeric) -> SqlResult<()>,
    ) -> Result<()> {
        let array = values.first().ok_or_else(no_numerics)?;
        let numerics = Numerics::of(array).ok_or_else(no_numerics)?;
        for row in 0..array.len() {
            if let Some(value) = numerics.get(row).map_err(external)? {
                apply(self, &value).map_err(external)?;
            }
        }
        Ok(())
    }
}

impl Accumulator for OneSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, |this, value| {
            if let Some(scales) = &mut this.scales
                && value.is_finite()
            {
                *scales.entry(value.scale()).or_default() += 1;
            }
            this.sum.add(value)
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, |this, value| {
            this.sum.subtract(value)?;
            let Some(scales) = &mut this.scales else {
                return Ok(());
            };
            if value.is_finite()
                && let Some(count) = scales.get_mut(&value.scale())
            {
                *count -= 1;
                if *count == 0 {
                    scales.remove(&value.scale());
                }
            }
            this.sum.sum = match (scales.last_key_value(), this.sum.sum.take()) {
                (Some((scale, _)), Some(sum)) => Some(sum.rescale(*scale)),
                _ => None,
            };
            Ok(())
        })
    }

    fn supports_retract_batch(&self) -> bool {
        self.scales.is_some()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::LargeBinary(
            self.sum.value().map(|value| wide::bytes(&value)),
        ))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sum.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.each(states, |this, value| this.sum.add(value))
    }
}
