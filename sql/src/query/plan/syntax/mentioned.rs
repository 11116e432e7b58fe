//! Names that an alias must not take over.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, OrderBy, OrderByKind, Select, Visit, Visitor};

use crate::catalog::fold_identifier;

/// Names used where the planner would take an alias for an input column:
/// HAVING, and expressions in ORDER BY that are more than a name.
pub(super) struct Mentioned(Vec<String>);

impl Mentioned {
    pub(super) fn of(select: &Select, order_by: Option<&OrderBy>) -> Self {
        let mut found = Self(Vec::new());
        if let Some(having) = &select.having {
            let _ = having.visit(&mut found);
        }
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(exprs),
            ..
        }) = order_by
        {
            for item in exprs {
                if !matches!(item.expr, Expr::Identifier(_)) {
                    let _ = item.expr.visit(&mut found);
                }
            }
        }
        found
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|n| n == name)
    }
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            self.0.push(fold_identifier(ident));
        }
        ControlFlow::Continue(())
    }
}
