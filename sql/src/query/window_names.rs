//! Names in window expressions before physical planning.
//!
//! The optimizer names what it takes out of an expression, and the parts it leaves
//! behind: a window may then be named twice, and two windows that are sorted alike
//! may call the same key differently. DataFusion's physical planner expects neither.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, LogicalPlan, Window};

/// The plan, in which every window expression has one name at most, and its keys none.
pub(super) fn with_plain_windows(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.clone().transform_down_with_subqueries(|plan| {
        let LogicalPlan::Window(window) = plan else {
            return Ok(Transformed::no(plan));
        };
        let Window {
            input,
            window_expr,
            schema,
        } = window;
        let own = schema.iter().skip(input.schema().fields().len());
        let window_expr = window_expr
            .into_iter()
            .zip(own)
            .map(|(expr, (_, field))| named(plain(expr), field.name()))
            .collect();
        let window = Window::try_new_with_schema(window_expr, input, schema)?;
        Ok(Transformed::yes(LogicalPlan::Window(window)))
    })?;
    Ok(rewritten.data)
}

/// The expression under the name by which the nodes above know it, which it loses when
/// a part that it shares with another window is taken out of it.
fn named(expr: Expr, name: &str) -> Expr {
    if matches!(expr, Expr::Alias(_)) || expr.schema_name().to_string() == name {
        return expr;
    }
    expr.alias(name)
}

fn plain(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(mut outer) => {
            while let Expr::Alias(Alias { expr, .. }) = *outer.expr {
                outer.expr = expr;
            }
            outer.expr = Box::new(plain(*outer.expr));
            Expr::Alias(outer)
        }
        Expr::WindowFunction(mut call) => {
            for key in &mut call.params.partition_by {
                *key = std::mem::take(key).unalias();
            }
            for sort in &mut call.params.order_by {
                sort.expr = std::mem::take(&mut sort.expr).unalias();
            }
            Expr::WindowFunction(call)
        }
        other => other,
    }
}
