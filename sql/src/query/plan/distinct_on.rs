//! DISTINCT ON: the first row of each group, which DataFusion finds with aggregates.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::{Distinct, DistinctOn, Expr, LogicalPlan};

use super::super::functions;
use super::analyze::Analyzer;
use super::comparable::joins;
use super::settle::sort_once;

impl Analyzer {
    /// The rows, chosen and sorted by what the expressions compare, each expression once.
    pub(super) fn distinct_on(&self, mut on: DistinctOn) -> Result<LogicalPlan> {
        let schema = Arc::clone(on.input.schema());
        let mut keys: Vec<Expr> = Vec::with_capacity(on.on_expr.len());
        for expr in std::mem::take(&mut on.on_expr) {
            let key = self.compared_by(expr, schema.as_ref())?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        on.on_expr = keys;
        if let Some(sorts) = &mut on.sort_expr {
            self.sorted_by(sorts, schema.as_ref())?;
            sort_once(sorts);
        }
        if joins(&on.input)? {
            hide(&mut on);
        }
        hide_constants(&mut on);
        tell_apart(&mut on.select_expr);
        for expr in &mut on.select_expr {
            *expr = self.with_type(std::mem::take(expr), &schema)?;
        }
        LogicalPlan::Distinct(Distinct::On(on)).recompute_schema()
    }
}

/// Lets an expression that is chosen twice be two: what takes the first row of each
/// group would be asked once.
fn tell_apart(chosen: &mut [Expr]) {
    let mut known: Vec<Expr> = Vec::with_capacity(chosen.len());
    for expr in chosen {
        let mut own = expr.clone().unalias();
        if known.contains(&own) {
            let (qualifier, name) = expr.qualified_name();
            while known.contains(&own) {
                own = functions::same(own);
            }
            *expr = own.clone().alias_qualified(qualifier, name);
        }
        known.push(own);
    }
}

/// Hides that some of what the rows are sorted by has one value only: what takes the
/// first row of each group counts on being given all of it.
fn hide_constants(on: &mut DistinctOn) {
    let sorts = on.sort_expr.iter_mut().flatten();
    for (number, sort) in sorts.enumerate() {
        if !sort.expr.any_column_refs() && !on.on_expr.contains(&sort.expr) {
            sort.expr = functions::same_in_part(std::mem::take(&mut sort.expr), number);
        }
    }
}

/// Hides what the rows of each of the first are chosen by, there and in the order.
fn hide(on: &mut DistinctOn) {
    for sort in on.sort_expr.iter_mut().flatten() {
        if on.on_expr.contains(&sort.expr) {
            sort.expr = functions::same(std::mem::take(&mut sort.expr));
        }
    }
    for expr in &mut on.on_expr {
        *expr = functions::same(std::mem::take(expr));
    }
}
