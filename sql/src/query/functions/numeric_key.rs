//! `__key(x)`: what numerics in wide form are compared by, which is the form
//! without the scale; of an array, the array of its elements' keys. `__keytext(x)`
//! is the same as text, for window frames, whose planner takes no bytes; of other bytes
//! it is their text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, LargeBinaryArray, ListArray, StringViewBuilder,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::super::arrow_value::datum_at;
use super::super::error::external;
use crate::error::{SqlError, SqlResult};
use crate::types::numeric::wide;
use crate::types::{Datum, PgType};

/// The name of the function.
pub(in crate::query) const NAME: &str = "__key";

/// The key of an expression in wide form; of a literal, at once.
pub(in crate::query) fn numeric_key(expr: Expr) -> SqlResult<Expr> {
    if let Expr::Literal(ScalarValue::LargeBinary(bytes), _) = &expr {
        let key = match bytes {
            Some(bytes) => Some(wide::key_of(bytes)?.to_vec()),
            None => None,
        };
        return Ok(Expr::Literal(ScalarValue::BinaryView(key), None));
    }
    Ok(ScalarUDF::new_from_impl(NumericKey::new()).call(vec![expr]))
}

/// The key of an expression in wide form, as text in the order of the keys.
pub(in crate::query) fn numeric_key_text(expr: Expr) -> Expr {
    ScalarUDF::new_from_impl(KeyText(NumericKey::new())).call(vec![expr])
}

/// Bytes as text in the same order.
fn letters(key: &[u8]) -> String {
    let halves = key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(b'a' + half)).collect()
}

/// The function that gives keys as text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyText(NumericKey);

impl ScalarUDFImpl for KeyText {
    fn name(&self) -> &str {
        "__keytext"
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let array = arrays
            .first()
            .ok_or_else(|| external(no_numerics(&DataType::Null)))?;
        let mut out = StringViewBuilder::with_capacity(array.len());
        if let Some(values) = array.as_binary_opt::<i64>() {
            for value in values {
                let key = value.map(wide::key_of).transpose().map_err(external)?;
                out.append_option(key.map(letters));
            }
        } else if array.data_type().is_null() {
            return Ok(ColumnarValue::Array(new_null_array(
                &DataType::Utf8View,
                array.len(),
            )));
        } else {
            let values = array
                .as_binary_view_opt()
                .ok_or_else(|| external(no_numerics(array.data_type())))?;
            for value in values {
                out.append_option(value.map(letters));
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NumericKey {
    signature: Signature,
}

impl NumericKey {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

/// The type of the key of a value of the first of these types.
pub(super) fn result(types: &[PgType]) -> PgType {
    match types.first().and_then(|ty| ty.element()) {
        Some(_) => PgType::array_of(PgType::Bytea).unwrap_or(PgType::Bytea),
        None => PgType::Bytea,
    }
}

fn no_numerics(ty: &DataType) -> SqlError {
    SqlError::internal(format!("a key is of numerics in wide form, not of {ty}"))
}

fn key_item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::BinaryView, true))
}

fn keys(values: &LargeBinaryArray) -> SqlResult<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) {
            out.append_null();
        } else {
            out.append_value(wide::key_of(values.value(row))?);
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The keys of numerics that the engine keeps in a narrow form.
fn narrow_keys(values: &dyn Array) -> SqlResult<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(values.len());
    for row in 0..values.len() {
        match datum_at(values, row, PgType::Numeric(None))? {
            Datum::Numeric(number) => out.append_value(wide::key_of(&wide::bytes(&number))?),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn keys_of(array: &ArrayRef) -> SqlResult<ArrayRef> {
    // The planner forgets the type of a CASE that is always NULL.
    if array.data_type().is_null() {
        return Ok(new_null_array(&DataType::BinaryView, array.len()));
    }
    if let Some(values) = array.as_binary_opt::<i64>() {
        return keys(values);
    }
    if array.data_type().is_decimal() {
        return narrow_keys(array);
    }
    let unknown = || no_numerics(array.data_type());
    let lists = array.as_list_opt::<i32>().ok_or_else(unknown)?;
    let values = lists.values().as_binary_opt::<i64>().ok_or_else(unknown)?;
    let list = ListArray::try_new(
        key_item(),
        lists.offsets().clone(),
        keys(values)?,
        lists.nulls().cloned(),
    )
    .map_err(super::super::error::from_arrow)?;
    Ok(Arc::new(list))
}

impl ScalarUDFImpl for NumericKey {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match arg_types.first() {
            Some(DataType::List(_)) => DataType::List(key_item()),
            _ => DataType::BinaryView,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(
            NAME,
            self.return_type(&types)?,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => {
                keys_of(array).map(ColumnarValue::Array).map_err(external)
            }
            Some(ColumnarValue::Scalar(scalar)) => {
                let keys = keys_of(&scalar.to_array()?).map_err(external)?;
                ScalarValue::try_from_array(&keys, 0).map(ColumnarValue::Scalar)
            }
            None => Err(external(no_numerics(&DataType::Null))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, missing_docs)]
    use super::*;
    use crate::types::Numeric;
    use arrow::array::Decimal128Array;

    #[test]
    fn both_forms_of_a_numeric_have_one_key() {
        let narrow = Decimal128Array::from(vec![Some(1250), None, Some(-3)])
            .with_precision_and_scale(12, 2)
            .expect("a type");
        let texts = [Some("12.5"), None, Some("-0.030")];
        let wide = texts.map(|text| {
            let number = text.map(|text| Numeric::parse(text).expect("a number"));
            number.map(|number| wide::bytes(&number))
        });
        let wide: LargeBinaryArray = wide.into_iter().collect();
        let of_narrow = keys_of(&(Arc::new(narrow) as ArrayRef)).expect("keys");
        let of_wide = keys_of(&(Arc::new(wide) as ArrayRef)).expect("keys");
        assert_eq!(&of_narrow, &of_wide);
    }
}
