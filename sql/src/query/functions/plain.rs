//! `__plain(x)` is `x` as a value of its type and nothing more: not a column of
//! a table. The terms of a recursive query must agree on what their columns are.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::external;
use super::super::plan::{bare, field_type, field_with};
use crate::error::SqlError;
use crate::types::PgType;

/// The identity.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Plain {
    signature: Signature,
}

impl Plain {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }

    /// The result type for an argument of this type.
    pub(super) fn result(types: &[PgType]) -> PgType {
        match types.first().copied().map(bare) {
            Some(PgType::Unknown | PgType::Varchar(_)) | None => PgType::Text,
            Some(ty) => ty,
        }
    }
}

impl ScalarUDFImpl for Plain {
    fn name(&self) -> &str {
        "__plain"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(field) = args.arg_fields.first() else {
            return Err(external(SqlError::internal("__plain takes one argument")));
        };
        let ty = Self::result(&[field_type(field)]);
        let plain = Field::new(self.name(), field.data_type().clone(), true);
        Ok(Arc::new(field_with(plain, ty)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => Err(external(SqlError::internal("__plain takes one argument"))),
        }
    }
}
