//! Operators that give a member of an object or an element of an array.

use super::super::args::{INT4, JSON, JSONB, TEXT, at};
use super::super::overload::{Arg, Call, Overload};
use super::kind::kind;
use super::pieces::{element_of, member_of};
use super::text;
use crate::error::{SqlError, SqlResult};
use crate::types::json::Json;
use crate::types::{Datum, PgType};

const PATH: Arg = Arg::Is(PgType::Array(&PgType::Text));

/// The operators.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("->", &[JSON, TEXT], PgType::Json, |_, a| {
        Ok(piece(member(a), json))
    }),
    Overload::new("->", &[JSON, INT4], PgType::Json, |_, a| {
        Ok(piece(element(a), json))
    }),
    Overload::new("->", &[JSONB, TEXT], PgType::Jsonb, |_, a| {
        Ok(piece(member(a), jsonb))
    }),
    Overload::new("->", &[JSONB, INT4], PgType::Jsonb, |_, a| {
        Ok(piece(element(a), jsonb))
    }),
    Overload::new("->>", &[JSON, TEXT], PgType::Text, |_, a| {
        as_text(member(a))
    }),
    Overload::new("->>", &[JSON, INT4], PgType::Text, |_, a| {
        as_text(element(a))
    }),
    Overload::new("->>", &[JSONB, TEXT], PgType::Text, |_, a| {
        as_text(member(a))
    }),
    Overload::new("->>", &[JSONB, INT4], PgType::Text, |_, a| {
        as_text(element(a))
    }),
    Overload::new("#>", &[JSON, PATH], PgType::Json, |_, a| {
        Ok(piece(at_path(a)?, json))
    }),
    Overload::new("#>", &[JSONB, PATH], PgType::Jsonb, |_, a| {
        Ok(piece(at_path(a)?, jsonb))
    }),
    Overload::new("#>>", &[JSON, PATH], PgType::Text, |_, a| {
        as_text(at_path(a)?)
    }),
    Overload::new("#>>", &[JSONB, PATH], PgType::Text, |_, a| {
        as_text(at_path(a)?)
    }),
];

fn json(text: &str) -> Datum {
    Datum::Json(text.to_owned())
}

fn jsonb(text: &str) -> Datum {
    Datum::Jsonb(text.to_owned())
}

/// A piece of JSON, NULL when there is none.
fn piece(found: Option<&str>, make: fn(&str) -> Datum) -> Datum {
    found.map_or(Datum::Null, make)
}

/// A JSON string as its text, anything else as it is written, null as NULL.
pub(super) fn as_text(found: Option<&str>) -> SqlResult<Datum> {
    let Some(found) = found else {
        return Ok(Datum::Null);
    };
    if found == "null" {
        return Ok(Datum::Null);
    }
    if found.starts_with('"') {
        return match Json::parse(found)? {
            Json::String(text) => Ok(Datum::Text(text)),
            _ => Err(SqlError::internal("a JSON string is none")),
        };
    }
    Ok(Datum::text(found))
}

fn member(args: &[Datum]) -> Option<&str> {
    member_of(text(at(args, 0)), at(args, 1).as_str()?)
}

fn element(args: &[Datum]) -> Option<&str> {
    match at(args, 1) {
        // A scalar of jsonb is stored as an array that has it as its one element,
        // and PostgreSQL's operators show it.
        Datum::Int4(0 | -1)
            if matches!(at(args, 0), Datum::Jsonb(_))
                && !matches!(kind(text(at(args, 0))), "array" | "object") =>
        {
            Some(text(at(args, 0)))
        }
        Datum::Int4(index) => element_of(text(at(args, 0)), *index),
        _ => None,
    }
}

/// What a path of texts in the arguments leads to.
fn along(args: &[Datum]) -> Option<&str> {
    let mut found = text(at(args, 0)).trim();
    for step in args.get(1..).unwrap_or_default() {
        let step = step.as_str()?;
        found = match kind(found) {
            "object" => member_of(found, step)?,
            "array" => element_of(found, step.parse().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
}

/// `json_extract_path` and its kin.
pub(super) fn extract(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let make = match at(args, 0) {
        Datum::Jsonb(_) => jsonb,
        _ => json,
    };
    Ok(piece(along(args), make))
}

/// The same as text.
pub(super) fn extract_text(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    as_text(along(args))
}

/// What the path in the second argument leads to.
fn at_path(args: &[Datum]) -> SqlResult<Option<&str>> {
    let Datum::Array(path) = at(args, 1) else {
        return Err(SqlError::internal("a JSON path is no array"));
    };
    let mut found = text(at(args, 0)).trim();
    for step in &path.values {
        let Some(step) = step.as_str() else {
            return Ok(None);
        };
        let next = match kind(found) {
            "object" => member_of(found, step),
            "array" => step.parse().ok().and_then(|index| element_of(found, index)),
            _ => None,
        };
        match next {
            Some(value) => found = value,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}
