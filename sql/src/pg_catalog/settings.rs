//! `pg_settings`.

use super::{Facts, Row};
use crate::types::Datum;

/// The session's settings.
pub(super) fn pg_settings(facts: &Facts<'_>) -> Vec<Row> {
    facts
        .session
        .settings
        .iter()
        .map(|(name, value)| {
            let kind = match value.as_str() {
                "on" | "off" => "bool",
                v if v.parse::<i64>().is_ok() => "integer",
                _ => "string",
            };
            vec![
                ("name", Datum::text(shown(name))),
                ("setting", Datum::text(value.as_str())),
                ("category", Datum::text("Settings")),
                ("context", Datum::text("user")),
                ("vartype", Datum::text(kind)),
                ("source", Datum::text("session")),
                ("reset_val", Datum::text(value.as_str())),
                ("boot_val", Datum::text(value.as_str())),
            ]
        })
        .collect()
}

/// PostgreSQL spells three settings with capitals.
fn shown(name: &str) -> &str {
    match name {
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "timezone" => "TimeZone",
        other => other,
    }
}
