//! Operators that put `jsonb` values together or take something out.

use super::super::args::{JSONB, TEXT, at};
use super::super::overload::{Call, Overload};
use super::{normal, text};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::Json;
use crate::types::{Datum, PgType};

/// The operators.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("||", &[JSONB, JSONB], PgType::Jsonb, join),
    Overload::new("-", &[JSONB, TEXT], PgType::Jsonb, remove_key),
];

fn written(value: &Json) -> Datum {
    let mut out = String::new();
    value.write(&mut out);
    Datum::Jsonb(out)
}

fn join(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (left, right) = (text(at(args, 0)), text(at(args, 1)));
    match (Json::parse(left)?, Json::parse(right)?) {
        (Json::Object(_), Json::Object(_)) => {
            let inner = |object: &str| -> String {
                let trimmed = object.trim();
                trimmed
                    .get(1..trimmed.len().saturating_sub(1))
                    .unwrap_or_default()
                    .to_owned()
            };
            let (a, b) = (inner(left), inner(right));
            let comma = if a.trim().is_empty() || b.trim().is_empty() {
                ""
            } else {
                ","
            };
            // Of equal keys the later one stays.
            normal(&format!("{{{a}{comma}{b}}}"))
        }
        (a, b) => {
            let items = |value: Json| match value {
                Json::Array(items) => items,
                other => vec![other],
            };
            let mut all = items(a);
            all.extend(items(b));
            Ok(written(&Json::Array(all)))
        }
    }
}

fn remove_key(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let key = at(args, 1).as_str().unwrap_or_default();
    match Json::parse(text(at(args, 0)))? {
        Json::Object(mut fields) => {
            fields.retain(|(own, _)| own != key);
            Ok(written(&Json::Object(fields)))
        }
        Json::Array(mut items) => {
            items.retain(|item| !matches!(item, Json::String(s) if s == key));
            Ok(written(&Json::Array(items)))
        }
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot delete from scalar",
        )),
    }
}
