//! `__value(x)` is `x` in a VALUES list whose columns have no types yet (see
//! `plan::syntax::mixed_values`).

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::external;
use crate::error::SqlError;

/// The name of the function.
const NAME: &str = "__value";

/// A value without a type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Value {
    signature: Signature,
}

impl Value {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

/// The value itself.
pub(in crate::query) fn shown_value(expr: Expr) -> Expr {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, mut args })
            if func.name() == NAME && args.len() == 1 =>
        {
            args.pop().unwrap_or_default()
        }
        Expr::Alias(alias) => shown_value(*alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_null() => shown_value(*cast.expr),
        other => other,
    }
}

impl ScalarUDFImpl for Value {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Null)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(SqlError::internal("a value was not settled")))
    }
}
