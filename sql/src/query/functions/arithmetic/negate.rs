//! The minus sign before one number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeBinaryBuilder};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::super::error::external;
use super::super::super::plan::{field_type, field_with};
use super::super::float_key::with_one_nan;
use super::checked;
use super::operand::{self, Operand};
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;
use crate::types::numeric::wide;

/// `-x`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Negate {
    signature: Signature,
}

impl Negate {
    pub(in super::super) fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }

    /// The result type for an argument of this type.
    pub(in super::super) fn result(types: &[PgType]) -> SqlResult<PgType> {
        match types.first().map(|ty| ty.plain()).as_ref() {
            Some(
                ty @ (PgType::Int2
                | PgType::Int4
                | PgType::Int8
                | PgType::Float4
                | PgType::Float8
                | PgType::Numeric(_)
                | PgType::Interval),
            ) => Ok(*ty),
            other => Err(SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!(
                    "operator does not exist: - {}",
                    other.map_or("unknown", |ty| ty.base_name())
                ),
            )
            .hint("No operator matches the given name and argument type. You might need to add an explicit type cast.")),
        }
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "__neg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(field) = args.arg_fields.first() else {
            return Err(external(SqlError::internal("negation takes one operand")));
        };
        let plain = Field::new(self.name(), field.data_type().clone(), field.is_nullable());
        Ok(Arc::new(field_with(plain, field_type(field))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(argument) = args.args.first() else {
            return Err(external(SqlError::internal("negation takes one operand")));
        };
        let ty = args
            .arg_fields
            .first()
            .map_or(PgType::Int8, |f| field_type(f));
        let operand = Operand::of(argument)?;
        if let Some(wides) = operand.array.as_binary_opt::<i64>() {
            let result = negated(wides).map_err(external)?;
            return operand::value(result, operand.constant);
        }
        let result = numeric::neg(operand.array.as_ref()).map_err(|e| external(checked(e, ty)))?;
        operand::value(with_one_nan(result), operand.constant)
    }
}

/// Numerics in wide form with their signs changed.
fn negated(values: &LargeBinaryArray) -> SqlResult<ArrayRef> {
    let mut out = LargeBinaryBuilder::with_capacity(values.len(), values.value_data().len());
    for row in 0..values.len() {
        if values.is_null(row) {
            out.append_null();
        } else {
            out.append_value(wide::bytes(&wide::decode(values.value(row))?.negate()));
        }
    }
    Ok(Arc::new(out.finish()))
}
