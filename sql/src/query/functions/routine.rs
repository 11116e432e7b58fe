//! `__argument(x, type, function)` and `__result(x, type)`: values that go into and
//! come out of users' functions, until they are settled.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::external;
use super::overload::Overload;
use crate::error::SqlError;
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[Overload::new("__void", &[], PgType::Void, |_, _| {
    Ok(Datum::text(""))
})];

/// A value whose type its place says.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RoutineValue {
    name: &'static str,
    signature: Signature,
}

impl RoutineValue {
    /// Both functions.
    pub(super) fn all() -> [Self; 2] {
        let of = |name, count| Self {
            name,
            signature: Signature::any(count, Volatility::Immutable),
        };
        [of("__argument", 3), of("__result", 2)]
    }
}

impl ScalarUDFImpl for RoutineValue {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(SqlError::internal(
            "a value of a function was not settled",
        )))
    }
}
