//! `pg_namespace`.

use super::facts::FIRST_ROLE;
use super::{Facts, Row};
use crate::catalog::SYSTEM_SCHEMAS;
use crate::types::Datum;

/// Schemas.
pub(super) fn pg_namespace(facts: &Facts<'_>) -> Vec<Row> {
    let row = |oid: u32, name: &str, owner: u32| {
        vec![
            ("oid", Datum::Oid(oid)),
            ("nspname", Datum::text(name)),
            ("nspowner", Datum::Oid(owner)),
        ]
    };
    SYSTEM_SCHEMAS
        .iter()
        .map(|(name, oid)| row(*oid, name, FIRST_ROLE))
        .chain(
            facts
                .catalog
                .schemas()
                .map(|s| row(s.oid, &s.name, facts.owner(&s.owner))),
        )
        .collect()
}
