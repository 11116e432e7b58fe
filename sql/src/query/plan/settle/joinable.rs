//! Correlated subqueries that the planner makes right joins of.
//!
//! Its rules take more than they get right: a limit, groups or an outer join above
//! what is correlated changes its meaning when the correlation moves up. So only
//! shapes are left to them in which there is nothing but filters and inner joins
//! above the correlation, and at most one aggregate without groups on top. Whether
//! the rules then succeed is found out by letting them try.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::{EmptyRelation, Expr, Filter, Join, LogicalPlan, Projection};
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::{Optimizer, OptimizerContext};

use super::super::super::apply::free_references;

/// Whether everything a subquery refers to outside is in `schema`.
pub(super) fn is_of(references: &[Expr], schema: &DFSchema) -> bool {
    references.iter().all(|reference| match reference {
        Expr::OuterReferenceColumn(_, column) => schema.has_column(column),
        _ => false,
    })
}

/// Whether a plan has rows that a join can find: nothing but filters, inner joins and
/// choices of columns above what is correlated.
pub(super) fn has_plain_rows(plan: &LogicalPlan) -> bool {
    is_plain(plan) && has_names_of_its_own(plan)
}

/// Whether the columns that a correlation moves up, and those that are chosen, have
/// names of their own: the rules put all of them under one alias, where columns of two
/// tables that share a name become one.
fn has_names_of_its_own(plan: &LogicalPlan) -> bool {
    let mut columns = match plan {
        LogicalPlan::Projection(_) => plan.schema().columns(),
        _ => Vec::new(),
    };
    // The closure never fails.
    let _ = plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node
            && filter.predicate.contains_outer()
        {
            columns.extend(filter.predicate.column_refs().into_iter().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let mut known = HashMap::new();
    columns.iter().all(|column| {
        let relation = known.entry(&column.name).or_insert(&column.relation);
        *relation == &column.relation
    })
}

fn is_plain(plan: &LogicalPlan) -> bool {
    if free_references(plan).is_empty() {
        return true;
    }
    match plan {
        LogicalPlan::Filter(filter) => is_plain(&filter.input),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            !refers_outside(plan) && plan.inputs().into_iter().all(is_plain)
        }
        LogicalPlan::Join(join) => {
            join.join_type == JoinType::Inner
                && !refers_outside(plan)
                && is_plain(&join.left)
                && is_plain(&join.right)
        }
        _ => false,
    }
}

/// Whether a plan is an aggregate without groups over plain rows.
pub(super) fn aggregates_plain_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            !refers_outside(plan) && aggregates_plain_rows(&projection.input)
        }
        LogicalPlan::SubqueryAlias(alias) => aggregates_plain_rows(&alias.input),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty()
                && !refers_outside(plan)
                && has_plain_rows(&aggregate.input)
        }
        _ => false,
    }
}

/// Whether the expressions of a node itself refer to enclosing queries.
fn refers_outside(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // The closure never fails.
    let _ = plan.apply_expressions(|expr| {
        found = found || expr.contains_outer();
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Whether the planner's rules take all subqueries out of an expression, the
/// condition of a filter or a column of a projection over `schema`.
pub(super) fn becomes_join(expr: &Expr, filter: bool, schema: &DFSchema) -> bool {
    let input = Arc::new(LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema.clone()),
    }));
    let node = if filter {
        Filter::try_new(expr.clone(), input).map(LogicalPlan::Filter)
    } else {
        let column = expr.clone().alias("value");
        Projection::try_new(vec![column], input).map(LogicalPlan::Projection)
    };
    let rules = Optimizer::with_rules(vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
    ]);
    let Ok(joined) =
        node.and_then(|node| rules.optimize(node, &OptimizerContext::new(), |_, _| {}))
    else {
        return false;
    };
    let left_over = joined.exists(|node| {
        let mut found = false;
        node.apply_expressions(|expr| {
            found = found || expr.exists(|e| Ok(is_subquery(e)))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    });
    matches!(left_over, Ok(false))
}

/// Whether the planner's rules make a join of a lateral one.
pub(in super::super) fn lateral_becomes_join(join: &Join) -> bool {
    let right = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        other => other,
    };
    let LogicalPlan::Subquery(subquery) = right else {
        return false;
    };
    let free = free_references(&subquery.subquery);
    let plain = join.join_type == JoinType::Inner
        && is_of(&free, join.left.schema())
        && has_plain_rows(&subquery.subquery);
    if !plain {
        return false;
    }
    let mut trial = join.clone();
    trial.left = Arc::new(LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::clone(join.left.schema()),
    }));
    let rules = Optimizer::with_rules(vec![Arc::new(DecorrelateLateralJoin::new())]);
    let node = LogicalPlan::Join(trial);
    let Ok(joined) = rules.optimize(node, &OptimizerContext::new(), |_, _| {}) else {
        return false;
    };
    let left_over = joined.exists(|node| {
        Ok(matches!(node, LogicalPlan::Subquery(_)) || node.contains_outer_reference())
    });
    matches!(left_over, Ok(false))
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::OuterReferenceColumn(..)
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
    )
}
