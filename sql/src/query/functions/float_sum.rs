//! Sums of floats, which are rounded at every step as PostgreSQL rounds them, may not
//! overflow, and are a negative zero when all values are.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::super::error::external;
use super::arithmetic::Float;
use crate::error::{SqlError, state};

/// The sums of many groups; `None` before the first value of a group.
#[derive(Debug)]
pub(super) struct FloatSums<T: ArrowPrimitiveType> {
    sums: Vec<Option<T::Native>>,
}

/// The accumulator of one sum of floats of this type, if it is one of floats.
pub(super) fn one(ty: &DataType) -> Option<Box<dyn Accumulator>> {
    Some(match ty {
        DataType::Float64 => Box::new(FloatSums::<Float64Type>::of(1)),
        DataType::Float32 => Box::new(FloatSums::<Float32Type>::of(1)),
        _ => return None,
    })
}

/// The accumulator of sums by group of floats of this type, if it is one of floats.
pub(super) fn by_group(ty: &DataType) -> Option<Box<dyn GroupsAccumulator>> {
    Some(match ty {
        DataType::Float64 => Box::new(FloatSums::<Float64Type>::of(0)),
        DataType::Float32 => Box::new(FloatSums::<Float32Type>::of(0)),
        _ => return None,
    })
}

impl<T> FloatSums<T>
where
    T: ArrowPrimitiveType,
    T::Native: Float,
{
    fn of(groups: usize) -> Self {
        Self {
            sums: vec![None; groups],
        }
    }

    fn add(&mut self, group: usize, value: T::Native) -> Result<()> {
        let Some(place) = self.sums.get_mut(group) else {
            return Err(external(SqlError::internal("a sum of a group that is not")));
        };
        *place = Some(match *place {
            None => value,
            Some(before) => {
                let sum = before.plus(value).with_one_nan();
                if sum.is_infinite() && !before.is_infinite() && !value.is_infinite() {
                    return Err(external(SqlError::new(
                        state::NUMERIC_VALUE_OUT_OF_RANGE,
                        "value out of range: overflow",
                    )));
                }
                sum
            }
        });
        Ok(())
    }

    fn add_all(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in floats::<T>(values)?.iter().flatten() {
            self.add(0, value)?;
        }
        Ok(())
    }

    fn take(&mut self, emit: EmitTo) -> ArrayRef {
        let sums = emit.take_needed(&mut self.sums);
        Arc::new(PrimitiveArray::<T>::from_iter(sums))
    }

    fn first(&self) -> Result<ScalarValue> {
        let sum = self.sums.first().copied().flatten();
        let array: ArrayRef = Arc::new(PrimitiveArray::<T>::from_iter([sum]));
        ScalarValue::try_from_array(&array, 0)
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<Option<T::Native>>()
    }
}

fn floats<T: ArrowPrimitiveType>(values: &[ArrayRef]) -> Result<&PrimitiveArray<T>> {
    values
        .first()
        .and_then(|array| array.as_primitive_opt::<T>())
        .ok_or_else(|| external(SqlError::internal("a sum of floats gets other values")))
}

impl<T> Accumulator for FloatSums<T>
where
    T: ArrowPrimitiveType + std::fmt::Debug,
    T::Native: Float,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add_all(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.first()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.first()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add_all(states)
    }
}

impl<T> GroupsAccumulator for FloatSums<T>
where
    T: ArrowPrimitiveType + Send,
    T::Native: Float,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, None);
        let values = floats::<T>(values)?;
        for (row, group) in groups.iter().enumerate() {
            let kept = filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            if kept && values.is_valid(row) {
                self.add(*group, values.value(row))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        Ok(self.take(emit))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take(emit)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        GroupsAccumulator::update_batch(self, states, groups, None, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = floats::<T>(values)?;
        let kept = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let states = values.iter().enumerate();
        let states = states.map(|(row, value)| value.filter(|_| kept(row)));
        Ok(vec![Arc::new(PrimitiveArray::<T>::from_iter(states))])
    }

    fn size(&self) -> usize {
        self.bytes()
    }
}
