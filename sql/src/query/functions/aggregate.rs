//! `sum` with PostgreSQL's result types, and the check on scalar subqueries.

use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};

use super::super::error::external;
use super::distinct_float_sum::DistinctFloatSum;
use super::float_sum;
use super::numeric_sum::{GroupSums, OneSum};
use super::value_sum::ValueSum;
use crate::error::{SqlError, state};
use crate::types::PgType;

/// Digits of the decimals that bigints are summed in.
const SUM_DIGITS: u8 = 28;

/// The type to which the planner casts bigints before they are summed.
pub(in crate::query) fn sum_of_bigints() -> DataType {
    DataType::Decimal128(SUM_DIGITS, 0)
}

/// The type `sum` has for values of a type.
pub(in crate::query) fn sum_type(ty: PgType) -> PgType {
    match ty {
        PgType::Int2 | PgType::Int4 => PgType::Int8,
        PgType::Int8 | PgType::Numeric(_) => PgType::Numeric(None),
        PgType::Unknown => PgType::Float8,
        other => other,
    }
}

/// The sum that an average is made of, until the type of its argument is known: reals
/// are averaged in double precision.
pub(in crate::query) const TOTAL: &str = "__total";

static SUM: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(PgSum::new("sum"))));

/// The aggregate `sum`.
pub(in crate::query) fn sum() -> Arc<AggregateUDF> {
    Arc::clone(&SUM)
}

/// The aggregates of this module.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::clone(&SUM),
        Arc::new(AggregateUDF::new_from_impl(PgSum::new(TOTAL))),
        Arc::clone(&SINGLE),
    ]
}

/// `sum`: bigint sums are numeric, so that they cannot overflow.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PgSum {
    name: &'static str,
    inner: Sum,
    signature: Signature,
}

impl PgSum {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            inner: Sum::new(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for PgSum {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [ty] = arg_types else {
            return Err(no_sum("…"));
        };
        Ok(vec![match ty {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16 => DataType::Int64,
            // The planner has cast bigints to a decimal; what comes in as Int64 is
            // a smaller type that was widened before.
            DataType::Int64 => DataType::Int64,
            DataType::UInt32 | DataType::UInt64 => sum_of_bigints(),
            DataType::Float64 | DataType::Null => DataType::Float64,
            DataType::Float32 | DataType::Interval(IntervalUnit::MonthDayNano) => ty.clone(),
            decimal if decimal.is_decimal() => decimal.clone(),
            DataType::LargeBinary => DataType::LargeBinary,
            other => return Err(no_sum(super::super::plan::type_of_arrow(other).base_name())),
        }])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types.first() {
            Some(ty) if is_any_size(ty) => Ok(DataType::LargeBinary),
            Some(ty) if ValueSum::of(ty).is_some() || ty.is_floating() => Ok(ty.clone()),
            _ => self.inner.return_type(arg_types),
        }
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = arg_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Arc::new(Field::new("sum", self.return_type(&types)?, true)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if sums_any_size(&args) {
            return Ok(Box::new(OneSum::default()));
        }
        if let Some(sum) = ValueSum::of(args.return_field.data_type()) {
            return match args.is_distinct {
                false => Ok(Box::new(sum)),
                true => Err(external(SqlError::unsupported("sum of DISTINCT intervals"))),
            };
        }
        if let Some(sum) = float_sum::one(args.return_field.data_type()) {
            return Ok(match args.is_distinct {
                false => sum,
                true => Box::new(DistinctFloatSum::new(args.return_field.data_type().clone())),
            });
        }
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if *args.return_field.data_type() == DataType::LargeBinary && !args.is_distinct {
            let state = Field::new("sum", DataType::LargeBinary, true);
            return Ok(vec![Arc::new(state)]);
        }
        let ty = args.return_field.data_type();
        if ValueSum::of(ty).is_some() || (ty.is_floating() && !args.is_distinct) {
            let state = Field::new("sum", args.return_field.data_type().clone(), true);
            return Ok(vec![Arc::new(state)]);
        }
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let by_value = ValueSum::of(args.return_field.data_type()).is_some();
        sums_any_size(&args)
            || float_sums(&args).is_some()
            || (!by_value && self.inner.groups_accumulator_supported(args))
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if sums_any_size(&args) {
            return Ok(Box::new(GroupSums::default()));
        }
        if let Some(sums) = float_sums(&args) {
            return Ok(sums);
        }
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if sums_any_size(&args) {
            return Ok(Box::new(OneSum::sliding()));
        }
        if let Some(sum) = ValueSum::of(args.return_field.data_type()) {
            return Ok(Box::new(sum));
        }
        if let Some(sum) = float_sum::one(args.return_field.data_type()) {
            return Ok(sum);
        }
        self.inner.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Whether a sum of such values may have more digits than a decimal.
fn is_any_size(ty: &DataType) -> bool {
    match ty {
        DataType::LargeBinary => true,
        DataType::Decimal128(precision, _) => *precision > SUM_DIGITS,
        _ => false,
    }
}

/// Sums of floats by group.
fn float_sums(args: &AccumulatorArgs) -> Option<Box<dyn GroupsAccumulator>> {
    (!args.is_distinct)
        .then(|| float_sum::by_group(args.return_field.data_type()))
        .flatten()
}

fn sums_any_size(args: &AccumulatorArgs) -> bool {
    *args.return_field.data_type() == DataType::LargeBinary && !args.is_distinct
}

fn no_sum(ty: &str) -> datafusion::common::DataFusionError {
    external(
        SqlError::new(state::UNDEFINED_FUNCTION, format!("function sum({ty}) does not exist"))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
    )
}

static SINGLE: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(Single::new())));

/// `expr` aggregated to the value of its only row; 21000 when there are more.
pub(in crate::query) fn single(expr: Expr) -> Expr {
    SINGLE.call(vec![expr])
}

/// The value of the only row, NULL when there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Single {
    signature: Signature,
}

impl Single {
    fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Single {
    fn name(&self) -> &str {
        "pg_single"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        match arg_fields.first() {
            Some(field) => Ok(Arc::new(
                field
                    .as_ref()
                    .clone()
                    .with_name("pg_single")
                    .with_nullable(true),
            )),
            None => Err(external(SqlError::internal("pg_single takes one argument"))),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(SingleState {
            value: ScalarValue::try_from(args.return_field.data_type())?,
            rows: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(
                "value",
                args.return_field.data_type().clone(),
                true,
            )),
            Arc::new(Field::new("rows", DataType::UInt64, false)),
        ])
    }
}

#[derive(Debug)]
struct SingleState {
    value: ScalarValue,
    rows: u64,
}

impl SingleState {
    fn add(&mut self, value: ScalarValue, rows: u64) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        self.rows += rows;
        if self.rows > 1 {
            return Err(external(SqlError::new(
                state::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            )));
        }
        self.value = value;
        Ok(())
    }
}

impl Accumulator for SingleState {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else {
            return Ok(());
        };
        match array.len() {
            0 => Ok(()),
            rows => self.add(ScalarValue::try_from_array(array, 0)?, rows as u64),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.value.clone(),
            ScalarValue::UInt64(Some(self.rows)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else {
            return Err(external(SqlError::internal("pg_single has two states")));
        };
        for row in 0..values.len() {
            let ScalarValue::UInt64(Some(count)) = ScalarValue::try_from_array(rows, row)? else {
                continue;
            };
            self.add(ScalarValue::try_from_array(values, row)?, count)?;
        }
        Ok(())
    }
}
