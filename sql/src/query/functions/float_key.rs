//! `__float(x)`: what floats are sorted and grouped by. Arrow's total order puts the
//! negative zero before the positive one, and tells NaN from NaN by its sign;
//! PostgreSQL's order knows one zero and one NaN.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::external;
use crate::error::SqlError;

/// The name of the function.
pub(in crate::query) const NAME: &str = "__float";

/// What a float is sorted and grouped by; of a literal, at once.
pub(in crate::query) fn float_key(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Float64(value), metadata) => {
            Expr::Literal(ScalarValue::Float64(value.map(one_zero)), metadata)
        }
        Expr::Literal(ScalarValue::Float32(value), metadata) => {
            let value = value.map(|v| one_nan_32(v + 0.0));
            Expr::Literal(ScalarValue::Float32(value), metadata)
        }
        expr => ScalarUDF::new_from_impl(FloatKey::new()).call(vec![expr]),
    }
}

fn one_zero(value: f64) -> f64 {
    one_nan_64(value + 0.0)
}

fn one_nan_64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

fn one_nan_32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// Floats among which all NaN are the same; other arrays as they are.
pub(super) fn with_one_nan(array: ArrayRef) -> ArrayRef {
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        return Arc::new(values.unary::<_, Float64Type>(one_nan_64));
    }
    if let Some(values) = array.as_primitive_opt::<Float32Type>() {
        return Arc::new(values.unary::<_, Float32Type>(one_nan_32));
    }
    array
}

fn keys(array: &ArrayRef) -> Result<ArrayRef> {
    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
        return Ok(Arc::new(values.unary::<_, Float64Type>(one_zero)));
    }
    if let Some(values) = array.as_primitive_opt::<Float32Type>() {
        let key = |value| one_nan_32(value + 0.0);
        return Ok(Arc::new(values.unary::<_, Float32Type>(key)));
    }
    // The planner forgets the type of a CASE that is always NULL.
    if array.data_type().is_null() {
        return Ok(Arc::clone(array));
    }
    Err(external(SqlError::internal("a float's key is of floats")))
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FloatKey {
    signature: Signature,
}

impl FloatKey {
    fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for FloatKey {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => keys(array).map(ColumnarValue::Array),
            Some(ColumnarValue::Scalar(scalar)) => {
                let keys = keys(&scalar.to_array()?)?;
                ScalarValue::try_from_array(&keys, 0).map(ColumnarValue::Scalar)
            }
            None => Err(external(SqlError::internal("a float's key is of floats"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, missing_docs)]
    use super::*;
    use arrow::array::{Float32Array, Float64Array};

    #[test]
    fn there_is_one_zero_and_one_nan() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, -f64::NAN, -1.5]));
        let found = keys(&values).expect("floats");
        let found = found.as_primitive::<Float64Type>();
        let bits: Vec<u64> = found.values().iter().map(|v| v.to_bits()).collect();
        let wanted = [0.0, f64::NAN, -1.5].map(f64::to_bits);
        assert_eq!(bits, wanted);
        let values: ArrayRef = Arc::new(Float32Array::from(vec![-0.0, -f32::NAN]));
        let found = with_one_nan(values);
        let found = found.as_primitive::<Float32Type>();
        let bits: Vec<u32> = found.values().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [-0.0, f32::NAN].map(f32::to_bits));
    }
}
