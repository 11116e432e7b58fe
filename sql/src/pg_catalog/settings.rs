//! `pg_settings`.

use super::{Facts, Row};
use crate::session::{parameter, reported_as};
use crate::types::{ArrayValue, Datum, PgType};

/// The session's settings.
pub(super) fn pg_settings(facts: &Facts<'_>) -> Vec<Row> {
    let settings = &facts.session.settings;
    settings
        .names()
        .into_iter()
        .map(|name| {
            let lower = name.to_ascii_lowercase();
            let value = match lower.starts_with("transaction_") {
                true => facts.session.setting(&lower).ok(),
                false => settings.raw(&lower),
            };
            let text = |text: Option<String>| text.map_or(Datum::Null, Datum::text);
            let mut row = vec![
                ("name", Datum::text(name)),
                ("setting", text(value)),
                ("source", Datum::text("session")),
            ];
            let Some(parameter) = parameter(&lower) else {
                let (category, context, kind) = reported_as(&lower);
                row.extend([
                    ("category", Datum::text(category)),
                    ("context", Datum::text(context)),
                    ("vartype", Datum::text(kind)),
                    ("boot_val", text(settings.raw(&lower))),
                    ("reset_val", text(settings.raw(&lower))),
                ]);
                return row;
            };
            let some = |text: &str| match text {
                "" => Datum::Null,
                text => Datum::text(text),
            };
            let raw = |text: &str| parameter.value(text).ok().map(|(_, raw)| raw);
            let words = parameter.values.iter();
            let words: Vec<Datum> = words.map(|word| Datum::text(*word)).collect();
            let start = settings.start_of(&lower).and_then(|start| raw(&start));
            row.extend([
                ("unit", some(parameter.unit)),
                ("category", Datum::text(parameter.category)),
                ("context", Datum::text(parameter.context)),
                ("vartype", Datum::text(parameter.kind.name())),
                ("min_val", some(parameter.min)),
                ("max_val", some(parameter.max)),
                (
                    "enumvals",
                    match words.is_empty() {
                        true => Datum::Null,
                        false => ArrayValue::list(PgType::Text, words).datum(),
                    },
                ),
                ("boot_val", text(raw(parameter.boot))),
                ("reset_val", text(start)),
            ]);
            row
        })
        .collect()
}
