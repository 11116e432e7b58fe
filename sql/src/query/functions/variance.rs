//! `variance`, `stddev` and their kin with PostgreSQL's results: numeric for
//! integers and numerics, from the exact sums of values and squares; double
//! precision for floats, added up as PostgreSQL does.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use super::super::arrow_value::datum_at;
use super::super::error::external;
use super::numeric_sum::NumericSum;
use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::wide;
use crate::types::{Datum, Numeric, PgType};

/// The functions, each under the name DataFusion's planner asks for.
pub(super) fn all() -> impl Iterator<Item = Arc<AggregateUDF>> {
    [
        ("var", Of::Sample, false),
        ("var_samp", Of::Sample, false),
        ("var_sample", Of::Sample, false),
        ("var_pop", Of::Population, false),
        ("stddev", Of::Sample, true),
        ("stddev_samp", Of::Sample, true),
        ("stddev_pop", Of::Population, true),
    ]
    .into_iter()
    .map(|(name, of, root)| {
        Arc::new(AggregateUDF::new_from_impl(Spread {
            name,
            of,
            root,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    })
}

/// The type of the result for values of a type.
pub(in crate::query) fn result(ty: PgType) -> PgType {
    match ty {
        PgType::Float4 | PgType::Float8 => PgType::Float8,
        _ => PgType::Numeric(None),
    }
}

/// Whether an aggregate is one of these.
pub(in crate::query) fn is_spread(name: &str) -> bool {
    matches!(
        name,
        "var" | "var_samp" | "var_sample" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop"
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Sample,
    Population,
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Spread {
    name: &'static str,
    of: Of,
    /// Whether the square root is wanted.
    root: bool,
    signature: Signature,
}

fn is_float(ty: &DataType) -> bool {
    matches!(ty, DataType::Float32 | DataType::Float64 | DataType::Null)
}

impl AggregateUDFImpl for Spread {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let known = |ty: &DataType| {
            is_float(ty) || ty.is_integer() || ty.is_decimal() || *ty == DataType::LargeBinary
        };
        match arg_types {
            [DataType::Float32 | DataType::Null] => Ok(vec![DataType::Float64]),
            [ty] if known(ty) => Ok(vec![ty.clone()]),
            other => {
                let types: Vec<&str> = other
                    .iter()
                    .map(|ty| super::super::plan::type_of_arrow(ty).base_name())
                    .collect();
                Err(external(
                    SqlError::new(
                        state::UNDEFINED_FUNCTION,
                        format!("function {}({}) does not exist", self.name, types.join(", ")),
                    )
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
                ))
            }
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match arg_types.first() {
            Some(ty) if !is_float(ty) => DataType::LargeBinary,
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let float = matches!(args.return_field.data_type(), DataType::Float64);
        Ok(if float {
            Box::new(FloatSpread {
                of: self.of,
                root: self.root,
                count: 0.0,
                sum: 0.0,
                squares: 0.0,
            })
        } else {
            Box::new(NumericSpread {
                of: self.of,
                root: self.root,
                count: 0,
                sum: NumericSum::default(),
                squares: NumericSum::default(),
            })
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let ty = args.return_field.data_type();
        let count = match ty {
            DataType::Float64 => DataType::Float64,
            _ => DataType::Int64,
        };
        Ok(vec![
            Arc::new(Field::new("count", count, true)),
            Arc::new(Field::new("sum", ty.clone(), true)),
            Arc::new(Field::new("squares", ty.clone(), true)),
        ])
    }
}

/// The spread of integers and numerics.
#[derive(Debug)]
struct NumericSpread {
    of: Of,
    root: bool,
    count: i64,
    sum: NumericSum,
    squares: NumericSum,
}

impl NumericSpread {
    fn add(&mut self, value: &Numeric) -> SqlResult<()> {
        self.count += 1;
        self.sum.add(value)?;
        if value.is_finite() {
            self.squares.add(&value.multiply(value)?)?;
        }
        Ok(())
    }

    fn result(&self) -> SqlResult<Option<Numeric>> {
        let least = if self.of == Of::Sample { 2 } else { 1 };
        if self.count < least {
            return Ok(None);
        }
        if self.sum.is_special() {
            return Ok(Some(Numeric::NAN));
        }
        let (Some(sum), Some(squares)) = (self.sum.value(), self.squares.value()) else {
            return Ok(None);
        };
        let count = Numeric::from(self.count);
        // count * sum of squares - square of the sum, over count * (count - 1).
        let numerator = count.multiply(&squares)?.subtract(&sum.multiply(&sum)?)?;
        if numerator.is_zero() || numerator.is_negative() {
            return Ok(Some(Numeric::ZERO));
        }
        let divisor = match self.of {
            Of::Sample => count.multiply(&Numeric::from(self.count - 1))?,
            Of::Population => count.multiply(&count)?,
        };
        let variance = numerator.divide(&divisor)?;
        let scale = variance.scale();
        Ok(Some(if self.root {
            variance.sqrt_to(scale)
        } else {
            variance
        }))
    }
}

fn wide_scalar(value: Option<Numeric>) -> ScalarValue {
    ScalarValue::LargeBinary(value.map(|value| wide::bytes(&value)))
}

impl Accumulator for NumericSpread {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else {
            return Ok(());
        };
        for row in 0..array.len() {
            let value = datum_at(array.as_ref(), row, PgType::Numeric(None)).map_err(external)?;
            if let Datum::Numeric(value) = value {
                self.add(&value).map_err(external)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.result().map(wide_scalar).map_err(external)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.count)),
            wide_scalar(self.sum.value()),
            wide_scalar(self.squares.value()),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [counts, sums, squares] = states else {
            return Err(external(SqlError::internal("a spread has three states")));
        };
        for row in 0..counts.len() {
            let at = |array: &ArrayRef, ty| datum_at(array.as_ref(), row, ty).map_err(external);
            if let Datum::Int8(count) = at(counts, PgType::Int8)? {
                self.count += count;
            }
            if let Datum::Numeric(sum) = at(sums, PgType::Numeric(None))? {
                self.sum.add(&sum).map_err(external)?;
            }
            if let Datum::Numeric(sum) = at(squares, PgType::Numeric(None))? {
                self.squares.add(&sum).map_err(external)?;
            }
        }
        Ok(())
    }
}

/// The spread of floats.
#[derive(Debug)]
struct FloatSpread {
    of: Of,
    root: bool,
    count: f64,
    sum: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

fn overflow() -> datafusion::common::DataFusionError {
    external(SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        "value out of range: overflow",
    ))
}

impl FloatSpread {
    fn add(&mut self, value: f64) -> Result<()> {
        let (sum, count) = (self.sum, self.count);
        self.count += 1.0;
        self.sum += value;
        if count > 0.0 {
            let distance = value * self.count - self.sum;
            self.squares += distance * distance / (self.count * count);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !sum.is_infinite() && !value.is_infinite() {
                    return Err(overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn join(&mut self, count: f64, sum: f64, squares: f64) -> Result<()> {
        if count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            (self.count, self.sum, self.squares) = (count, sum, squares);
            return Ok(());
        }
        let total = self.count + count;
        let distance = self.sum / self.count - sum / count;
        let squares = self.squares + squares + self.count * count * distance * distance / total;
        if squares.is_infinite() && !self.squares.is_infinite() {
            return Err(overflow());
        }
        (self.count, self.sum, self.squares) = (total, self.sum + sum, squares);
        Ok(())
    }
}

impl Accumulator for FloatSpread {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(array) = values.first() else {
            return Ok(());
        };
        for row in 0..array.len() {
            if let Datum::Float8(value) =
                datum_at(array.as_ref(), row, PgType::Float8).map_err(external)?
            {
                self.add(value)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let divisor = match self.of {
            Of::Sample => self.count - 1.0,
            Of::Population => self.count,
        };
        if divisor <= 0.0 {
            return Ok(ScalarValue::Float64(None));
        }
        let variance = self.squares / divisor;
        Ok(ScalarValue::Float64(Some(if self.root {
            variance.sqrt()
        } else {
            variance
        })))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Float64(Some(self.count)),
            ScalarValue::Float64(Some(self.sum)),
            ScalarValue::Float64(Some(self.squares)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [counts, sums, squares] = states else {
            return Err(external(SqlError::internal("a spread has three states")));
        };
        for row in 0..counts.len() {
            let at = |array: &ArrayRef| -> Result<f64> {
                match datum_at(array.as_ref(), row, PgType::Float8).map_err(external)? {
                    Datum::Float8(value) => Ok(value),
                    _ => Ok(0.0),
                }
            };
            self.join(at(counts)?, at(sums)?, at(squares)?)?;
        }
        Ok(())
    }
}
