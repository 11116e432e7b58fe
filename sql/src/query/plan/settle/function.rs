//! Function calls: which function is meant, and the types it takes.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, when};

use super::super::super::error::external;
use super::super::super::functions::{self, Overload, Resolved, ResolvedFunction};
use super::super::analyze::Analyzer;
use super::super::coerce;
use crate::types::PgType;

impl Analyzer {
    /// A call of the function that is meant.
    pub(super) fn function(&self, function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        let ScalarFunction { func, args } = function;
        let types = || self.types_of(&args, schema);
        match functions::resolve(func.inner().as_ref(), &types) {
            Some(resolved) => match resolved.map_err(external)? {
                Resolved::Fixed(_) => Ok(func.call(args)),
                Resolved::Overload(overload) if matches!(overload.name, "__any" | "__all") => {
                    self.quantified(overload, args, schema)
                }
                Resolved::Overload(overload) => self.overload(overload, args, schema),
            },
            None => match func.name() {
                "coalesce" | "greatest" | "least" | "nullif" => {
                    let construct = func.name().to_uppercase();
                    let ty = coerce::common(&construct, &types()?).map_err(external)?;
                    let settled: Result<Vec<Expr>> = args
                        .into_iter()
                        .map(|arg| self.coerced(arg, ty, schema))
                        .collect();
                    let settled = self.alike(settled?, ty, schema)?;
                    if func.name() == "nullif"
                        && let ([value, other], PgType::Numeric(_) | PgType::Interval) =
                            (settled.as_slice(), ty)
                    {
                        let equal =
                            self.compare(value.clone(), Operator::Eq, other.clone(), schema)?;
                        return when(equal.is_not_true(), value.clone()).end();
                    }
                    Ok(func.call(settled))
                }
                _ => Ok(func.call(args)),
            },
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
        Ok(ScalarUDF::new_from_impl(ResolvedFunction::new(overload, types)).call(settled))
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
