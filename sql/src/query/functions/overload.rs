//! Functions with several argument types, and choosing between them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::arrow_value::{array_of, datum_at, datum_of_scalar, scalar_as};
use super::super::catalog_table::catalog_of;
use super::super::error::external;
use super::super::plan::{NUMERIC_SCALE, arrow_type, field_type, field_with, implicit};
use super::super::session_info::{SessionInfo, session_of};
use super::format_of;
use crate::catalog::Catalog;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType, SessionFormat};

/// What an argument may be.
#[derive(Debug, Clone, Copy)]
pub(in crate::query) enum Arg {
    /// This type, or one that casts to it without being asked.
    Is(PgType),
    /// Any type.
    Any,
}

/// What a function gives.
#[derive(Debug, Clone, Copy)]
pub(in crate::query) enum Gives {
    /// This type.
    Type(PgType),
    /// `numeric` with this many digits after the point.
    Numeric(i8),
    /// `numeric` with as many digits after the point as this argument says, when
    /// it is a constant.
    ScaledBy(usize),
    /// `numeric` as wide as this argument.
    Like(usize),
}

/// What an evaluation may ask for.
pub(in crate::query) struct Call<'a> {
    /// The session, unless the function runs outside of one.
    pub(in crate::query) session: Option<&'a SessionInfo>,
    /// The catalog the statement was planned with.
    pub(in crate::query) catalog: Option<&'a Catalog>,
    /// How values are read and written as text.
    pub(in crate::query) format: SessionFormat,
    /// Types of the arguments.
    pub(in crate::query) types: &'a [PgType],
}

