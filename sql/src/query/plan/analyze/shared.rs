//! Aggregates and window functions that turn out to be the same are computed once.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, Window};

use super::super::types::{field_type, type_metadata};
use super::Analyzer;

/// Expressions without those that another one is equal to.
struct Once {
    kept: Vec<Expr>,
    /// For each expression, which of the kept ones it is.
    places: Vec<usize>,
}

impl Once {
    fn of(exprs: &[Expr]) -> Self {
        let mut bare: Vec<Expr> = Vec::with_capacity(exprs.len());
        let mut once = Self {
            kept: Vec::with_capacity(exprs.len()),
            places: Vec::with_capacity(exprs.len()),
        };
        for expr in exprs {
            let own = expr.clone().unalias();
            let known = if own.is_volatile() {
                None
            } else {
                bare.iter().position(|other| *other == own)
            };
            once.places.push(known.unwrap_or(bare.len()));
            if known.is_none() {
                once.kept.push(expr.clone());
                bare.push(own);
            }
        }
        once
    }

    fn is_shorter(&self) -> bool {
        self.kept.len() < self.places.len()
    }

    /// The columns of `wanted` out of a plan that has the first `own` of them and then
    /// the kept expressions.
    fn shown(&self, plan: LogicalPlan, own: usize, wanted: &DFSchema) -> Result<LogicalPlan> {
        let mut columns = Vec::with_capacity(wanted.fields().len());
        for (index, (qualifier, field)) in wanted.iter().enumerate() {
            let place = match index.checked_sub(own) {
                Some(expr) => own + self.places.get(expr).copied().unwrap_or(expr),
                None => index,
            };
            let (known_qualifier, known) = plan.schema().qualified_field(place);
            let column = Expr::Column(Column::from((known_qualifier, known)));
            columns.push(if known.name() == field.name() {
                column
            } else {
                column.alias_qualified_with_metadata(
                    qualifier.cloned(),
                    field.name().clone(),
                    Some(type_metadata(field_type(field))),
                )
            });
        }
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }
}

impl Analyzer {
    /// An aggregation by the values of its groups, each aggregate once.
    pub(super) fn grouped_once(&self, aggregate: Aggregate) -> Result<LogicalPlan> {
        let once = Once::of(&aggregate.aggr_expr);
        if !once.is_shorter() {
            return self.grouped(aggregate);
        }
        let wanted = Arc::clone(&aggregate.schema);
        let groups = wanted.fields().len() - aggregate.aggr_expr.len();
        let plan = Aggregate::try_new(aggregate.input, aggregate.group_expr, once.kept.clone())
            .and_then(|aggregate| self.grouped(aggregate))?;
        once.shown(plan, groups, &wanted)
    }
}

/// Window functions over the same rows, each once.
pub(super) fn windows_once(window: Window) -> Result<LogicalPlan> {
    let once = Once::of(&window.window_expr);
    if !once.is_shorter() {
        return Ok(LogicalPlan::Window(window));
    }
    let wanted = Arc::clone(&window.schema);
    let own = wanted.fields().len() - window.window_expr.len();
    let plan = Window::try_new(once.kept.clone(), window.input).map(LogicalPlan::Window)?;
    once.shown(plan, own, &wanted)
}
