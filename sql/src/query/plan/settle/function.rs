//! Function calls: which function is meant, and the types it takes.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, when};

use super::super::super::error::external;
use super::super::super::functions::{self, Overload, Resolved, ResolvedFunction};
use super::super::analyze::Analyzer;
use super::super::coerce::{self, assignable, implicit, literal};
use super::super::syntax::{ARGUMENT, FRAME, RESULT};
use super::super::types::declared_type;
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType, arrow_map};

/// The type that a call of `__argument` or `__result` says.
pub(in super::super) fn routine_type(args: &[Expr]) -> Result<PgType> {
    let text = match args.get(1) {
        Some(Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::Utf8View(Some(text))
            | ScalarValue::LargeUtf8(Some(text)),
            _,
        )) => arrow_map::parse_metadata(text),
        _ => None,
    };
    text.ok_or_else(|| external(SqlError::internal("a call says no type")))
}

/// The name of the domain that an expression is of.
fn domain_of(expr: &Expr, schema: &DFSchema) -> Option<&'static str> {
    let field = expr.to_field(schema).ok()?.1;
    match declared_type(&field) {
        PgType::Domain(user) => Some(user.shown()),
        _ => None,
    }
}

impl Analyzer {
    /// A call of the function that is meant.
    pub(super) fn function(&self, function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        let ScalarFunction { func, mut args } = function;
        if func.name() == functions::SAME && matches!(args.get(1), Some(Expr::Literal(..))) {
            // The note was for the name.
            return Ok(args.swap_remove(0));
        }
        let types = || self.types_of(&args, schema);
        match functions::resolve(func.inner().as_ref(), &types) {
            Some(resolved) => match resolved.map_err(external)? {
                Resolved::Fixed(_) => Ok(func.call(args)),
                // The note of a window's frame, which the window takes as it is.
                Resolved::Overload(overload) if overload.name == FRAME => Ok(func.call(args)),
                Resolved::Overload(overload) if matches!(overload.name, "__any" | "__all") => {
                    self.quantified(overload, args, schema)
                }
                Resolved::Overload(overload) if overload.name == "pg_typeof" => {
                    // Of a domain, which its values do not tell.
                    match args.first().and_then(|arg| domain_of(arg, schema)) {
                        Some(name) => literal(&Datum::text(name), PgType::Text).map_err(external),
                        None => self.overload(overload, args, schema),
                    }
                }
                Resolved::Overload(overload) => self.overload(overload, args, schema),
            },
            None => match func.name() {
                name if functions::is_choice(name) => {
                    let construct = func.name().to_uppercase();
                    let own = types()?;
                    let ty = coerce::common(&construct, &own).map_err(external)?;
                    let settled: Result<Vec<Expr>> = args
                        .into_iter()
                        .map(functions::shown_value)
                        .map(|arg| self.coerced(arg, ty, schema))
                        .collect();
                    let settled = self.alike(settled?, ty, schema)?;
                    if func.name() == "nullif"
                        && matches!(ty, PgType::Numeric(_) | PgType::Interval)
                    {
                        return self.null_if(settled, schema);
                    }
                    let arrow = match settled.first() {
                        Some(value) => value.get_type(schema)?,
                        None => DataType::Null,
                    };
                    let choice = functions::settled_choice(func.name(), settled, ty, &arrow);
                    match func.name() {
                        "nullif" => {
                            let gives = coerce::nullif_type(&own).map_err(external)?;
                            self.coerce(choice, ty, gives, schema)
                        }
                        _ => Ok(choice),
                    }
                }
                ARGUMENT | RESULT => self.routine_value(func.name(), args, schema),
                name if functions::is_declared(name) => self.declared(&func, args, schema),
                _ => Ok(func.call(args)),
            },
        }
    }

    /// NULLIF as the first argument where the two are not equal.
    fn null_if(&self, mut args: Vec<Expr>, schema: &DFSchema) -> Result<Expr> {
        let (Some(other), Some(value)) = (args.pop(), args.pop()) else {
            return Err(external(SqlError::internal("NULLIF takes two arguments")));
        };
        let equal = self.compare(value.clone(), Operator::Eq, other, schema)?;
        when(equal.is_not_true(), value).end()
    }

    /// An argument or the result of a user's function, in the type it has there.
    fn routine_value(&self, name: &str, mut args: Vec<Expr>, schema: &DFSchema) -> Result<Expr> {
        let to = routine_type(&args)?;
        args.truncate(1);
        let value = args.pop().unwrap_or_default();
        let from = self.type_of(&value, schema)?;
        let allowed = match name {
            ARGUMENT => implicit(from, to.base()) || from.oid() == to.base().oid(),
            _ => assignable(from, to),
        };
        if !allowed {
            return Err(external(SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!(
                    "function does not take arguments of type {}, but of type {}",
                    from.base_name(),
                    to.base_name()
                ),
            )));
        }
        let value = self.coerce(value, from, to.base(), schema)?;
        match to {
            PgType::Domain(domain) => self.in_domain(value, domain),
            _ => Ok(value),
        }
    }

    /// A call of an overload, the arguments in the types it takes.
    pub(in super::super) fn overload(
        &self,
        overload: &'static Overload,
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let own = self.types_of(&args, schema)?;
        let types = overload.arguments(&own).map_err(external)?;
        let mut settled = Vec::with_capacity(args.len());
        for ((arg, from), to) in args.into_iter().zip(own).zip(&types) {
            settled.push(self.coerce(arg, from, *to, schema)?);
        }
        let resolved = ResolvedFunction::new(overload, types).with_literals(&settled);
        Ok(ScalarUDF::new_from_impl(resolved).call(settled))
    }

    /// The sum of an average is the sum of what the average is computed in.
    pub(super) fn settle_total(&self, args: &mut [Expr], schema: &DFSchema) -> Result<()> {
        for arg in args {
            if self.type_of(arg, schema)? == PgType::Float4 {
                *arg = self.coerced(std::mem::take(arg), PgType::Float8, schema)?;
            }
        }
        Ok(())
    }

    /// Lets `sum` add bigints as decimals. It is done here because `sum` itself
    /// cannot tell a bigint from a smaller type that was widened to one, and
    /// DataFusion asks it twice inside of subqueries.
    pub(super) fn widen_sum(&self, args: &mut [Expr], schema: &DFSchema) -> Result<()> {
        for arg in args {
            if self.type_of(arg, schema)? == PgType::Int8 {
                let wide = functions::sum_of_bigints();
                *arg = Expr::Cast(Cast::new(Box::new(std::mem::take(arg)), wide));
            }
        }
        Ok(())
    }
}
