//! Function calls: which function is meant, and the types it takes.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, lit, when};

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
                Resolved::Overload(overload) => self.overload(overload, args, schema),
            },
            None => match func.name() {
                "array_has" if args.len() == 2 => self.element_of(args, &func, schema),
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
    fn overload(
        &self,
        overload: &'static Overload,
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let own = self.types_of(&args, schema)?;
        let mut settled = Vec::with_capacity(args.len());
        let mut types = Vec::with_capacity(args.len());
        for (index, (arg, from)) in args.into_iter().zip(own).enumerate() {
            let to = overload.argument(index, from);
            settled.push(self.coerce(arg, from, to, schema)?);
            types.push(to);
        }
        Ok(ScalarUDF::new_from_impl(ResolvedFunction::new(overload, types)).call(settled))
    }

    /// Vectors count from 0, unlike arrays.
    pub(super) fn vector_element(
        &self,
        mut function: ScalarFunction,
        schema: &DFSchema,
    ) -> Result<ScalarFunction> {
        if function.func.name() != "array_element" {
            return Ok(function);
        }
        let [vector, index] = function.args.as_mut_slice() else {
            return Ok(function);
        };
        let ty = self.type_of(vector, schema)?;
        let (PgType::Int2Vector | PgType::OidVector) = ty else {
            return Ok(function);
        };
        let array = ty.element().and_then(PgType::array_of);
        *vector = self.coerce(
            std::mem::take(vector),
            ty,
            array.unwrap_or(PgType::Text),
            schema,
        )?;
        let from_zero = self.coerced(std::mem::take(index), PgType::Int8, schema)?;
        *index = from_zero + lit(1_i64);
        Ok(function)
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
