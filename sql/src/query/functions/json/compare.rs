//! Whether one `jsonb` value is in another.

use super::super::args::{JSONB, TEXT, at};
use super::super::overload::{Call, Overload};
use super::text;
use crate::error::SqlResult;
use crate::types::json::Json;
use crate::types::{Datum, PgType};

/// The operators.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("@>", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 0), at(a, 1))
    }),
    Overload::new("<@", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 1), at(a, 0))
    }),
    Overload::new("?", &[JSONB, TEXT], PgType::Bool, has_key),
];

fn contains(whole: &Datum, part: &Datum) -> SqlResult<Datum> {
    let (whole, part) = (Json::parse(text(whole))?, Json::parse(text(part))?);
    // An array contains a bare scalar that is one of its elements.
    let bare = match (&whole, &part) {
        (Json::Array(items), scalar) if !matches!(scalar, Json::Array(_) | Json::Object(_)) => {
            items.contains(scalar)
        }
        _ => false,
    };
    Ok(Datum::Bool(bare || holds(&whole, &part)))
}

fn holds(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(_), Json::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|own| holds(own, value))),
        (Json::Array(own), Json::Array(wanted)) => wanted
            .iter()
            .all(|value| own.iter().any(|item| holds(item, value))),
        (a, b) => a == b,
    }
}

fn has_key(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let key = at(args, 1).as_str().unwrap_or_default();
    Ok(Datum::Bool(match Json::parse(text(at(args, 0)))? {
        object @ Json::Object(_) => object.get(key).is_some(),
        Json::Array(items) => items
            .iter()
            .any(|item| matches!(item, Json::String(s) if s == key)),
        Json::String(own) => own == key,
        _ => false,
    }))
}
