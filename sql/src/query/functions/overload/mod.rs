//! Functions with several argument types, and choosing between them.

mod choice;
mod overloaded;
mod resolved;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ReturnFieldArgs, Volatility};

use super::super::plan::arrow_type;
use super::super::session_info::SessionInfo;
use crate::catalog::Catalog;
use crate::error::SqlResult;
use crate::types::arrow_map::list_item;
use crate::types::{Datum, PgType, SessionFormat};

pub(super) use choice::best;
pub(super) use overloaded::OverloadedFunction;
pub(in crate::query) use resolved::ResolvedFunction;

/// What an argument may be.
#[derive(Debug, Clone, Copy)]
pub(in crate::query) enum Arg {
    /// This type, or one that casts to it without being asked.
    Is(PgType),
    /// Any type.
    Any,
    /// An array; all elements and arrays of such arguments have the same element
    /// type.
    AnyArray,
    /// A value of the element type that the arrays have, or of one of its own.
    AnyElement,
    /// An array whose elements are brought to a type that all such arguments can
    /// have.
    CompatibleArray,
    /// A value that is brought to a type that all such arguments can have.
    Compatible,
    /// A value brought to the element type of the others, or an array to theirs.
    ElementOrArray,
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
    /// An array of the element type that the arguments have in common.
    Array,
    /// The element type that the arguments have in common.
    Element,
    /// An array that Arrow keeps as a list.
    List,
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
    /// A strict, immutable function whose result depends on its argument types.
    pub(in crate::query) const fn generic(
        name: &'static str,
        args: &'static [Arg],
        gives: Gives,
        evaluate: Evaluate,
    ) -> Self {
        let mut overload = Self::new(name, args, PgType::Void, evaluate);
        overload.gives = gives;
        overload
    }

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

    /// The types that arguments of these types are converted to.
    ///
    /// # Errors
    /// 42804 when nothing says what a generic argument is.
    pub(in crate::query) fn arguments(&self, types: &[PgType]) -> SqlResult<Vec<PgType>> {
        let element = self.common_element(types)?;
        Ok(types
            .iter()
            .enumerate()
            .map(|(index, from)| self.argument(index, *from, element))
            .collect())
    }

    /// The same, but nothing for an argument that may have any type.
    pub(in crate::query) fn wanted(&self, types: &[PgType]) -> Option<Vec<Option<PgType>>> {
        let all = self.arguments(types).ok()?;
        let wanted = all.into_iter().enumerate().map(|(index, ty)| {
            let any = matches!(self.arg(index), Some(Arg::Any) | None);
            (!any).then_some(ty)
        });
        Some(wanted.collect())
    }

    fn argument(&self, index: usize, from: PgType, element: PgType) -> PgType {
        match self.arg(index) {
            Some(Arg::Is(PgType::Numeric(None))) if matches!(from, PgType::Numeric(_)) => from,
            Some(Arg::Is(ty)) => ty,
            Some(Arg::AnyArray | Arg::CompatibleArray) => match from.element() {
                // Vectors of the catalogs count from 0; they stay what they are.
                Some(own) if own.oid() == element.oid() => from,
                _ => PgType::array_of(element).unwrap_or(from),
            },
            Some(Arg::AnyElement | Arg::Compatible) => element,
            Some(Arg::ElementOrArray) if from.array_element().is_some() => {
                PgType::array_of(element).unwrap_or(from)
            }
            Some(Arg::ElementOrArray) => element,
            _ if from == PgType::Unknown => PgType::Text,
            _ => from,
        }
    }

    /// The result type.
    pub(in crate::query) fn result(&self, types: &[PgType]) -> PgType {
        let element = || self.common_element(types).unwrap_or(PgType::Text);
        match self.gives {
            Gives::Type(ty) => ty,
            Gives::Numeric(_) | Gives::ScaledBy(_) | Gives::Like(_) => PgType::Numeric(None),
            // Arrays of arrays are of the same type.
            Gives::Array | Gives::List => match element() {
                array if array.array_element().is_some() => array,
                element => PgType::array_of(element).unwrap_or(PgType::Text),
            },
            Gives::Element => element(),
        }
    }

    /// The digits behind the point that a literal among the arguments asks for.
    fn scale(&self, literal: impl Fn(usize) -> Option<ScalarValue>) -> Option<i32> {
        match self.gives {
            Gives::ScaledBy(index) => match literal(index) {
                Some(ScalarValue::Int32(scale)) => scale,
                _ => None,
            },
            _ => None,
        }
    }

    /// What Arrow keeps results as; `scale` is [`Self::scale`].
    fn arrow_result(
        &self,
        args: &ReturnFieldArgs<'_>,
        types: &[PgType],
        scale: Option<i32>,
    ) -> DataType {
        match self.gives {
            Gives::Array | Gives::Element => arrow_type(self.result(types)),
            Gives::List => {
                let element = self.common_element(types).unwrap_or(PgType::Text);
                DataType::List(list_item(element))
            }
            Gives::Type(ty) => arrow_type(ty),
            _ if args
                .arg_fields
                .iter()
                .any(|f| *f.data_type() == DataType::LargeBinary) =>
            {
                DataType::LargeBinary
            }
            Gives::Numeric(scale) => DataType::Decimal128(38, scale),
            Gives::ScaledBy(_) => {
                let Some(scale) = scale else {
                    return DataType::LargeBinary;
                };
                let whole = args
                    .arg_fields
                    .first()
                    .map_or(38, |f| whole_digits(f.data_type()));
                // Rounding may carry into one more digit.
                match i8::try_from(scale.max(0)) {
                    Ok(scale) if whole + 1 + i16::from(scale) <= 38 => {
                        DataType::Decimal128(38, scale)
                    }
                    _ => DataType::LargeBinary,
                }
            }
            Gives::Like(index) => match args.arg_fields.get(index) {
                Some(field) if field.data_type().is_decimal() => field.data_type().clone(),
                _ => arrow_type(PgType::Numeric(None)),
            },
        }
    }
}

/// Digits before the point that decimals of the type may have.
fn whole_digits(ty: &DataType) -> i16 {
    match ty {
        DataType::Decimal128(precision, scale) => i16::from(*precision) - i16::from(*scale),
        _ => 38,
    }
}
