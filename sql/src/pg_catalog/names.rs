//! `pg_cursors` and `pg_prepared_statements`: what a session gave names to.

use super::{Facts, Row};
use crate::types::{ArrayValue, Datum, PgType};

/// The cursors of the session.
pub(super) fn pg_cursors(facts: &Facts<'_>) -> Vec<Row> {
    let Some(link) = &facts.session.link else {
        return Vec::new();
    };
    let cursors = link.session.cursors.lock();
    cursors
        .iter()
        .map(|cursor| {
            vec![
                ("name", Datum::text(cursor.name.clone())),
                ("statement", Datum::text(cursor.statement.as_ref())),
                ("is_holdable", Datum::Bool(cursor.holdable)),
                ("is_binary", Datum::Bool(cursor.binary)),
                ("is_scrollable", Datum::Bool(cursor.scrollable)),
                ("creation_time", Datum::Timestamptz(cursor.created)),
            ]
        })
        .collect()
}

/// The prepared statements of the session.
pub(super) fn pg_prepared_statements(facts: &Facts<'_>) -> Vec<Row> {
    let Some(link) = &facts.session.link else {
        return Vec::new();
    };
    let statements = link.session.statements.lock();
    statements
        .iter()
        .map(|(name, entry)| {
            let prepared = &entry.prepared;
            let types = prepared.parameter_types().iter();
            let types = types
                .map(|oid| Datum::text(super::type_name(facts, *oid, None)))
                .collect();
            let runs = i64::try_from(prepared.runs()).unwrap_or(i64::MAX);
            vec![
                ("name", Datum::text(name.clone())),
                ("statement", Datum::text(prepared.source())),
                ("prepare_time", Datum::Timestamptz(entry.created)),
                (
                    "parameter_types",
                    ArrayValue::list(PgType::Text, types).datum(),
                ),
                ("from_sql", Datum::Bool(entry.from_sql)),
                // A plan is made once and serves all parameters.
                ("generic_plans", Datum::Int8(runs)),
                ("custom_plans", Datum::Int8(0)),
            ]
        })
        .collect()
}
