//! `avg(x)` is computed as `__avg(sum(x), count(x))`: the sum has PostgreSQL's
//! type already, and the quotient is rounded as PostgreSQL rounds it.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::arrow_value::{array_of, datum_at};
use super::super::error::external;
use super::super::plan::field_with;
use super::interval::times;
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, Numeric, PgType};

/// The quotient of a sum and a count; NULL when the count is zero.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    signature: Signature,
}

impl Average {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }

    /// The type of an average whose sum has the first of these types.
    pub(super) fn result(types: &[PgType]) -> PgType {
        match types.first() {
            Some(PgType::Float4 | PgType::Float8) => PgType::Float8,
            Some(PgType::Interval) => PgType::Interval,
            _ => PgType::Numeric(None),
        }
    }

    fn arrow_result(sum: &DataType) -> DataType {
        match sum {
            DataType::Float64 | DataType::Float32 => DataType::Float64,
            interval @ DataType::Interval(_) => interval.clone(),
            _ => DataType::LargeBinary,
        }
    }
}

impl ScalarUDFImpl for Average {
    fn name(&self) -> &str {
        "__avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types.first() {
            Some(sum) => Ok(Self::arrow_result(sum)),
            None => Err(external(SqlError::internal("avg takes a sum and a count"))),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let target = self.return_type(&types)?;
        let ty = match target {
            DataType::Float64 => PgType::Float8,
            DataType::Interval(_) => PgType::Interval,
            _ => PgType::Numeric(None),
        };
        Ok(Arc::new(field_with(Field::new("avg", target, true), ty)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [sums, counts] = arrays.as_slice() else {
            return Err(external(SqlError::internal("avg takes a sum and a count")));
        };
        let counts = arrow::compute::cast(counts, &DataType::Int64)?;
        let counts = counts.as_primitive::<Int64Type>();
        if sums.data_type() == &DataType::Float64 {
            let sums = sums.as_primitive::<Float64Type>();
            let values = sums.iter().zip(counts).map(|pair| match pair {
                (Some(sum), Some(count)) if count != 0 => Some(sum / count as f64),
                _ => None,
            });
            return Ok(ColumnarValue::Array(Arc::new(Float64Array::from_iter(
                values,
            ))));
        }
        let target = args.return_field.data_type();
        let ty = match target {
            DataType::Interval(_) => PgType::Interval,
            _ => PgType::Numeric(None),
        };
        let rows = (0..sums.len())
            .map(|row| {
                let count = if counts.is_null(row) {
                    0
                } else {
                    counts.value(row)
                };
                average(&datum_at(sums.as_ref(), row, ty)?, count)
            })
            .collect::<SqlResult<Vec<_>>>()
            .and_then(|values| array_of(&values, target))
            .map_err(external)?;
        Ok(ColumnarValue::Array(rows))
    }
}

fn average(sum: &Datum, count: i64) -> SqlResult<Datum> {
    match sum {
        Datum::Numeric(sum) if count != 0 => sum.divide(&Numeric::from(count)).map(Datum::Numeric),
        Datum::Interval(_) if count != 0 => times(sum, &Datum::Float8(1.0 / count as f64)),
        _ => Ok(Datum::Null),
    }
}
