//! Aggregates and window functions that turn out to be the same are computed once.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::generate_sort_key;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, Window};

use super::super::types::{field_type, type_metadata};
use super::Analyzer;

/// What rows are sorted by, and whether it is what they are partitioned by.
type SortKey = Vec<(Sort, bool)>;

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

    /// The kept expressions in groups of one sort key each, and their places in that
    /// order.
    fn by_sort_keys(&mut self) -> Result<Vec<Vec<Expr>>> {
        let mut groups: Vec<(SortKey, Vec<usize>)> = Vec::new();
        for (place, expr) in self.kept.iter().enumerate() {
            let key = sort_key(expr)?;
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, places)) => places.push(place),
                None => groups.push((key, vec![place])),
            }
        }
        let order: Vec<usize> = groups.iter().flat_map(|(_, p)| p.iter().copied()).collect();
        for place in &mut self.places {
            *place = order.iter().position(|old| old == place).unwrap_or(*place);
        }
        let of = |places: &Vec<usize>| {
            places
                .iter()
                .filter_map(|p| self.kept.get(*p))
                .cloned()
                .collect()
        };
        Ok(groups.iter().map(|(_, places)| of(places)).collect())
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
///
/// Those of one node must be sorted alike, and how they are sorted is only known when
/// their expressions are: a numeric is not in an order by what it is grouped by.
pub(super) fn windows_once(window: Window) -> Result<LogicalPlan> {
    let mut once = Once::of(&window.window_expr);
    let sorted_alike = once.by_sort_keys()?;
    if !once.is_shorter() && sorted_alike.len() < 2 {
        return Ok(LogicalPlan::Window(window));
    }
    let wanted = Arc::clone(&window.schema);
    let own = wanted.fields().len() - window.window_expr.len();
    let mut plan = Arc::unwrap_or_clone(window.input);
    for exprs in sorted_alike {
        plan = Window::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Window)?;
    }
    once.shown(plan, own, &wanted)
}

/// What the rows are sorted by for a window function.
fn sort_key(expr: &Expr) -> Result<SortKey> {
    match expr.clone().unalias() {
        Expr::WindowFunction(call) => {
            generate_sort_key(&call.params.partition_by, &call.params.order_by)
        }
        other => internal_err!("{other} is no window function"),
    }
}
