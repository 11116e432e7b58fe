//! Casts in names.
//!
//! DataFusion names an expression without the casts in it: `sum(x)` and
//! `sum(x::numeric)` have one name, and so do two keys of a GROUP BY. A query that it
//! refuses for that is planned again with the types in the names.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

use super::super::functions::SAME;
use super::rewrite::{call, string};
use crate::error::{SqlError, state};

/// Whether two expressions of a query may have been refused for one name.
pub(super) fn may_clash(error: &SqlError) -> bool {
    matches!(
        error.sqlstate(),
        state::AMBIGUOUS_COLUMN | state::DUPLICATE_COLUMN
    )
}

/// Notes the type beside every cast of something that is no literal. Returns whether
/// there is one.
pub(super) fn note_casts(query: &mut Query) -> bool {
    let mut noting = Noting { found: false };
    let _: ControlFlow<()> = query.visit(&mut noting);
    noting.found
}

struct Noting {
    found: bool,
}

impl VisitorMut for Noting {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast {
            expr: operand,
            data_type,
            ..
        } = expr
            && !matches!(operand.as_ref(), Expr::Value(_))
        {
            let note = string(data_type.to_string());
            let cast = std::mem::replace(expr, Expr::Tuple(Vec::new()));
            *expr = call(SAME, vec![cast, note]);
            self.found = true;
        }
        ControlFlow::Continue(())
    }
}
