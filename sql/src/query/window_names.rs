//! Names of window expressions before physical planning.
//!
//! The optimizer names an expression anew each time that it takes a part out of it,
//! and a name of a name is more than DataFusion's physical planner takes for a window
//! (it panics).

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, Window};

/// The plan, in which every window expression has one name at most.
pub(super) fn with_one_name(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan
        .clone()
        .transform_down_with_subqueries(|plan| match plan {
            LogicalPlan::Window(window) if window.window_expr.iter().any(has_two) => {
                let Window {
                    input,
                    window_expr,
                    schema,
                } = window;
                let window_expr = window_expr.into_iter().map(outermost).collect();
                let window = Window::try_new_with_schema(window_expr, input, schema)?;
                Ok(Transformed::yes(LogicalPlan::Window(window)))
            }
            other => Ok(Transformed::no(other)),
        })?;
    Ok(rewritten.data)
}

fn has_two(expr: &Expr) -> bool {
    matches!(expr, Expr::Alias(outer) if matches!(outer.expr.as_ref(), Expr::Alias(_)))
}

fn outermost(expr: Expr) -> Expr {
    let Expr::Alias(mut outer) = expr else {
        return expr;
    };
    while let Expr::Alias(Alias { expr, .. }) = *outer.expr {
        outer.expr = expr;
    }
    Expr::Alias(outer)
}
