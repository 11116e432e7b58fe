//! Places where functions that make rows must not be.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectNamePart, Query, Visit, Visitor};

use super::json::makes_rows;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Refuses functions that make rows inside of CASE and COALESCE.
///
/// # Errors
/// 0A000.
pub(super) fn no_rows_inside(expr: &Expr) -> Result<(), SqlError> {
    let construct = match expr {
        Expr::Case { .. } => "CASE",
        _ if called(expr).as_deref() == Some("coalesce") => "COALESCE",
        _ => return Ok(()),
    };
    if expr.visit(&mut Rows { depth: 0 }).is_break() {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("set-returning functions are not allowed in {construct}"),
        )
        .hint("You might be able to move the set-returning function into a LATERAL FROM item."));
    }
    Ok(())
}

fn called(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let last = function.name.0.last().and_then(ObjectNamePart::as_ident);
    last.map(fold_identifier)
}

/// Looks for functions that make rows, outside of subqueries.
struct Rows {
    depth: usize,
}

impl Visitor for Rows {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0 && called(expr).is_some_and(|name| makes_rows(&name)) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