/// Computes one result.
pub(in crate::query) type Evaluate = fn(&Call<'_>, &[Datum]) -> SqlResult<Datum>;

/// A function for certain argument types.
#[derive(Debug)]
pub(in crate::query) struct Overload {
    /// The name it is called by.
    pub(in crate::query) name: &'static str,
    /// Its arguments.
    pub(in crate::query) args: &'static [Arg],
    /// Whether the last argument may repeat.
    pub(in crate::query) variadic: bool,
    /// Its result.
    pub(in crate::query) gives: Gives,
    /// Whether a NULL argument makes the result NULL without a call.
    pub(in crate::query) strict: bool,
    /// How much results depend on more than the arguments.
    pub(in crate::query) volatility: Volatility,
    /// The function.
    pub(in crate::query) evaluate: Evaluate,
}

impl Overload {
    /// A strict, immutable function.
    pub(in crate::query) const fn new(
        name: &'static str,
        args: &'static [Arg],
        gives: PgType,
        evaluate: Evaluate,
    ) -> Self {
        Self {
            name,
            args,
            variadic: false,
            gives: Gives::Type(gives),
            strict: true,
            volatility: Volatility::Immutable,
            evaluate,
        }
    }

    /// The same with a `numeric` result.
    pub(in crate::query) const fn numeric(mut self, scale: i8) -> Self {
        self.gives = Gives::Numeric(scale);
        self
    }

    /// The same with a `numeric` result whose scale is the value of an argument.
    pub(in crate::query) const fn scaled_by(mut self, argument: usize) -> Self {
        self.gives = Gives::ScaledBy(argument);
        self
    }

    /// The same with a `numeric` result of the precision of an argument.
    pub(in crate::query) const fn like(mut self, argument: usize) -> Self {
        self.gives = Gives::Like(argument);
        self
    }

    /// The same, fixed only within a statement.
    pub(in crate::query) const fn stable(mut self) -> Self {
        self.volatility = Volatility::Stable;
        self
    }

    /// The same, new for every row.
    pub(in crate::query) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    /// The same, called with NULLs too.
    pub(in crate::query) const fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// The same, with the last argument repeated at will.
    pub(in crate::query) const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    fn arg(&self, index: usize) -> Option<Arg> {
        match self.args.get(index) {
            Some(arg) => Some(*arg),
            None if self.variadic => self.args.last().copied(),
            None => None,
        }
    }

    fn takes_count(&self, count: usize) -> bool {
        count == self.args.len() || (self.variadic && count + 1 >= self.args.len())
    }

    /// The type argument `index` is converted to when it has type `from`.
    pub(in crate::query) fn argument(&self, index: usize, from: PgType) -> PgType {
        match self.arg(index) {
            Some(Arg::Is(PgType::Numeric(None))) if matches!(from, PgType::Numeric(_)) => from,
            Some(Arg::Is(ty)) => ty,
            _ if from == PgType::Unknown => PgType::Text,
            _ => from,
        }
    }

    /// The result type.
    pub(in crate::query) fn result(&self, _types: &[PgType]) -> PgType {
        match self.gives {
            Gives::Type(ty) => ty,
            Gives::Numeric(_) | Gives::ScaledBy(_) | Gives::Like(_) => PgType::Numeric(None),
        }
    }

    fn arrow_result(&self, args: &ReturnFieldArgs<'_>) -> DataType {
        match self.gives {
            Gives::Type(ty) => arrow_type(ty),
            Gives::Numeric(scale) => DataType::Decimal128(38, scale),
            Gives::ScaledBy(index) => {
                let scale = match args.scalar_arguments.get(index) {
                    Some(Some(ScalarValue::Int32(Some(n)))) => *n,
                    Some(Some(ScalarValue::Int64(Some(n)))) => i32::try_from(*n).unwrap_or(0),
                    _ => i32::from(NUMERIC_SCALE),
                };
                DataType::Decimal128(38, i8::try_from(scale.clamp(0, 37)).unwrap_or(0))
            }
            Gives::Like(index) => match args.arg_fields.get(index) {
                Some(field) if field.data_type().is_decimal() => field.data_type().clone(),
                _ => arrow_type(PgType::Numeric(None)),
            },
        }
    }

    /// Whether the argument types are these without conversion.
    pub(in crate::query) fn takes_exactly(&self, types: &[PgType]) -> bool {
        self.args.len() == types.len()
            && self.args.iter().zip(types).all(|(arg, ty)| match arg {
                Arg::Is(own) => own.oid() == ty.oid(),
                Arg::Any => true,
            })
    }

    /// How well the overload suits the types; greater is better, `None` = not.
    fn fitness(&self, types: &[PgType]) -> Option<(usize, usize, usize)> {
        if !self.takes_count(types.len()) {
            return None;
        }
        let (mut exact, mut text_for_unknown, mut preferred) = (0, 0, 0);
        for (index, ty) in types.iter().enumerate() {
            match self.arg(index)? {
                Arg::Any => {}
                Arg::Is(own) if own.oid() == ty.oid() => exact += 1,
                Arg::Is(own) if *ty == PgType::Unknown => {
                    text_for_unknown += usize::from(own == PgType::Text);
                }
                Arg::Is(own) if implicit(*ty, own) => {
                    preferred += usize::from(matches!(
                        own,
                        PgType::Float8 | PgType::Text | PgType::Timestamptz | PgType::Bool
                    ));
                }
                Arg::Is(_) => return None,
            }
        }
        Some((exact, text_for_unknown, preferred))
    }
}

/// The overload that suits the types best; the first of equals.
pub(super) fn best(
    candidates: &[&'static Overload],
    types: &[PgType],
) -> Option<&'static Overload> {
    let mut best: Option<(&'static Overload, (usize, usize, usize))> = None;
    for candidate in candidates {
        if let Some(fitness) = candidate.fitness(types)
            && best.is_none_or(|(_, old)| fitness > old)
        {
            best = Some((candidate, fitness));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// A function whose overload is not chosen yet.
#[derive(Debug)]
pub(super) struct OverloadedFunction {
    name: &'static str,
    overloads: Vec<&'static Overload>,
    signature: Signature,
}

impl OverloadedFunction {
    pub(super) fn new(name: &'static str, overloads: Vec<&'static Overload>) -> Self {
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
    pub(super) fn choose(&self, types: &[PgType]) -> SqlResult<&'static Overload> {
        best(&self.overloads, types).ok_or_else(|| {
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
        let overload = self.choose(&types).map_err(external)?;
        Ok(Arc::new(field_with(
            Field::new(self.name, overload.arrow_result(&args), true),
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

/// A function whose overload is chosen and whose arguments have its types.
#[derive(Debug)]
pub(in crate::query) struct ResolvedFunction {
    overload: &'static Overload,
    types: Vec<PgType>,
    signature: Signature,
}

impl ResolvedFunction {
    /// `types` are the types the arguments have now.
    pub(in crate::query) fn new(overload: &'static Overload, types: Vec<PgType>) -> Self {
        Self {
            signature: Signature::user_defined(overload.volatility),
            overload,
            types,
        }
    }

    /// The result type.
    pub(super) fn result(&self) -> PgType {
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
            results.push(self.call(call, &values)?);
        }
        array_of(&results, target).map(ColumnarValue::Array)
    }
}

impl PartialEq for ResolvedFunction {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.overload, other.overload) && self.types == other.types
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
            Field::new(self.overload.name, self.overload.arrow_result(&args), true),
            self.result(),
        )))
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
