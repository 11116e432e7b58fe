//! A function whose overload is known: runs it over the rows.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::super::arrow_value::{array_of, datum_at, datum_of_scalar, scalar_as};
use super::super::super::catalog_table::catalog_of;
use super::super::super::error::external;
use super::super::super::plan::field_with;
use super::super::super::session_info::session_of;
use super::super::format_of;
use super::super::size::Made;
use super::super::strict;
use super::{Call, Overload};
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, PgType};

/// A function whose overload is chosen and whose arguments have its types.
#[derive(Debug)]
pub(in crate::query) struct ResolvedFunction {
    overload: &'static Overload,
    types: Vec<PgType>,
    /// The digits behind the point that a literal asks for. What becomes one later, as
    /// the planner computes constants, must not change the type of the result.
    scale: Option<i32>,
    signature: Signature,
}

impl ResolvedFunction {
    /// `types` are the types the arguments have now.
    pub(in crate::query) fn new(overload: &'static Overload, types: Vec<PgType>) -> Self {
        Self {
            signature: Signature::user_defined(overload.volatility),
            overload,
            types,
            scale: None,
        }
    }

    /// The same, called with these arguments.
    pub(in crate::query) fn with_literals(mut self, args: &[Expr]) -> Self {
        self.scale = self.overload.scale(|index| match args.get(index) {
            Some(Expr::Literal(value, _)) => Some(value.clone()),
            _ => None,
        });
        self
    }

    /// The result type.
    pub(in super::super) fn result(&self) -> PgType {
        self.overload.result(&self.types)
    }

    fn call(&self, call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
        if self.overload.strict && args.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        (self.overload.evaluate)(call, args)
    }

    fn constant(
        &self,
        call: &Call<'_>,
        args: &[ColumnarValue],
        target: &DataType,
    ) -> SqlResult<ColumnarValue> {
        let mut row = Vec::with_capacity(args.len());
        for (arg, ty) in args.iter().zip(&self.types) {
            if let ColumnarValue::Scalar(scalar) = arg {
                row.push(datum_of_scalar(scalar, *ty)?);
            }
        }
        let value = self.call(call, &row)?;
        Made::default().add(&value)?;
        scalar_as(&value, target).map(ColumnarValue::Scalar)
    }

    fn rows(
        &self,
        call: &Call<'_>,
        args: &[ColumnarValue],
        rows: usize,
        target: &DataType,
    ) -> SqlResult<ColumnarValue> {
        let mut constants = Vec::with_capacity(args.len());
        for (arg, ty) in args.iter().zip(&self.types) {
            constants.push(match arg {
                ColumnarValue::Scalar(scalar) => Some(datum_of_scalar(scalar, *ty)?),
                ColumnarValue::Array(_) => None,
            });
        }
        let mut made = Made::default();
        let mut results = Vec::with_capacity(rows);
        let mut values = Vec::with_capacity(args.len());
        for row in 0..rows {
            values.clear();
            for ((arg, constant), ty) in args.iter().zip(&constants).zip(&self.types) {
                values.push(match (arg, constant) {
                    (_, Some(value)) => value.clone(),
                    (ColumnarValue::Array(array), None) => datum_at(array.as_ref(), row, *ty)?,
                    (ColumnarValue::Scalar(_), None) => Datum::Null,
                });
            }
            let value = self.call(call, &values)?;
            made.add(&value)?;
            results.push(value);
        }
        array_of(&results, target).map(ColumnarValue::Array)
    }
}

impl PartialEq for ResolvedFunction {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.overload, other.overload)
            && self.types == other.types
            && self.scale == other.scale
    }
}

impl Eq for ResolvedFunction {}

impl Hash for ResolvedFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.overload.name.hash(state);
        self.types.hash(state);
    }
}

impl ScalarUDFImpl for ResolvedFunction {
    fn name(&self) -> &str {
        self.overload.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Err(external(SqlError::internal(
            "the type depends on the arguments",
        )))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(field_with(
            Field::new(
                self.overload.name,
                self.overload.arrow_result(&args, &self.types, self.scale),
                true,
            ),
            self.result(),
        )))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.overload.strict {
            true => strict::simplified(self, args, info),
            false => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call {
            session: session_of(&args.config_options).map(Arc::as_ref),
            catalog: catalog_of(&args.config_options).map(Arc::as_ref),
            format: format_of(&args.config_options),
            types: &self.types,
        };
        let target = args.return_field.data_type();
        let constant = self.overload.volatility != Volatility::Volatile
            && args
                .args
                .iter()
                .all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let result = if constant {
            self.constant(&call, &args.args, target)
        } else {
            self.rows(&call, &args.args, args.number_rows, target)
        };
        result.map_err(external)
    }
}
