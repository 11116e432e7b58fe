//! `ROW(…)::type`: a value of a composite type out of values of its attributes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::arrow_value::{array_of, datum_at};
use super::error::external;
use super::plan::{arrow_type, field_with};
use crate::error::{SqlError, SqlResult};
use crate::types::record::RecordValue;
use crate::types::user::UserType;
use crate::types::{Datum, PgType};

/// The row of a composite type whose attributes have these values, which are of the
/// attributes' types.
pub(super) fn row_value(user: &'static UserType, values: Vec<Expr>) -> Expr {
    ScalarUDF::new_from_impl(RowValue::new(user)).call(values)
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowValue {
    user: &'static UserType,
    signature: Signature,
    name: String,
}

impl RowValue {
    fn new(user: &'static UserType) -> Self {
        let count = user.attributes().len();
        Self {
            user,
            signature: match count {
                0 => Signature::nullary(Volatility::Immutable),
                _ => Signature::any(count, Volatility::Immutable),
            },
            name: format!("__row_{}", PgType::Composite(user).oid()),
        }
    }

    fn ty(&self) -> PgType {
        PgType::Composite(self.user)
    }

    fn row(&self, columns: &[ArrayRef], row: usize) -> SqlResult<Datum> {
        let attributes = columns.iter().zip(self.user.attributes());
        let values = attributes.map(|(column, a)| datum_at(column.as_ref(), row, a.ty));
        Ok(RecordValue::datum(
            self.user,
            values.collect::<SqlResult<_>>()?,
        ))
    }
}

impl ScalarUDFImpl for RowValue {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(arrow_type(self.ty()))
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(&self.name, arrow_type(self.ty()), false);
        Ok(Arc::new(field_with(field, self.ty())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| arg.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        let rows: SqlResult<Vec<_>> = (0..args.number_rows)
            .map(|row| self.row(&columns, row))
            .collect();
        rows.and_then(|rows| array_of(&rows, &arrow_type(self.ty())))
            .map(ColumnarValue::Array)
            .map_err(external)
    }
}

/// The error for a row that has not as many values as the type has attributes.
pub(super) fn other_count(user: &'static UserType, values: usize) -> SqlError {
    let many = if values > user.attributes().len() {
        "many"
    } else {
        "few"
    };
    SqlError::new(
        crate::error::state::CANNOT_COERCE,
        format!(
            "cannot cast type record to {}",
            PgType::Composite(user).base_name()
        ),
    )
    .detail(format!("Input has too {many} columns."))
}
