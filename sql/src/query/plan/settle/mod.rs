//! Settling one expression whose parts are settled.

mod aggregate;
mod answer;
mod apply;
mod case;
mod declared;
mod function;
mod joinable;
mod like;
mod list;
mod member;
mod subquery;
mod window;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{BinaryExpr, Expr, WindowFunctionDefinition};

use super::super::error::external;
use super::super::{functions, row_value};
use super::analyze::Analyzer;
use super::types::{declared_type, is_comparison};
use crate::types::PgType;
use crate::types::user::UserType;

pub(super) use self::aggregate::sort_once;

/// What the engine calls `ROW(…)`.
const ROW: &str = "struct";
pub(super) use self::answer::Place;
pub(super) use self::apply::refuse_outer_aggregates;
pub(super) use self::function::routine_type;
pub(super) use self::joinable::lateral_becomes_join;

impl Analyzer {
    /// Gives an expression PostgreSQL's meaning. Settling twice is settling once.
    ///
    /// # Errors
    /// 42883, 42804, 42846, 22P02 and others.
    pub(super) fn settle(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        match expr {
            Expr::Cast(cast) => self.cast(cast, schema),
            Expr::Case(case) => self.case(case, schema),
            Expr::InList(list) => self.in_list(list, schema),
            Expr::Between(between) => self.between(between, schema),
            Expr::Like(like) => self.like(like, schema).map(Expr::Like),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                self.compare(*left, op, *right, schema)
            }
            Expr::Not(e) => self.test(Expr::Not, *e, "NOT", schema),
            Expr::IsTrue(e) => self.test(Expr::IsTrue, *e, "IS TRUE", schema),
            Expr::IsFalse(e) => self.test(Expr::IsFalse, *e, "IS FALSE", schema),
            Expr::IsUnknown(e) => self.test(Expr::IsUnknown, *e, "IS UNKNOWN", schema),
            Expr::IsNotTrue(e) => self.test(Expr::IsNotTrue, *e, "IS NOT TRUE", schema),
            Expr::IsNotFalse(e) => self.test(Expr::IsNotFalse, *e, "IS NOT FALSE", schema),
            Expr::IsNotUnknown(e) => self.test(Expr::IsNotUnknown, *e, "IS NOT UNKNOWN", schema),
            Expr::IsNull(e) => self.null_test(Expr::IsNull, *e, functions::ROW_IS_NULL, schema),
            Expr::IsNotNull(e) => {
                self.null_test(Expr::IsNotNull, *e, functions::ROW_IS_NOT_NULL, schema)
            }
            Expr::ScalarFunction(function) => self.function(function, schema),
            Expr::InSubquery(test) => self.in_subquery(test, schema),
            Expr::SetComparison(test) => self.set_comparison(test, schema),
            Expr::AggregateFunction(call) => self.aggregate_call(call, schema),
            Expr::WindowFunction(mut call) => {
                if call.fun.name() == functions::TOTAL {
                    self.settle_total(&mut call.params.args, schema)?;
                    call.fun = WindowFunctionDefinition::AggregateUDF(functions::sum());
                }
                if call.fun.name() == "sum" {
                    self.widen_sum(&mut call.params.args, schema)?;
                }
                if call.fun.name() == "string_agg"
                    && self.joins_bytes(&mut call.params.args, schema)?
                {
                    call.fun = WindowFunctionDefinition::AggregateUDF(functions::bytes_agg());
                }
                self.window(*call, schema)
            }
            other => Ok(other),
        }
    }

    fn cast(&self, cast: Cast, schema: &DFSchema) -> Result<Expr> {
        let Cast { expr, field } = cast;
        // A cast the planner put in itself names no type.
        if field.metadata().is_empty() && field.name().is_empty() {
            return Ok(Expr::Cast(Cast { expr, field }));
        }
        let declared = declared_type(&field);
        let named = match expr.as_ref() {
            Expr::Alias(alias) => alias.expr.as_ref(),
            other => other,
        };
        if let (Expr::ScalarFunction(call), PgType::Composite(user)) = (named, declared.base())
            && call.name() == ROW
        {
            return self.row_of(user, &call.args, schema);
        }
        let from = self.type_of(&expr, schema)?;
        let to = declared.base();
        let cast = self.coerce(*expr, from, to, schema)?;
        if let PgType::Domain(domain) = declared {
            return self.in_domain(cast, domain);
        }
        if !to.is_textual() || self.type_of(&cast, schema)?.oid() == to.oid() {
            return Ok(cast);
        }
        // The same text, but of the type that was asked for.
        Ok(Expr::Cast(Cast::new_from_field(Box::new(cast), field)))
    }

    /// `ROW(…)` as a value of a composite type.
    fn row_of(&self, user: &'static UserType, args: &[Expr], schema: &DFSchema) -> Result<Expr> {
        let attributes = user.attributes();
        if attributes.len() != args.len() {
            return Err(external(row_value::other_count(user, args.len())));
        }
        let values = args.iter().cloned().zip(attributes);
        let values = values.map(|(value, a)| self.coerced(value, a.ty.base(), schema));
        Ok(row_value::row_value(user, values.collect::<Result<_>>()?))
    }

    /// A test of a truth value.
    fn test(
        &self,
        test: fn(Box<Expr>) -> Expr,
        expr: Expr,
        clause: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        self.condition(expr, clause, schema)
            .map(|condition| test(Box::new(condition)))
    }

    /// IS [NOT] NULL, which looks into rows.
    fn null_test(
        &self,
        test: fn(Box<Expr>) -> Expr,
        expr: Expr,
        of_row: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        match self.type_of(&expr, schema)? {
            ty @ PgType::Composite(_) => {
                functions::own_call(of_row, vec![ty], vec![expr]).map_err(external)
            }
            _ => Ok(test(Box::new(expr))),
        }
    }

    /// `expr`, whatever type it has, as type `ty`.
    pub(super) fn coerced(&self, expr: Expr, ty: PgType, schema: &DFSchema) -> Result<Expr> {
        let from = self.type_of(&expr, schema)?;
        self.coerce(expr, from, ty, schema)
    }
}
