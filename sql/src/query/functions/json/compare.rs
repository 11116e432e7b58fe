//! Whether one `jsonb` value is in another.

use super::super::args::{JSONB, TEXT, at};
use super::super::overload::{Arg, Call, Overload};
use super::text;
use crate::error::{SqlError, SqlResult};
use crate::types::json::Json;
use crate::types::{Datum, PgType};

const KEYS: Arg = Arg::Is(PgType::Array(&PgType::Text));

/// The operators.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("@>", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 0), at(a, 1))
    }),
    Overload::new("<@", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 1), at(a, 0))
    }),
    Overload::new("?", &[JSONB, TEXT], PgType::Bool, has_key),
    Overload::new("?|", &[JSONB, KEYS], PgType::Bool, |_, a| {
        has_keys(a, false)
    }),
    Overload::new("?&", &[JSONB, KEYS], PgType::Bool, |_, a| has_keys(a, true)),
    Overload::new("jsonb_contains", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 0), at(a, 1))
    }),
    Overload::new("jsonb_contained", &[JSONB, JSONB], PgType::Bool, |_, a| {
        contains(at(a, 1), at(a, 0))
    }),
    Overload::new("jsonb_exists", &[JSONB, TEXT], PgType::Bool, has_key),
    Overload::new("jsonb_exists_any", &[JSONB, KEYS], PgType::Bool, |_, a| {
        has_keys(a, false)
    }),
    Overload::new("jsonb_exists_all", &[JSONB, KEYS], PgType::Bool, |_, a| {
        has_keys(a, true)
    }),
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
    Ok(Datum::Bool(has(&Json::parse(text(at(args, 0)))?, key)))
}

/// Whether any or all of several keys are there.
fn has_keys(args: &[Datum], all: bool) -> SqlResult<Datum> {
    let json = Json::parse(text(at(args, 0)))?;
    let Datum::Array(keys) = at(args, 1) else {
        return Err(SqlError::internal("keys are no array"));
    };
    let mut keys = keys.values.iter().filter_map(Datum::as_str);
    Ok(Datum::Bool(if all {
        keys.all(|key| has(&json, key))
    } else {
        keys.any(|key| has(&json, key))
    }))
}

/// Whether a text is a key of an object, an element of an array or the value.
fn has(json: &Json, key: &str) -> bool {
    match json {
        object @ Json::Object(_) => object.get(key).is_some(),
        Json::Array(items) => items
            .iter()
            .any(|item| matches!(item, Json::String(s) if s == key)),
        Json::String(own) => own == key,
        _ => false,
    }
}
