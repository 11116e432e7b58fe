//! `j['a'][0]`, and the value that assigning to it makes.

use super::super::args::{JSONB, at};
use super::super::overload::{Arg, Call, Overload};
use super::pieces::{element_of, member_of};
use super::{kind::kind, text, written};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::{Json, key_order};
use crate::types::{Datum, PgType};

/// Most elements that an assignment behind the end of an array adds.
const MOST_ADDED: usize = 4_000_000;

/// The functions.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__subscript", &[JSONB, Arg::Any], PgType::Jsonb, read).variadic(),
    Overload::new(
        "__with_element",
        &[JSONB, JSONB, Arg::Any],
        PgType::Jsonb,
        write,
    )
    .variadic()
    .lenient(),
];

/// A subscript as text; an integer is one of an array, or the text of a key.
fn step(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<String> {
    match at(args, index) {
        Datum::Int2(n) => Ok(n.to_string()),
        Datum::Int4(n) => Ok(n.to_string()),
        Datum::Text(key) => Ok(key.clone()),
        _ => {
            let ty = call.types.get(index).copied().unwrap_or(PgType::Unknown);
            Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!("subscript type {} is not supported", ty.base_name()),
            )
            .hint("jsonb subscript must be coercible to either integer or text."))
        }
    }
}

fn read(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut found = text(at(args, 0)).trim();
    for index in 1..args.len() {
        let key = step(call, args, index)?;
        let next = match kind(found) {
            "object" => member_of(found, &key),
            "array" => key.parse().ok().and_then(|at| element_of(found, at)),
            _ => None,
        };
        match next {
            Some(value) => found = value,
            None => return Ok(Datum::Null),
        }
    }
    Ok(Datum::Jsonb(found.to_owned()))
}

fn write(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let mut path = Vec::with_capacity(args.len());
    for index in 2..args.len() {
        if at(args, index).is_null() {
            return Err(SqlError::new(
                state::NULL_VALUE_NOT_ALLOWED,
                "jsonb subscript in assignment must not be null",
            ));
        }
        path.push(step(call, args, index)?);
    }
    let mut target = match at(args, 0) {
        Datum::Null if matches!(at(args, 2), Datum::Int2(_) | Datum::Int4(_)) => {
            Json::Array(Vec::new())
        }
        Datum::Null => Json::Object(Vec::new()),
        value => Json::parse(text(value))?,
    };
    let value = match at(args, 1) {
        Datum::Null => Json::Null,
        value => Json::parse(text(value))?,
    };
    assign(&mut target, &path, 0, value)?;
    Ok(written(&target))
}

fn assign(target: &mut Json, path: &[String], level: usize, value: Json) -> SqlResult<()> {
    let Some(key) = path.get(level) else {
        *target = value;
        return Ok(());
    };
    let rest = path.get(level + 1..).unwrap_or_default();
    match target {
        Json::Object(fields) => match fields.binary_search_by(|(own, _)| key_order(own, key)) {
            Ok(found) => match fields.get_mut(found) {
                Some((_, member)) => assign(member, path, level + 1, value),
                None => Ok(()),
            },
            Err(place) => {
                fields.insert(place, (key.clone(), built(rest, value)?));
                Ok(())
            }
        },
        Json::Array(items) => {
            let index: i32 = key.parse().map_err(|_| {
                SqlError::new(
                    state::INVALID_TEXT_REPRESENTATION,
                    format!(
                        "path element at position {} is not an integer: \"{key}\"",
                        level + 1
                    ),
                )
            })?;
            let distance = index.unsigned_abs() as usize;
            let place = if index < 0 {
                items.len().checked_sub(distance).ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_PARAMETER_VALUE,
                        format!(
                            "path element at position {} is out of range: {index}",
                            level + 1
                        ),
                    )
                })?
            } else {
                distance
            };
            match items.get_mut(place) {
                Some(item) => assign(item, path, level + 1, value),
                None => {
                    fill(items, place)?;
                    items.push(built(rest, value)?);
                    Ok(())
                }
            }
        }
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot replace existing key",
        )
        .detail("The path assumes key is a composite object, but it is a scalar value.")),
    }
}

/// Adds nulls up to `length`.
fn fill(items: &mut Vec<Json>, length: usize) -> SqlResult<()> {
    if length.saturating_sub(items.len()) > MOST_ADDED {
        return Err(SqlError::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            "number of jsonb array elements exceeds the maximum allowed",
        ));
    }
    items.resize(length, Json::Null);
    Ok(())
}

/// A value inside the arrays and objects that a path leads through.
fn built(path: &[String], value: Json) -> SqlResult<Json> {
    let mut value = value;
    for key in path.iter().rev() {
        value = match key.parse::<usize>() {
            Ok(index) => {
                let mut items = Vec::new();
                fill(&mut items, index)?;
                items.push(value);
                Json::Array(items)
            }
            Err(_) => Json::Object(vec![(key.clone(), value)]),
        };
    }
    Ok(value)
}
