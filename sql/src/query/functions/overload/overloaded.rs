//! A function as the planner meets it by name: which overload is meant is open.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::super::error::external;
use super::super::super::plan::{field_type, field_with};
use super::{Overload, best};
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;

/// A function whose overload is not chosen yet.
#[derive(Debug)]
pub(in super::super) struct OverloadedFunction {
    name: &'static str,
    overloads: Vec<&'static Overload>,
    signature: Signature,
}

impl OverloadedFunction {
    pub(in super::super) fn new(name: &'static str, overloads: Vec<&'static Overload>) -> Self {
        let volatility = overloads
            .iter()
            .map(|o| o.volatility)
            .max()
            .unwrap_or(Volatility::Volatile);
        Self {
            name,
            overloads,
            signature: Signature::user_defined(volatility),
        }
    }

    /// The overload for these types.
    pub(in super::super) fn choose(&self, types: &[PgType]) -> SqlResult<&'static Overload> {
        best(&self.overloads, types).ok_or_else(|| {
            if let Some(error) = super::super::array::no_overload(self.name, types) {
                return error;
            }
            let types: Vec<&str> = types.iter().map(|ty| ty.base_name()).collect();
            SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!("function {}({}) does not exist", self.name, types.join(", ")),
            )
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
        })
    }
}

impl PartialEq for OverloadedFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OverloadedFunction {}

impl Hash for OverloadedFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OverloadedFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Err(external(SqlError::internal(
            "an overloaded function has no single type",
        )))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<PgType> = args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .map(|(field, scalar)| match (field_type(field), scalar) {
                (PgType::Text, Some(_)) if field.metadata().is_empty() => PgType::Unknown,
                (ty, _) => ty,
            })
            .collect();
        let overload = match self.choose(&types) {
            Ok(overload) => overload,
            // What is not settled yet does not say which array or JSON it gives:
            // subqueries, COALESCE. Settling the call chooses again.
            Err(_) if args.arg_fields.iter().any(|field| is_unsaid(field)) => {
                return Ok(Arc::new(Field::new(self.name, DataType::Null, true)));
            }
            Err(error) => return Err(external(error)),
        };
        let literal = |i: usize| args.scalar_arguments.get(i).copied().flatten().cloned();
        let arrow = overload.arrow_result(&args, &types, overload.scale(literal));
        Ok(Arc::new(field_with(
            Field::new(self.name, arrow, true),
            overload.result(&types),
        )))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(SqlError::internal(format!(
            "{} was not resolved",
            self.name
        ))))
    }
}

/// Whether a field is of bytes that may be an array, or of text that may be JSON.
fn is_unsaid(field: &Field) -> bool {
    let may_be = matches!(field.data_type(), DataType::BinaryView | DataType::Utf8View);
    may_be && field.metadata().is_empty()
}
