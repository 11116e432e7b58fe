//! `FETCH FIRST`, which is another way to write `LIMIT`.

use sqlparser::ast::{LimitClause, Query};

use super::super::rewrite::number;
use crate::error::{SqlError, state};

/// Turns FETCH into LIMIT.
pub(super) fn fetch_to_limit(query: &mut Query) -> Result<(), SqlError> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.with_ties || fetch.percent {
        // That is for `rank_ties`, when the query's parts are rewritten.
        query.fetch = Some(fetch);
        return Ok(());
    }
    let rows = fetch.quantity.unwrap_or_else(|| number("1"));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: Vec::new(),
            });
            Ok(())
        }
        Some(LimitClause::LimitOffset {
            limit: limit @ None,
            ..
        }) => {
            *limit = Some(rows);
            Ok(())
        }
        Some(_) => Err(SqlError::new(
            state::SYNTAX_ERROR,
            "multiple LIMIT clauses not allowed",
        )),
    }
}
