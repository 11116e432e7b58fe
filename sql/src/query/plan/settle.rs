//! Settling one expression whose parts are settled.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{
    Between, Case, Cast, Exists, InList, InSubquery, Like, ScalarFunction, SetComparison,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Subquery, col, lit,
};

use super::super::error::external;
use super::super::functions::{self, Resolved, ResolvedFunction};
use super::analyze::Analyzer;
use super::coerce;
use super::operators::no_operator;
use super::types::{field_type, is_comparison};
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType};

impl Analyzer {
    /// Gives an expression PostgreSQL's meaning. Settling twice is settling once.
    ///
    /// # Errors
    /// 42883, 42804, 42846, 22P02 and others.
    pub(super) fn settle(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                // A cast the planner put in itself names no type.
                if field.metadata().is_empty() && field.name().is_empty() {
                    return Ok(Expr::Cast(Cast { expr, field }));
                }
                let from = self.type_of(&expr, schema)?;
                let to = field_type(&field);
                let cast = self.coerce(*expr, from, to, schema)?;
                if !to.is_textual() || self.type_of(&cast, schema)?.oid() == to.oid() {
                    return Ok(cast);
                }
                // The same text, but of the type that was asked for.
                Ok(Expr::Cast(Cast::new_from_field(Box::new(cast), field)))
            }
            Expr::Case(case) => self.case(case, schema),
            Expr::InList(list) => self.in_list(list, schema),
            Expr::Between(between) => self.between(between, schema),
            Expr::Like(like) => self.like(like, schema).map(Expr::Like),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                self.compare(*left, op, *right, schema)
            }
            Expr::Not(inner) => {
                let inner = self.condition(*inner, "NOT", schema)?;
                Ok(Expr::Not(Box::new(inner)))
            }
            Expr::IsTrue(e) => Ok(Expr::IsTrue(Box::new(
                self.condition(*e, "IS TRUE", schema)?,
            ))),
            Expr::IsFalse(e) => Ok(Expr::IsFalse(Box::new(
                self.condition(*e, "IS FALSE", schema)?,
            ))),
            Expr::IsUnknown(e) => Ok(Expr::IsUnknown(Box::new(self.condition(
                *e,
                "IS UNKNOWN",
                schema,
            )?))),
            Expr::IsNotTrue(e) => Ok(Expr::IsNotTrue(Box::new(self.condition(
                *e,
                "IS NOT TRUE",
                schema,
            )?))),
            Expr::IsNotFalse(e) => Ok(Expr::IsNotFalse(Box::new(self.condition(
                *e,
                "IS NOT FALSE",
                schema,
            )?))),
            Expr::IsNotUnknown(e) => Ok(Expr::IsNotUnknown(Box::new(self.condition(
                *e,
                "IS NOT UNKNOWN",
                schema,
            )?))),
            Expr::ScalarFunction(function) => {
                let function = self.vector_element(function, schema)?;
                self.function(function, schema)
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let from = self.type_of(&expr, schema)?;
                let to = self.column_type(&subquery.subquery, 0)?;
                let ty =
                    coerce::unify(from, to).ok_or_else(|| external(no_operator("=", from, to)))?;
                let expr = self.coerce(*expr, from, ty, schema)?;
                Ok(Expr::InSubquery(InSubquery::new(
                    Box::new(expr),
                    subquery,
                    negated,
                )))
            }
            Expr::SetComparison(SetComparison {
                expr,
                subquery,
                op,
                quantifier,
            }) => {
                let from = self.type_of(&expr, schema)?;
                let to = self.column_type(&subquery.subquery, 0)?;
                let ty = coerce::unify(from, to)
                    .ok_or_else(|| external(no_operator(&op.to_string(), from, to)))?;
                let expr = self.coerce(*expr, from, ty, schema)?;
                Ok(Expr::SetComparison(SetComparison::new(
                    Box::new(expr),
                    subquery,
                    op,
                    quantifier,
                )))
            }
            Expr::ScalarSubquery(subquery) => single_row(subquery).map(Expr::ScalarSubquery),
            Expr::AggregateFunction(mut call) if call.func.name() == "sum" => {
                self.widen_sum(&mut call.params.args, schema)?;
                Ok(Expr::AggregateFunction(call))
            }
            Expr::WindowFunction(mut call) if call.fun.name() == "sum" => {
                self.widen_sum(&mut call.params.args, schema)?;
                Ok(Expr::WindowFunction(call))
            }
            other => Ok(other),
        }
    }

    /// Lets `sum` add bigints as decimals. It is done here because `sum` itself
    /// cannot tell a bigint from a smaller type that was widened to one, and
    /// DataFusion asks it twice inside of subqueries.
    fn widen_sum(&self, args: &mut [Expr], schema: &DFSchema) -> Result<()> {
        for arg in args {
            if self.type_of(arg, schema)? == PgType::Int8 {
                let wide = functions::sum_of_bigints();
                *arg = Expr::Cast(Cast::new(Box::new(std::mem::take(arg)), wide));
            }
        }
        Ok(())
    }

    /// Vectors count from 0, unlike arrays.
    fn vector_element(
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

    fn case(&self, case: Case, schema: &DFSchema) -> Result<Expr> {
        let Case {
            mut expr,
            mut when_then_expr,
            mut else_expr,
        } = case;
        let mut results = Vec::new();
        for (_, result) in &when_then_expr {
            results.push(self.type_of(result, schema)?);
        }
        if let Some(result) = &else_expr {
            results.push(self.type_of(result, schema)?);
        }
        let ty = coerce::common("CASE", &results).map_err(external)?;
        let operand = match &expr {
            Some(operand) => {
                let mut common = self.type_of(operand, schema)?;
                for (when, _) in &when_then_expr {
                    let other = self.type_of(when, schema)?;
                    common = coerce::unify(common, other)
                        .ok_or_else(|| external(no_operator("=", common, other)))?;
                }
                Some(if common == PgType::Unknown {
                    PgType::Text
                } else {
                    common
                })
            }
            None => None,
        };
        for (when, then) in &mut when_then_expr {
            let condition = std::mem::take(when.as_mut());
            **when = match operand {
                Some(common) => self.coerced(condition, common, schema)?,
                None => self.condition(condition, "CASE/WHEN", schema)?,
            };
            let result = std::mem::take(then.as_mut());
            **then = self.coerced(result, ty, schema)?;
        }
        if let Some(result) = &mut else_expr {
            let value = std::mem::take(result.as_mut());
            **result = self.coerced(value, ty, schema)?;
        }
        if let (Some(common), Some(operand)) = (operand, &mut expr) {
            let value = std::mem::take(operand.as_mut());
            **operand = self.coerced(value, common, schema)?;
        }
        Ok(Expr::Case(Case::new(expr, when_then_expr, else_expr)))
    }

    /// `expr`, whatever type it has, as type `ty`.
    pub(super) fn coerced(&self, expr: Expr, ty: PgType, schema: &DFSchema) -> Result<Expr> {
        let from = self.type_of(&expr, schema)?;
        self.coerce(expr, from, ty, schema)
    }

    fn in_list(&self, list: InList, schema: &DFSchema) -> Result<Expr> {
        let InList {
            expr,
            list,
            negated,
        } = list;
        let mut common = self.type_of(&expr, schema)?;
        for item in &list {
            let other = self.type_of(item, schema)?;
            common = coerce::unify(common, other)
                .ok_or_else(|| external(no_operator("=", common, other)))?;
        }
        let common = if common == PgType::Unknown {
            PgType::Text
        } else {
            common
        };
        let spans = common == PgType::Interval;
        let prepare = |expr: Expr| -> Result<Expr> {
            let expr = self.coerced(expr, common, schema)?;
            if spans {
                functions::interval_span(expr).map_err(external)
            } else {
                Ok(expr)
            }
        };
        let expr = prepare(*expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let item = prepare(item)?;
            let (_, item) = self.align_decimals(expr.clone(), item, schema)?;
            items.push(item);
        }
        Ok(Expr::InList(InList::new(Box::new(expr), items, negated)))
    }

    fn between(&self, between: Between, schema: &DFSchema) -> Result<Expr> {
        let Between {
            expr,
            negated,
            low,
            high,
        } = between;
        let types = [
            self.type_of(&expr, schema)?,
            self.type_of(&low, schema)?,
            self.type_of(&high, schema)?,
        ];
        let [a, b, c] = types;
        let ab = coerce::unify(a, b).ok_or_else(|| external(no_operator(">=", a, b)))?;
        let ty = coerce::unify(ab, c).ok_or_else(|| external(no_operator("<=", a, c)))?;
        let ty = if ty == PgType::Unknown {
            PgType::Text
        } else {
            ty
        };
        super::operators::check_comparable(">=", ty, ty).map_err(external)?;
        let spans = ty == PgType::Interval;
        let prepare = |expr: Expr| -> Result<Expr> {
            let expr = self.coerced(expr, ty, schema)?;
            if spans {
                functions::interval_span(expr).map_err(external)
            } else {
                Ok(expr)
            }
        };
        let expr = prepare(*expr)?;
        let (_, low) = self.align_decimals(expr.clone(), prepare(*low)?, schema)?;
        let (_, high) = self.align_decimals(expr.clone(), prepare(*high)?, schema)?;
        Ok(Expr::Between(Between::new(
            Box::new(expr),
            negated,
            Box::new(low),
            Box::new(high),
        )))
    }

    fn like(&self, like: Like, schema: &DFSchema) -> Result<Like> {
        let Like {
            negated,
            expr,
            pattern,
            escape_char,
            case_insensitive,
        } = like;
        let (lt, rt) = (
            self.type_of(&expr, schema)?,
            self.type_of(&pattern, schema)?,
        );
        let textual = |ty: PgType| ty.is_textual() || ty == PgType::Unknown;
        if !textual(lt) || !textual(rt) {
            let symbol = match (negated, case_insensitive) {
                (false, false) => "~~",
                (true, false) => "!~~",
                (false, true) => "~~*",
                (true, true) => "!~~*",
            };
            return Err(external(no_operator(symbol, lt, rt)));
        }
        Ok(Like::new(
            negated,
            Box::new(self.coerce(*expr, lt, PgType::Text, schema)?),
            Box::new(self.coerce(*pattern, rt, PgType::Text, schema)?),
            escape_char,
            case_insensitive,
        ))
    }

    fn function(&self, function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        let ScalarFunction { func, args } = function;
        let types = || self.types_of(&args, schema);
        match functions::resolve(func.inner().as_ref(), &types) {
            Some(resolved) => match resolved.map_err(external)? {
                Resolved::Fixed(_) => {}
                Resolved::Overload(overload) => {
                    let own = types()?;
                    let mut settled = Vec::with_capacity(args.len());
                    let mut final_types = Vec::with_capacity(args.len());
                    for (index, (arg, from)) in args.into_iter().zip(own).enumerate() {
                        let to = overload.argument(index, from);
                        settled.push(self.coerce(arg, from, to, schema)?);
                        final_types.push(to);
                    }
                    let function = ResolvedFunction::new(overload, final_types);
                    return Ok(ScalarUDF::new_from_impl(function).call(settled));
                }
            },
            None => {
                let name = func.name();
                let same = matches!(name, "coalesce" | "greatest" | "least" | "nullif");
                if name == "array_has" && args.len() == 2 {
                    return self.element_of(args, &func, schema);
                }
                if same {
                    let construct = name.to_uppercase();
                    let ty = coerce::common(&construct, &types()?).map_err(external)?;
                    let mut settled = Vec::with_capacity(args.len());
                    for arg in args {
                        settled.push(self.coerced(arg, ty, schema)?);
                    }
                    return Ok(func.call(settled));
                }
            }
        }
        Ok(func.call(args))
    }
}

