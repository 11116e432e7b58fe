//! What is computed after rows are sorted: calls with side effects.
//!
//! `SELECT nextval('s') FROM t ORDER BY a LIMIT 10` takes ten numbers, in the order of
//! `a`. The planner projects before it sorts; a projection that calls a volatile
//! function moves above the sort. Below the limit it does not stay anyway.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Sort};

use super::node::has_subquery;

/// Starts the names of columns that a late expression reads.
const READ: &str = "\u{1f}read";

/// A sort of what a projection gives, and then the volatile part of the projection.
pub(super) fn sorted_first(sort: Sort) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = sort.input.as_ref() else {
        return Ok(LogicalPlan::Sort(sort));
    };
    let Some((early, late)) = split(projection, &sort)? else {
        return Ok(LogicalPlan::Sort(sort));
    };
    let early = Projection::try_new(early, Arc::clone(&projection.input))?;
    let sorted = LogicalPlan::Sort(Sort {
        expr: sort.expr,
        input: Arc::new(LogicalPlan::Projection(early)),
        fetch: sort.fetch,
    });
    LogicalPlanBuilder::from(sorted).project(late)?.build()
}

/// The expressions to compute before a sort and those after it; `None` where all are
/// computed before.
fn split(projection: &Projection, sort: &Sort) -> Result<Option<(Vec<Expr>, Vec<Expr>)>> {
    if !projection.expr.iter().any(Expr::is_volatile) {
        return Ok(None);
    }
    let mut early = Vec::with_capacity(projection.expr.len());
    let mut late = Vec::with_capacity(projection.expr.len());
    let mut read: Vec<Column> = Vec::new();
    for (index, expr) in projection.expr.iter().enumerate() {
        let own = Column::from(projection.schema.qualified_field(index));
        if !expr.is_volatile() {
            early.push(expr.clone());
            late.push(Expr::Column(own));
            continue;
        }
        let sorted_by = sort.expr.iter().any(|key| {
            let columns = key.expr.column_refs();
            columns.contains(&own)
        });
        if sorted_by || has_subquery(expr)? {
            return Ok(None);
        }
        late.push(reading(expr.clone(), &own, &mut read)?);
    }
    for (number, column) in read.into_iter().enumerate() {
        early.push(Expr::Column(column).alias(format!("{READ}{number}")));
    }
    Ok(Some((early, late)))
}

/// An expression over the columns that are passed on to it.
fn reading(expr: Expr, own: &Column, read: &mut Vec<Column>) -> Result<Expr> {
    if let Expr::Alias(alias) = expr {
        return Ok(Expr::Alias(Alias {
            expr: Box::new(passed_on(*alias.expr, read)?),
            ..alias
        }));
    }
    Ok(passed_on(expr, read)?.alias_qualified(own.relation.clone(), own.name.clone()))
}

fn passed_on(expr: Expr, read: &mut Vec<Column>) -> Result<Expr> {
    expr.transform_up(|e| {
        let Expr::Column(column) = e else {
            return Ok(Transformed::no(e));
        };
        let number = match read.iter().position(|known| *known == column) {
            Some(number) => number,
            None => {
                read.push(column);
                read.len() - 1
            }
        };
        Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
            format!("{READ}{number}"),
        ))))
    })
    .map(|t| t.data)
}
