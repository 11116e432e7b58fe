//! Aggregates over frames.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::filter;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};

use super::frame::Frames;

/// An aggregate that is asked for its value over many frames.
pub(super) struct OverFrames<'a> {
    aggregate: &'a AggregateUDF,
    field: &'a FieldRef,
    fields: &'a [FieldRef],
    schema: Schema,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
}

/// What has been added up, and how.
struct Running {
    accumulator: Box<dyn Accumulator>,
    /// The rows in it, when they are one range.
    has: Range<usize>,
    value: ScalarValue,
}

impl<'a> OverFrames<'a> {
    pub(super) fn new(
        aggregate: &'a AggregateUDF,
        field: &'a FieldRef,
        exprs: &[Arc<dyn PhysicalExpr>],
        fields: &'a [FieldRef],
    ) -> Self {
        // The rows that the aggregate gets have its arguments as their columns.
        let exprs = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| -> Arc<dyn PhysicalExpr> {
                if expr.is::<Literal>() {
                    Arc::clone(expr)
                } else {
                    Arc::new(Column::new("argument", index))
                }
            })
            .collect();
        Self {
            aggregate,
            field,
            fields,
            schema: Schema::new(fields.to_vec()),
            exprs,
        }
    }

    fn accumulator(&self, sliding: bool) -> Result<Box<dyn Accumulator>> {
        let args = AccumulatorArgs {
            return_field: Arc::clone(self.field),
            schema: &self.schema,
            ignore_nulls: false,
            order_bys: &[],
            is_reversed: false,
            name: self.aggregate.name(),
            is_distinct: false,
            exprs: &self.exprs,
            expr_fields: self.fields,
        };
        if sliding {
            self.aggregate.create_sliding_accumulator(args)
        } else {
            self.aggregate.accumulator(args)
        }
    }

    /// Whether rows may leave the sum again without changing it: not where the sum
    /// was rounded.
    fn slides(&self) -> Result<bool> {
        let exact = match self.aggregate.name() {
            "count" => true,
            "sum" => !self.fields.iter().any(|f| f.data_type().is_floating()),
            _ => false,
        };
        Ok(exact && self.accumulator(true)?.supports_retract_batch())
    }

    /// The values over the frames of all rows.
    pub(super) fn evaluate(
        &self,
        args: &[ArrayRef],
        condition: Option<&ArrayRef>,
        frames: &Frames,
        rows: usize,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<ArrayRef> {
        let (args, kept) = match condition.and_then(|c| c.as_boolean_opt()) {
            Some(condition) => kept_rows(args, condition)?,
            None => (args.to_vec(), None),
        };
        let within = |range: Range<usize>| match &kept {
            Some(before) => place(before, range.start)..place(before, range.end),
            None => range,
        };
        let sliding = self.slides()?;
        let mut running: Option<Running> = None;
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            check()?;
            let mut ranges: Vec<Range<usize>> = frames.of(row)?.into_iter().map(within).collect();
            ranges.retain(|range| !range.is_empty());
            let one = match ranges.as_slice() {
                [] => Some(0..0),
                [one] => Some(one.clone()),
                _ => None,
            };
            let value = match one {
                Some(range) => {
                    let next = match running.take() {
                        Some(last) => self.moved(last, &range, sliding, &args)?,
                        None => self.fresh(&range, sliding, &args)?,
                    };
                    let value = next.value.clone();
                    running = Some(next);
                    value
                }
                None => {
                    let mut accumulator = self.accumulator(false)?;
                    for range in &ranges {
                        accumulator.update_batch(&slice(&args, range))?;
                    }
                    accumulator.evaluate()?
                }
            };
            values.push(value);
        }
        as_array(values, self.field.data_type())
    }

    fn fresh(&self, range: &Range<usize>, sliding: bool, args: &[ArrayRef]) -> Result<Running> {
        let mut accumulator = self.accumulator(sliding)?;
        if !range.is_empty() {
            accumulator.update_batch(&slice(args, range))?;
        }
        Ok(Running {
            value: accumulator.evaluate()?,
            accumulator,
            has: range.clone(),
        })
    }

    /// The sum of another range, from that of the last one where that is less work.
    fn moved(
        &self,
        mut last: Running,
        range: &Range<usize>,
        sliding: bool,
        args: &[ArrayRef],
    ) -> Result<Running> {
        if last.has == *range {
            return Ok(last);
        }
        let grows = last.has.start == range.start && last.has.end <= range.end;
        let slides = sliding
            && last.has.start <= range.start
            && last.has.end <= range.end
            && range.start < last.has.end;
        if last.has.is_empty() || !(grows || slides) {
            return self.fresh(range, sliding, args);
        }
        if last.has.end < range.end {
            let new = last.has.end..range.end;
            last.accumulator.update_batch(&slice(args, &new))?;
        }
        if last.has.start < range.start {
            let old = last.has.start..range.start;
            last.accumulator.retract_batch(&slice(args, &old))?;
        }
        last.has = range.clone();
        last.value = last.accumulator.evaluate()?;
        Ok(last)
    }
}

fn slice(args: &[ArrayRef], range: &Range<usize>) -> Vec<ArrayRef> {
    args.iter()
        .map(|array| array.slice(range.start, range.len()))
        .collect()
}

fn place(before: &[usize], row: usize) -> usize {
    before.get(row).copied().unwrap_or(0)
}

/// The rows for which the condition holds, and how many of them are before each row.
fn kept_rows(
    args: &[ArrayRef],
    condition: &BooleanArray,
) -> Result<(Vec<ArrayRef>, Option<Vec<usize>>)> {
    let kept = args
        .iter()
        .map(|array| filter(array, condition))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let mut before = Vec::with_capacity(condition.len() + 1);
    let mut count = 0;
    before.push(0);
    for row in 0..condition.len() {
        if condition.is_valid(row) && condition.value(row) {
            count += 1;
        }
        before.push(count);
    }
    Ok((kept, Some(before)))
}

fn as_array(values: Vec<ScalarValue>, ty: &DataType) -> Result<ArrayRef> {
    let array = ScalarValue::iter_to_array(values)?;
    if array.data_type() == ty {
        return Ok(array);
    }
    Ok(arrow::compute::cast(&array, ty)?)
}
