//! Subqueries as values: their types, and how many rows they may have.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, col, lit};

use super::super::super::functions;
use super::super::analyze::Analyzer;
use super::super::operators::common_type;

impl Analyzer {
    /// `expr IN (subquery)`.
    pub(super) fn in_subquery(&self, test: InSubquery, schema: &DFSchema) -> Result<Expr> {
        let expr = self.like_column(*test.expr, &test.subquery, "=", schema)?;
        Ok(Expr::InSubquery(InSubquery {
            expr: Box::new(expr),
            ..test
        }))
    }

    /// `expr op ANY (subquery)`, or ALL.
    pub(super) fn set_comparison(&self, test: SetComparison, schema: &DFSchema) -> Result<Expr> {
        let symbol = test.op.to_string();
        let expr = self.like_column(*test.expr, &test.subquery, &symbol, schema)?;
        Ok(Expr::SetComparison(SetComparison {
            expr: Box::new(expr),
            ..test
        }))
    }

    /// `expr` as a value that the column of a subquery is compared with.
    fn like_column(
        &self,
        expr: Expr,
        subquery: &Subquery,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let from = self.type_of(&expr, schema)?;
        let to = self.column_type(&subquery.subquery, 0)?;
        let ty = common_type(symbol, from, to)?;
        self.coerce(expr, from, ty, schema)
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

/// A correlated scalar subquery that fails (21000) when it has more than one row.
pub(super) fn single_row(subquery: Subquery) -> Result<Subquery> {
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

/// Whether a subquery has one row or none.
pub(super) fn at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => at_most_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => at_most_one_row(&alias.input),
        LogicalPlan::Sort(sort) => sort.fetch == Some(1) || at_most_one_row(&sort.input),
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}

/// Whether a subquery has one row, no more and no less.
pub(super) fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}
