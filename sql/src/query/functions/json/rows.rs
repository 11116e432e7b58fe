//! The members and elements of JSON as arrays, from which FROM and the SELECT
//! list make rows.

use super::super::args::{JSON, JSONB, at};
use super::super::overload::Overload;
use super::access::as_text;
use super::kind::kind;
use super::pieces::{elements_of, members_of};
use super::text;
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::Json;
use crate::types::{ArrayValue, Datum, PgType};

const TEXTS: PgType = PgType::Array(&PgType::Text);
const JSONS: PgType = PgType::Array(&PgType::Json);
const JSONBS: PgType = PgType::Array(&PgType::Jsonb);

/// The functions; each gives the values of one column.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__json_elements", &[JSON], JSONS, |_, a| {
        elements(a, PgType::Json)
    }),
    Overload::new("__jsonb_elements", &[JSONB], JSONBS, |_, a| {
        elements(a, PgType::Jsonb)
    }),
    Overload::new("__json_elements_text", &[JSON], TEXTS, |_, a| {
        elements(a, PgType::Text)
    }),
    Overload::new("__jsonb_elements_text", &[JSONB], TEXTS, |_, a| {
        elements(a, PgType::Text)
    }),
    Overload::new("__json_keys", &[JSON], TEXTS, |_, a| keys(a)),
    Overload::new("__jsonb_keys", &[JSONB], TEXTS, |_, a| keys(a)),
    Overload::new("__json_values", &[JSON], JSONS, |_, a| {
        values(a, PgType::Json)
    }),
    Overload::new("__jsonb_values", &[JSONB], JSONBS, |_, a| {
        values(a, PgType::Jsonb)
    }),
    Overload::new("__json_values_text", &[JSON], TEXTS, |_, a| {
        values(a, PgType::Text)
    }),
    Overload::new("__jsonb_values_text", &[JSONB], TEXTS, |_, a| {
        values(a, PgType::Text)
    }),
];

fn fault(message: String) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message)
}

/// A piece of JSON as a value of `ty`.
fn value(written: &str, ty: PgType) -> SqlResult<Datum> {
    match ty {
        PgType::Json => Ok(Datum::Json(written.to_owned())),
        PgType::Jsonb => Ok(Datum::Jsonb(written.to_owned())),
        _ => as_text(Some(written)),
    }
}

fn array(written: impl Iterator<Item = SqlResult<Datum>>, ty: PgType) -> SqlResult<Datum> {
    let values: SqlResult<Vec<Datum>> = written.collect();
    Ok(ArrayValue::list(ty, values?).datum())
}

fn elements(args: &[Datum], ty: PgType) -> SqlResult<Datum> {
    let json = text(at(args, 0)).trim();
    match kind(json) {
        "array" => array(
            elements_of(json).into_iter().map(|item| value(item, ty)),
            ty,
        ),
        "object" => Err(fault("cannot extract elements from an object".to_owned())),
        _ => Err(fault("cannot extract elements from a scalar".to_owned())),
    }
}

/// Written keys and values of an object.
fn members(args: &[Datum]) -> SqlResult<Vec<(&str, &str)>> {
    let json = text(at(args, 0)).trim();
    match kind(json) {
        "object" => Ok(members_of(json)),
        "array" => Err(fault("cannot deconstruct an array as an object".to_owned())),
        _ => Err(fault("cannot deconstruct a scalar".to_owned())),
    }
}

fn keys(args: &[Datum]) -> SqlResult<Datum> {
    let keys = members(args)?
        .into_iter()
        .map(|(key, _)| match Json::parse(key)? {
            Json::String(key) => Ok(Datum::Text(key)),
            _ => Err(SqlError::internal("a key is no string")),
        });
    array(keys, PgType::Text)
}

fn values(args: &[Datum], ty: PgType) -> SqlResult<Datum> {
    array(
        members(args)?
            .into_iter()
            .map(|(_, member)| value(member, ty)),
        ty,
    )
}
