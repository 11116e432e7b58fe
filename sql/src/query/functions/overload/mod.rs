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
            _ if args
                .arg_fields
                .iter()
                .any(|f| *f.data_type() == DataType::LargeBinary) =>
            {
                DataType::LargeBinary
            }
            Gives::Numeric(scale) => DataType::Decimal128(38, scale),
            Gives::ScaledBy(index) => {
                let scale = match args.scalar_arguments.get(index) {
                    Some(Some(ScalarValue::Int32(Some(n)))) => *n,
                    _ => return DataType::LargeBinary,
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
