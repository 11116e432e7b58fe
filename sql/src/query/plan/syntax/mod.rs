//! Rewrites of the AST before planning.
//!
//! What the planner would ignore or read differently is refused or rewritten
//! here: row locks, FETCH FIRST, number literals (integer before bigint before
//! numeric), names of result columns, operators that are functions.

mod columns;
mod fetch;
mod from;
mod from_functions;
mod grouping;
mod hidden;
mod mentioned;
mod mixed_values;
mod only;
mod partition_calls;
mod positions;
mod recursion;
mod recursive;
mod refuse;
mod routine;
mod sample;
mod select;
mod set_operations;
mod table_oid;
mod ties;
mod values;
mod volatile_with;
mod window;

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, LockClause, Query, Select, SetExpr, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

use super::merged_star::{self, Known, WithColumns};
use super::{Hidden, PlanContext, RowTarget, catalog_syntax, rewrite, series_item, using};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

pub(in crate::query) use hidden::hidden_names;
pub(super) use routine::{ARGUMENT, RESULT};
pub(crate) use routine::{RoutineCall, first_row_or_null, routine_call, routine_result};
pub(in crate::query) use select::plain_table;
pub(crate) use select::{query_of, star_from};
pub(super) use set_operations::{SetOperation, of_relation};
pub(super) use window::{FRAME, read_frame};

/// A query ready to be planned.
pub(super) struct Prepared {
    pub(super) query: Query,
    /// Row locks the outermost query asks for.
    pub(super) locks: Vec<LockClause>,
    /// Tables whose hidden columns were added to the SELECT list.
    pub(super) targets: Vec<RowTarget>,
}

/// Prepares a query.
///
/// # Errors
/// 0A000 for syntax that is not supported; 42601 where PostgreSQL has none.
pub(super) fn prepare(mut query: Query, context: &PlanContext) -> Result<Prepared, SqlError> {
    routine::expand(&mut query, context)?;
    let locks = std::mem::take(&mut query.locks);
    let mut names = CteNames(Vec::new());
    let _ = Visit::visit(&query, &mut names);
    let with = WithColumns::of(&query, context, &names.0);
    let mut preparer = Preparer {
        context,
        with,
        depth: 0,
        ctes: names.0,
        targets: Vec::new(),
    };
    match VisitMut::visit(&mut query, &mut preparer) {
        ControlFlow::Continue(()) => Ok(Prepared {
            query,
            locks,
            targets: preparer.targets,
        }),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Collects the names that WITH gives.
struct CteNames(Vec<String>);

impl Visitor for CteNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.0.push(fold_identifier(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }
}

struct Preparer<'a> {
    context: &'a PlanContext,
    /// The columns of WITH queries.
    with: WithColumns,
    /// How many queries enclose the current place.
    depth: usize,
    /// Names that WITH gives anywhere in the statement.
    ctes: Vec<String>,
    targets: Vec<RowTarget>,
}

/// Runs a step of the visitor.
fn step(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Preparer<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        step(self.enter_query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        positions::restore_order_and_limit(query);
        step(ties::rank_ties(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        rewrite::json_whole_rows(select, |factor| {
            using::columns_of(factor, self.context, &self.ctes)
        });
        step(partition_calls::prepare(select, self.depth == 1))?;
        catalog_syntax::before(select, self.context);
        step(refuse::refuse_in_select(select))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        catalog_syntax::after(select);
        step(positions::restore_select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        step(only::apply(factor))?;
        from::named_join(factor);
        using::complete_alias(factor, self.context, &self.ctes);
        let sampled = matches!(
            factor,
            TableFactor::Table {
                sample: Some(_),
                ..
            }
        );
        let columns = if sampled {
            using::columns_of(factor, self.context, &self.ctes)
        } else {
            None
        };
        step(sample::sampled(factor, columns).and_then(|()| from::table_factor(factor)))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        step(rewrite::before(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        step(rewrite::after(expr))
    }
}

impl Preparer<'_> {
    fn enter_query(&mut self, query: &mut Query) -> Result<(), SqlError> {
        refuse::refuse_in_query(query)?;
        fetch::fetch_to_limit(query)?;
        volatile_with::check(query)?;
        window::resolve(query)?;
        grouping::expand(&mut query.body)?;
        if let Some(with) = &mut query.with {
            recursion::check(with)?;
            for cte in &mut with.cte_tables {
                // A recursive term must stay what it is; any other is wrapped so
                // that it is analysed as a whole before it is used.
                let recursive = with.recursive
                    && matches!(cte.query.body.as_ref(), SetExpr::SetOperation { .. });
                if recursive {
                    recursive::plain_columns(&mut cte.query.body);
                } else {
                    select::wrap(&mut cte.query);
                }
            }
        }
        let known = Known {
            context: self.context,
            ctes: &self.ctes,
            with: &self.with,
        };
        merged_star::expand(&mut query.body, known);
        using::name_sides(query, &|factor| known.names_of(factor))?;
        series_item::move_to_from(&mut query.body);
        columns::name_columns(&mut query.body, query.order_by.as_ref(), self.depth > 1)?;
        table_oid::show(query, self.context, &self.ctes)?;
        if self.depth == 1
            && let SetExpr::Select(select) = query.body.as_mut()
        {
            match self.context.hidden {
                Hidden::None => {}
                Hidden::First => hidden::show_hidden(&mut select.from, 0)?,
                Hidden::Numbered(index) => hidden::show_hidden(&mut select.from, index)?,
                Hidden::All => {
                    self.targets = hidden::show_all(select, self.context, &self.ctes)?;
                }
            }
        }
        Ok(())
    }
}
