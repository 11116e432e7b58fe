//! WITH queries are put in wherever they are used. One that calls a volatile function
//! must then be used once only: it is computed once in PostgreSQL.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectNamePart, Query, TableFactor, Visit, Visitor};

use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// Functions whose value differs from call to call.
const VOLATILE: [&str; 7] = [
    "random",
    "nextval",
    "setval",
    "gen_random_uuid",
    "clock_timestamp",
    "timeofday",
    "pg_advisory_lock",
];

/// Refuses WITH queries that would be computed twice with other results.
///
/// # Errors
/// 0A000.
pub(super) fn check(query: &Query) -> Result<(), SqlError> {
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        if cte.query.visit(&mut Calls).is_continue() {
            continue;
        }
        let mut uses = Uses {
            name: fold_identifier(&cte.alias.name),
            count: 0,
        };
        let _ = query.visit(&mut uses);
        if uses.count > 1 {
            return Err(SqlError::unsupported(
                "a WITH query with volatile functions that is used more than once",
            ));
        }
    }
    Ok(())
}

struct Calls;

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = function.name.0.last().and_then(ObjectNamePart::as_ident)
            && VOLATILE.contains(&fold_identifier(name).as_str())
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// How often a name stands for a relation.
struct Uses {
    name: String,
    count: usize,
}

impl Visitor for Uses {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
            && let [ObjectNamePart::Identifier(name)] = name.0.as_slice()
            && fold_identifier(name) == self.name
        {
            self.count += 1;
        }
        ControlFlow::Continue(())
    }
}
