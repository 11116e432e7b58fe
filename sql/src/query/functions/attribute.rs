//! `__attribute(row, 'name')`: what `(row).name` means.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::arrow_value::{array_of, datum_at};
use super::super::error::external;
use super::super::plan::{arrow_type, field_type, field_with};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// The name of the function.
pub(in crate::query) const ATTRIBUTE: &str = "__attribute";

/// The first member of the pairs that `information_schema._pg_expandarray` gives, which
/// have one only: a pair is its element.
const ELEMENT: &str = "x";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AttributeOf {
    signature: Signature,
}

/// What a name says about a value.
enum Place {
    /// The attribute at this place of its type, and the attribute's type.
    At(usize, PgType),
    /// The value itself.
    Itself,
}

fn place(row: &Field, name: &str) -> SqlResult<Place> {
    let ty = field_type(row);
    let PgType::Composite(user) = ty else {
        if name == ELEMENT {
            return Ok(Place::Itself);
        }
        return Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!(
                "column notation .{name} applied to type {}, which is not a composite type",
                ty.base_name()
            ),
        ));
    };
    let mut attributes = user.attributes().iter().enumerate();
    match attributes.find(|(_, attribute)| attribute.name == name) {
        Some((index, attribute)) => Ok(Place::At(index, attribute.ty)),
        None => Err(SqlError::new(
            state::UNDEFINED_COLUMN,
            format!(
                "column \"{name}\" not found in data type {}",
                ty.base_name()
            ),
        )),
    }
}

fn name_of(scalar: Option<&ScalarValue>) -> SqlResult<&str> {
    scalar
        .and_then(|scalar| scalar.try_as_str().flatten())
        .ok_or_else(|| {
            let what = "an attribute whose name is not a constant";
            SqlError::unsupported(what)
        })
}

/// The attribute at a place of each row; rows have fewer values than their type when
/// attributes were added to it.
fn values(rows: &dyn Array, ty: PgType, index: usize, wanted: PgType) -> SqlResult<ColumnarValue> {
    let value = |row| match datum_at(rows, row, ty)? {
        Datum::Record(mut record) if index < record.values.len() => {
            Ok(record.values.swap_remove(index))
        }
        _ => Ok(Datum::Null),
    };
    let values: Vec<Datum> = (0..rows.len()).map(value).collect::<SqlResult<_>>()?;
    array_of(&values, &arrow_type(wanted)).map(ColumnarValue::Array)
}

impl AttributeOf {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for AttributeOf {
    fn name(&self) -> &str {
        ATTRIBUTE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Err(external(SqlError::internal("an attribute without its row")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [row, _] = args.arg_fields else {
            return Err(external(SqlError::internal("an attribute without its row")));
        };
        let name = name_of(args.scalar_arguments.get(1).copied().flatten()).map_err(external)?;
        Ok(match place(row, name).map_err(external)? {
            Place::At(_, ty) => Arc::new(field_with(Field::new(name, arrow_type(ty), true), ty)),
            Place::Itself => Arc::clone(row),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([row, ColumnarValue::Scalar(name)], Some(field)) =
            (args.args.as_slice(), args.arg_fields.first())
        else {
            return Err(external(SqlError::internal("an attribute without its row")));
        };
        let name = name_of(Some(name)).map_err(external)?;
        match place(field, name).map_err(external)? {
            Place::Itself => Ok(row.clone()),
            Place::At(index, wanted) => {
                let rows = row.to_array(args.number_rows)?;
                values(rows.as_ref(), field_type(field), index, wanted).map_err(external)
            }
        }
    }
}
