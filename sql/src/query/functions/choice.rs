//! COALESCE, NULLIF, GREATEST and LEAST.
//!
//! Which type they have follows PostgreSQL's rules, which the analysis applies; until
//! then they take anything, where DataFusion's own would already refuse, say, an
//! integer beside a numeric. GREATEST and LEAST of types whose Arrow values have
//! another order than PostgreSQL's compare keys.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{interleave, nullif};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::functions::core;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::arrow_value::datum_at;
use super::super::error::external;
use super::super::plan::compared_by_key;
use crate::error::SqlError;
use crate::types::{PgType, key};

/// Whether a function is one of these, before or after it is settled.
pub(in crate::query) fn is_choice(name: &str) -> bool {
    matches!(name, "coalesce" | "nullif" | "greatest" | "least")
}

/// The functions for calls that are not analysed yet.
pub(super) fn open() -> Vec<Arc<ScalarUDF>> {
    ["coalesce", "nullif", "greatest", "least"]
        .map(|name| Arc::new(ScalarUDF::new_from_impl(Open::new(name))))
        .into()
}

/// A call whose arguments have one type.
pub(in crate::query) fn settled(name: &str, args: Vec<Expr>, ty: PgType, arrow: &DataType) -> Expr {
    match name {
        "nullif" if is_plain(arrow, ty) => core::nullif().call(args),
        "nullif" => ScalarUDF::new_from_impl(NullIf::new(ty)).call(args),
        "greatest" | "least" if is_plain(arrow, ty) => {
            let function = if name == "least" {
                core::least()
            } else {
                core::greatest()
            };
            function.call(args)
        }
        "greatest" => ScalarUDF::new_from_impl(Extreme::new("greatest", ty)).call(args),
        "least" => ScalarUDF::new_from_impl(Extreme::new("least", ty)).call(args),
        _ => core::coalesce().call(args),
    }
}

/// Whether Arrow orders values as PostgreSQL does: it knows two zeros of floats.
fn is_plain(arrow: &DataType, ty: PgType) -> bool {
    if compared_by_key(ty) {
        return false;
    }
    matches!(
        arrow,
        DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_)
    ) || arrow.is_string()
        || arrow.is_integer()
        || arrow.is_decimal()
}

/// A call that is not analysed yet.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Open {
    name: &'static str,
    signature: Signature,
}

impl Open {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Open {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let known = types.iter().find(|ty| !ty.is_null());
        Ok(known.cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(SqlError::internal(format!(
            "{} was not analysed",
            self.name
        ))))
    }
}

/// GREATEST or LEAST by the keys of the values.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    name: &'static str,
    ty: PgType,
    signature: Signature,
}

impl Extreme {
    fn new(name: &'static str, ty: PgType) -> Self {
        Self {
            name,
            ty,
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }

    /// Which of the arrays has the value of a row; the first when all are NULL.
    fn place(&self, arrays: &[ArrayRef], row: usize) -> Result<usize> {
        let mut best: Option<(usize, Vec<u8>)> = None;
        for (number, array) in arrays.iter().enumerate() {
            if array.is_null(row) {
                continue;
            }
            let value = datum_at(array.as_ref(), row, self.ty).map_err(external)?;
            let mut own = Vec::new();
            key::encode(&value, &mut own).map_err(external)?;
            let better = best.as_ref().is_none_or(|(_, best)| {
                if self.name == "least" {
                    own < *best
                } else {
                    own > *best
                }
            });
            if better {
                best = Some((number, own));
            }
        }
        Ok(best.map_or(0, |(number, _)| number))
    }
}

impl ScalarUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let places = (0..args.number_rows)
            .map(|row| Ok((self.place(&arrays, row)?, row)))
            .collect::<Result<Vec<_>>>()?;
        let values: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(interleave(&values, &places)?))
    }
}

/// NULLIF by the keys of the values.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NullIf {
    ty: PgType,
    signature: Signature,
}

impl NullIf {
    fn new(ty: PgType) -> Self {
        Self {
            ty,
            signature: Signature::any(2, Volatility::Immutable),
        }
    }

    /// What a value is compared by; nothing for NULL.
    fn key(&self, array: &ArrayRef, row: usize) -> Result<Option<Vec<u8>>> {
        if array.is_null(row) {
            return Ok(None);
        }
        let value = datum_at(array.as_ref(), row, self.ty).map_err(external)?;
        let mut bytes = Vec::new();
        key::encode(&value, &mut bytes).map_err(external)?;
        Ok(Some(bytes))
    }
}

impl ScalarUDFImpl for NullIf {
    fn name(&self) -> &str {
        "nullif"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, other] = args.args.as_slice() else {
            return Err(external(SqlError::internal("nullif takes two arguments")));
        };
        let value = value.to_array(args.number_rows)?;
        let other = other.to_array(args.number_rows)?;
        let equal = (0..args.number_rows)
            .map(|row| {
                let key = self.key(&value, row)?;
                Ok(Some(key.is_some() && key == self.key(&other, row)?))
            })
            .collect::<Result<BooleanArray>>()?;
        Ok(ColumnarValue::Array(nullif(value.as_ref(), &equal)?))
    }
}
