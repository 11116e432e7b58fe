//! Walking over the subqueries of a plan that are functions.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, ScalarUDF};

use super::run::{Bound, Runtime};
use super::{Apply, Question};

/// Starts the names of the parameters that stand for outer references.
const PARAMETER: &str = "$outer";

fn placeholder(position: usize, field: &FieldRef) -> Expr {
    Expr::Placeholder(Placeholder::new_with_field(
        format!("{PARAMETER}{position}"),
        Some(Arc::clone(field)),
    ))
}

/// Which reference a parameter stands for, if it does for any.
pub(super) fn parameter_position(id: &str) -> Option<usize> {
    id.strip_prefix(PARAMETER)?.parse().ok()
}

/// The subquery that a function is, if it is one.
fn apply_of(expr: &Expr) -> Option<&Apply> {
    let Expr::ScalarFunction(function) = expr else {
        return None;
    };
    let inner: &dyn Any = function.func.inner().as_ref();
    inner.downcast_ref::<Apply>()
}

/// Whether an expression is such a function.
pub(in super::super) fn is_subquery(expr: &Expr) -> bool {
    apply_of(expr).is_some()
}

/// Replaces every subquery that is a function, the innermost first.
fn replace(
    plan: LogicalPlan,
    with: &mut dyn FnMut(&Apply) -> Result<Apply>,
) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Some(apply) = apply_of(&expr) else {
                    return Ok(Transformed::no(expr));
                };
                let new = with(apply)?;
                let Expr::ScalarFunction(mut function) = expr else {
                    return Ok(Transformed::no(expr));
                };
                function.func = Arc::new(ScalarUDF::new_from_impl(new));
                Ok(Transformed::yes(Expr::ScalarFunction(function)))
            })
        })
    })?;
    Ok(plan.data)
}

/// Rewrites the plans of all subqueries that are functions, the innermost first.
pub(in super::super) fn rewrite(
    plan: LogicalPlan,
    each: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    replace(plan, &mut |apply| {
        let inner = rewrite(apply.plan.as_ref().clone(), each)?;
        Ok(apply.with_plan(each(inner)?))
    })
}

/// Visits a plan and those of all subqueries that are functions in it.
pub(in super::super) fn visit(
    plan: &LogicalPlan,
    each: &mut dyn FnMut(&LogicalPlan) -> Result<()>,
) -> Result<()> {
    each(plan)?;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(apply) = apply_of(expr) {
                    visit(&apply.plan, each)?;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Makes the subqueries of a plan that are functions ready to run.
pub(in super::super) fn bind(plan: LogicalPlan, runtime: &Arc<Runtime>) -> Result<LogicalPlan> {
    replace(plan, &mut |apply| {
        let inner = bind(apply.plan.as_ref().clone(), runtime)?;
        let inner = with_parameters(inner, &apply.outer)?;
        let mut bound = apply.with_plan(inner);
        bound.bound = Some(Arc::new(Bound::new(&bound, Arc::clone(runtime))?));
        Ok(bound)
    })
}

/// What a plan refers to of the queries around it, each once.
pub(in super::super) fn free_references(plan: &LogicalPlan) -> Vec<Expr> {
    let mut found = Vec::new();
    collect(plan, &mut found);
    found
}

fn collect(plan: &LogicalPlan, found: &mut Vec<Expr>) {
    // The closures never fail.
    let _ = plan.apply_expressions(|expr| {
        expr.apply(|e| {
            if matches!(e, Expr::OuterReferenceColumn(..)) && !found.contains(e) {
                found.push(e.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
    if let LogicalPlan::Join(join) = plan {
        collect(&join.left, found);
        let mut right = Vec::new();
        collect(&join.right, &mut right);
        right.retain(|e| !is_lateral(join, e) && !found.contains(e));
        found.append(&mut right);
        return;
    }
    for input in plan.inputs() {
        collect(input, found);
    }
}

/// Whether a reference in the right side of a join is to its left side.
fn is_lateral(join: &Join, reference: &Expr) -> bool {
    match reference {
        Expr::OuterReferenceColumn(_, column) => join.left.schema().has_column(column),
        _ => false,
    }
}

/// The plan with parameters in place of references: the first reference is `$outer0`.
fn with_parameters(plan: LogicalPlan, outer: &[Expr]) -> Result<LogicalPlan> {
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expr| {
            let name = names.save(&expr);
            let new = expr.transform_up(|expr| {
                let position = outer.iter().position(|o| *o == expr);
                match (position, &expr) {
                    (Some(position), Expr::OuterReferenceColumn(field, _)) => {
                        Ok(Transformed::yes(placeholder(position, field)))
                    }
                    _ => Ok(Transformed::no(expr)),
                }
            })?;
            Ok(new.update_data(|expr| name.restore(expr)))
        })?
        .data;
    if let LogicalPlan::Join(join) = &plan {
        let (bound, free): (Vec<Expr>, Vec<Expr>) = outer
            .iter()
            .cloned()
            .partition(|reference| is_lateral(join, reference));
        if !bound.is_empty() {
            // A reference to the left side hides one of the same name further out.
            let hidden: Vec<Expr> = outer
                .iter()
                .map(|o| {
                    if free.contains(o) {
                        o.clone()
                    } else {
                        Expr::default()
                    }
                })
                .collect();
            let LogicalPlan::Join(mut join) = plan else {
                return Ok(plan);
            };
            join.left = Arc::new(with_parameters(Arc::unwrap_or_clone(join.left), outer)?);
            join.right = Arc::new(with_parameters(Arc::unwrap_or_clone(join.right), &hidden)?);
            return Ok(LogicalPlan::Join(join));
        }
    }
    let plan = plan
        .map_children(|child| with_parameters(child, outer).map(Transformed::yes))?
        .data;
    match plan {
        LogicalPlan::Subquery(mut lateral) => {
            lateral.outer_ref_columns = free_references(&lateral.subquery);
            if lateral.outer_ref_columns.is_empty() {
                return Ok(Arc::unwrap_or_clone(lateral.subquery));
            }
            Ok(LogicalPlan::Subquery(lateral))
        }
        other => Ok(other),
    }
}

impl Question {
    /// Most rows that can matter for the answer.
    pub(super) fn rows(&self) -> Option<usize> {
        match self {
            Self::Scalar => Some(2),
            Self::Exists { .. } => Some(1),
            Self::Quantified(_) => None,
        }
    }
}
