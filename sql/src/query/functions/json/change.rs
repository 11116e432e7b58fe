//! Operators that put `jsonb` values together or take something out.

use super::super::args::{INT4, JSONB, TEXT, at, int_at};
use super::super::overload::{Arg, Call, Overload};
use super::{normal, text, written};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::Json;
use crate::types::{Datum, PgType};

const KEYS: Arg = Arg::Is(PgType::Array(&PgType::Text));

/// The operators.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("||", &[JSONB, JSONB], PgType::Jsonb, join),
    Overload::new("-", &[JSONB, TEXT], PgType::Jsonb, remove_key),
    Overload::new("-", &[JSONB, INT4], PgType::Jsonb, remove_index),
    Overload::new("-", &[JSONB, KEYS], PgType::Jsonb, remove_keys),
    Overload::new("jsonb_concat", &[JSONB, JSONB], PgType::Jsonb, join),
    Overload::new("jsonb_delete", &[JSONB, TEXT], PgType::Jsonb, remove_key),
    Overload::new("jsonb_delete", &[JSONB, INT4], PgType::Jsonb, remove_index),
    Overload::new("jsonb_delete", &[JSONB, KEYS], PgType::Jsonb, remove_keys),
];

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

fn remove_keys(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Array(keys) = at(args, 1) else {
        return Err(SqlError::internal("keys are no array"));
    };
    if keys.dimensions().len() > 1 {
        return Err(SqlError::new(
            state::ARRAY_SUBSCRIPT_ERROR,
            "wrong number of array subscripts",
        ));
    }
    let unwanted: Vec<&str> = keys.values.iter().filter_map(Datum::as_str).collect();
    match Json::parse(text(at(args, 0)))? {
        Json::Object(mut fields) => {
            fields.retain(|(own, _)| !unwanted.contains(&own.as_str()));
            Ok(written(&Json::Object(fields)))
        }
        Json::Array(mut items) => {
            items.retain(|item| !matches!(item, Json::String(s) if unwanted.contains(&s.as_str())));
            Ok(written(&Json::Array(items)))
        }
        _ => Err(from_scalar()),
    }
}

fn remove_index(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let index = int_at(args, 1).unwrap_or(0);
    match Json::parse(text(at(args, 0)))? {
        Json::Array(mut items) => {
            let place = if index < 0 {
                items.len().checked_sub(index.unsigned_abs() as usize)
            } else {
                Some(index.unsigned_abs() as usize)
            };
            if let Some(place) = place.filter(|place| *place < items.len()) {
                items.remove(place);
            }
            Ok(written(&Json::Array(items)))
        }
        Json::Object(_) => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot delete from object using integer index",
        )),
        _ => Err(from_scalar()),
    }
}

fn from_scalar() -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, "cannot delete from scalar")
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
        _ => Err(from_scalar()),
    }
}