impl Analyzer {
    /// `needle = ANY (array)`. A constant array becomes an IN list, which can use
    /// a key.
    fn element_of(
        &self,
        mut args: Vec<Expr>,
        func: &Arc<ScalarUDF>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (Some(needle), Some(array)) = (args.pop(), args.pop()) else {
            return Ok(func.call(args));
        };
        let (needle_type, array_type) = (
            self.type_of(&needle, schema)?,
            self.type_of(&array, schema)?,
        );
        let array_type = match (array_type.element(), PgType::array_of(needle_type)) {
            (Some(_), _) => array_type,
            (None, Some(ty)) if array_type == PgType::Unknown => ty,
            _ => {
                return Err(external(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    "op ANY/ALL (array) requires array on right side",
                )));
            }
        };
        let element = array_type.element().unwrap_or(PgType::Text);
        let common = coerce::unify(needle_type, element)
            .ok_or_else(|| external(no_operator("=", needle_type, element)))?;
        let array = self.coerced(
            array,
            PgType::array_of(common).unwrap_or(array_type),
            schema,
        )?;
        if let Some(Ok((Datum::Array(values), _))) = self.constant(&array) {
            let mut items = Vec::with_capacity(values.values.len());
            for value in &values.values {
                items.push(coerce::literal(value, common).map_err(external)?);
            }
            let list = InList::new(Box::new(needle), items, false);
            return self.in_list(list, schema);
        }
        let needle = self.coerced(needle, common, schema)?;
        Ok(func.call(vec![array, needle]))
    }
}

