//! Clauses of other databases that the parser takes and PostgreSQL has not.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, JoinOperator,
    ObjectNamePart, Query, Select, Visit, Visitor,
};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Refuses clauses of a query.
pub(super) fn refuse_in_query(query: &Query) -> Result<(), SqlError> {
    if let Some(lock) = query.locks.first() {
        let clause = crate::session::lock_clause_name(lock);
        return Err(SqlError::unsupported(format!("{clause} in a subquery")));
    }
    let unsupported = [
        (query.for_clause.is_some(), "FOR XML/JSON"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
        (!query.pipe_operators.is_empty(), "|>"),
    ];
    refuse_present(&unsupported)
}

/// Refuses clauses of a SELECT.
pub(super) fn refuse_in_select(select: &Select) -> Result<(), SqlError> {
    if select.into.is_some() {
        return Err(SqlError::unsupported("SELECT INTO"));
    }
    let unsupported = [
        (select.top.is_some(), "TOP"),
        (select.exclude.is_some(), "EXCLUDE"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "AS STRUCT"),
        (
            matches!(select.group_by, GroupByExpr::All(_)),
            "GROUP BY ALL",
        ),
    ];
    refuse_present(&unsupported)?;
    if joins_outer(select)
        && select
            .projection
            .visit(&mut CountedRows { depth: 0 })
            .is_break()
    {
        return Err(SqlError::unsupported(
            "count of the rows of a table of an outer join",
        ));
    }
    Ok(())
}

/// Whether FROM may have rows of NULLs in the place of rows of a table.
fn joins_outer(select: &Select) -> bool {
    let joins = select.from.iter().flat_map(|table| &table.joins);
    joins.into_iter().any(|join| {
        matches!(
            join.join_operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    })
}

/// Looks for `count(t.*)` outside of subqueries: it counts rows that are there, which
/// the planner takes for all rows.
struct CountedRows {
    depth: usize,
}

impl Visitor for CountedRows {
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
        if self.depth == 0
            && let Expr::Function(function) = expr
            && let FunctionArguments::List(list) = &function.args
            && let [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_))] =
                list.args.as_slice()
            && let Some(name) = function.name.0.last().and_then(ObjectNamePart::as_ident)
            && fold_identifier(name) == "count"
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// A syntax error for the first clause that is there.
fn refuse_present(clauses: &[(bool, &str)]) -> Result<(), SqlError> {
    match clauses.iter().find(|(present, _)| *present) {
        Some((_, what)) => Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{what}\""),
        )),
        None => Ok(()),
    }
}
