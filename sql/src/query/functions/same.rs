//! `__same(x)` is `x`, of which the planner knows nothing.
//!
//! DataFusion keeps track of which columns determine others, and of which have one
//! value. Of an aggregation over a join it takes it that a key of one side determines
//! all columns, and of grouping sets that a column with one value below has it above,
//! where it is NULL in some sets, or that two equal ones are equal in all: sort keys and groups are lost. What it is not told, it
//! does not conclude.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};

use super::super::error::external;
use crate::error::SqlError;

/// The name of the function.
pub(in crate::query) const NAME: &str = "__same";

/// The expression itself.
pub(in crate::query) fn same(expr: Expr) -> Expr {
    ScalarUDF::new_from_impl(Same::new()).call(vec![expr])
}

/// The same, of which is also hidden whether it has one value only, and whether it has
/// that of another expression with another number.
pub(in crate::query) fn same_in_part(expr: Expr, number: usize) -> Expr {
    // What depends on something that may change has no one value.
    let changing = ScalarUDF::new_from_impl(Changing::new()).call(Vec::new());
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    ScalarUDF::new_from_impl(Same::new()).call(vec![expr, changing, lit(number)])
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Same {
    signature: Signature,
}

impl Same {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(field) = args.arg_fields.first() else {
            return Err(external(SqlError::internal("__same takes one argument")));
        };
        let own = Field::new(NAME, field.data_type().clone(), field.is_nullable());
        Ok(Arc::new(own.with_metadata(field.metadata().clone())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let own = args.args.into_iter().next();
        own.ok_or_else(|| external(SqlError::internal("__same takes one argument")))
    }
}

/// `__changing()`: NULL, which the planner takes for something that may change.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Changing {
    signature: Signature,
}

impl Changing {
    fn new() -> Self {
        Self {
            signature: Signature::exact(Vec::new(), Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for Changing {
    fn name(&self) -> &str {
        "__changing"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)))
    }
}
