//! Clauses of other databases that the parser takes and PostgreSQL has not.

use sqlparser::ast::{GroupByExpr, Query, Select};

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
    refuse_present(&unsupported)
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
