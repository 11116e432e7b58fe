//! Walking over the subqueries of a plan that are functions.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, ScalarUDF, WindowFunctionDefinition};

use super::super::functions::window::Framed;
use super::super::stop::Stop;
use super::lateral::Lateral;
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

/// What is done to the subqueries of a plan.
trait Change {
    fn apply(&mut self, apply: &Apply) -> Result<Apply>;

    fn lateral(&mut self, lateral: &Lateral) -> Result<Lateral>;
}

/// Replaces every subquery that is a function or the right side of a lateral join,
/// the innermost first.
fn replace(plan: LogicalPlan, with: &mut dyn Change) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Some(apply) = apply_of(&expr) else {
                    return Ok(Transformed::no(expr));
                };
                let new = with.apply(apply)?;
                let Expr::ScalarFunction(mut function) = expr else {
                    return Ok(Transformed::no(expr));
                };
                function.func = Arc::new(ScalarUDF::new_from_impl(new));
                Ok(Transformed::yes(Expr::ScalarFunction(function)))
            })
        })?;
        let new = match Lateral::of(&node.data) {
            Some(lateral) => with.lateral(lateral)?.into_plan(),
            None => return Ok(node),
        };
        Ok(node.update_data(|_| new))
    })?;
    Ok(plan.data)
}

type Each<'a> = &'a mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>;

struct Rewrite<'a>(Each<'a>);

impl Rewrite<'_> {
    fn inner(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let inner = rewrite(plan.clone(), self.0)?;
        (self.0)(inner)
    }
}

impl Change for Rewrite<'_> {
    fn apply(&mut self, apply: &Apply) -> Result<Apply> {
        Ok(apply.with_plan(self.inner(&apply.plan)?))
    }

    fn lateral(&mut self, lateral: &Lateral) -> Result<Lateral> {
        Ok(lateral.with_plan(self.inner(&lateral.plan)?))
    }
}

/// Rewrites the plans of all subqueries that are run for rows, the innermost first.
pub(in super::super) fn rewrite(plan: LogicalPlan, each: Each<'_>) -> Result<LogicalPlan> {
    replace(plan, &mut Rewrite(each))
}

/// Visits a plan and those of all subqueries in it that are run for rows.
pub(in super::super) fn visit(
    plan: &LogicalPlan,
    each: &mut dyn FnMut(&LogicalPlan) -> Result<()>,
) -> Result<()> {
    each(plan)?;
    plan.apply_with_subqueries(|node| {
        if let Some(lateral) = Lateral::of(node) {
            visit(&lateral.plan, each)?;
        }
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

struct Bind<'a>(&'a Arc<Runtime>);

impl Bind<'_> {
    fn inner(&self, plan: &LogicalPlan, outer: &[Expr]) -> Result<LogicalPlan> {
        with_parameters(bind(plan.clone(), self.0)?, outer)
    }
}

impl Change for Bind<'_> {
    fn apply(&mut self, apply: &Apply) -> Result<Apply> {
        let mut bound = apply.with_plan(self.inner(&apply.plan, &apply.outer)?);
        bound.bound = Some(Arc::new(Bound::of(&bound, Arc::clone(self.0))?));
        Ok(bound)
    }

    fn lateral(&mut self, lateral: &Lateral) -> Result<Lateral> {
        let mut bound = lateral.with_plan(self.inner(&lateral.plan, &lateral.outer)?);
        let plan = bound.plan.as_ref().clone();
        bound.bound = Some(Arc::new(Bound::of_rows(plan, Arc::clone(self.0))));
        Ok(bound)
    }
}

/// Makes the subqueries of a plan that are run for rows ready to run.
pub(in super::super) fn bind(plan: LogicalPlan, runtime: &Arc<Runtime>) -> Result<LogicalPlan> {
    watch_windows(replace(plan, &mut Bind(runtime))?, &runtime.stop)
}

/// Window functions that end when `stop` is set.
fn watch_windows(plan: LogicalPlan, stop: &Stop) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        if !matches!(node, LogicalPlan::Window(_)) {
            return Ok(Transformed::no(node));
        }
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Expr::WindowFunction(mut call) = expr else {
                    return Ok(Transformed::no(expr));
                };
                if let WindowFunctionDefinition::WindowUDF(function) = &call.fun
                    && let Some(watched) = Framed::watched(function, stop)
                {
                    call.fun = WindowFunctionDefinition::WindowUDF(Arc::new(watched));
                }
                Ok(Transformed::yes(Expr::WindowFunction(call)))
            })
        })
    })?;
    Ok(plan.data)
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
            Self::Quantified(_) | Self::Rows => None,
        }
    }
}