/// `EXISTS (subquery)` as `(SELECT count(*) > 0 FROM subquery)`.
pub(super) fn exists_as_count(expr: Expr) -> Result<Expr> {
    let Expr::Exists(Exists { subquery, negated }) = expr else {
        return Ok(expr);
    };
    let plan = Arc::unwrap_or_clone(subquery.subquery);
    let rows = count(lit(1i64)).alias("rows");
    let found = if negated {
        col("rows").eq(lit(0i64))
    } else {
        col("rows").gt(lit(0i64))
    };
    let plan = LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), vec![rows])?
        .project(vec![found.alias("exists")])?
        .build()?;
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    }))
}

/// A scalar subquery that fails (21000) when it has more than one row. The
/// planner itself sees to it when the subquery is not correlated.
fn single_row(subquery: Subquery) -> Result<Subquery> {
    if subquery.outer_ref_columns.is_empty() {
        return nullable(subquery);
    }
    if at_most_one_row(&subquery.subquery) {
        return Ok(subquery);
    }
    let plan = Arc::unwrap_or_clone(subquery.subquery);
    let (qualifier, field) = plan.schema().qualified_field(0);
    let column = Expr::Column(Column::from((qualifier, field)));
    let name = field.name().clone();
    let single = functions::single(column).alias(name);
    let plan = LogicalPlanBuilder::from(plan)
        .aggregate(Vec::<Expr>::new(), vec![single])?
        .build()?;
    Ok(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    })
}

/// A scalar subquery is NULL when it has no row, even of a column without NULLs.
fn nullable(subquery: Subquery) -> Result<Subquery> {
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    if field.is_nullable() {
        return Ok(subquery);
    }
    let column = Expr::Column(Column::from((qualifier, field)));
    let value = functions::plain(column).alias(field.name().clone());
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .project(vec![value])?
        .build()?;
    Ok(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    })
}

fn at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => at_most_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => at_most_one_row(&alias.input),
        LogicalPlan::Sort(sort) => sort.fetch == Some(1) || at_most_one_row(&sort.input),
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}
