//! A WITH clause around a query that is a part of a statement.

use sqlparser::ast::{Query, With};

use crate::catalog::fold_identifier;

/// Gives the query the outer clause, under its own. Names of its own hide outer ones.
pub(super) fn put_around(mut query: Query, outer: &With) -> Query {
    let Some(own) = &mut query.with else {
        query.with = (!outer.cte_tables.is_empty()).then(|| outer.clone());
        return query;
    };
    let names: Vec<String> = own
        .cte_tables
        .iter()
        .map(|cte| fold_identifier(&cte.alias.name))
        .collect();
    let visible = outer
        .cte_tables
        .iter()
        .filter(|cte| !names.contains(&fold_identifier(&cte.alias.name)));
    let mut all: Vec<_> = visible.cloned().collect();
    all.append(&mut own.cte_tables);
    own.cte_tables = all;
    own.recursive |= outer.recursive;
    query
}
