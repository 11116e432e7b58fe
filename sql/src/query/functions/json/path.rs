//! Changing a `jsonb` value at a path: set, insert, delete.

use super::super::args::{JSONB, TEXT, at};
use super::super::overload::{Arg, Call, Overload};
use super::{text, written};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::{Json, key_order};
use crate::types::{ArrayValue, Datum, PgType};

const PATH: Arg = Arg::Is(PgType::Array(&PgType::Text));
const BOOL: Arg = Arg::Is(PgType::Bool);

/// The functions.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("#-", &[JSONB, PATH], PgType::Jsonb, delete_path),
    Overload::new(
        "jsonb_delete_path",
        &[JSONB, PATH],
        PgType::Jsonb,
        delete_path,
    ),
    Overload::new("jsonb_set", &[JSONB, PATH, JSONB], PgType::Jsonb, set),
    Overload::new("jsonb_set", &[JSONB, PATH, JSONB, BOOL], PgType::Jsonb, set),
    Overload::new("jsonb_insert", &[JSONB, PATH, JSONB], PgType::Jsonb, insert),
    Overload::new(
        "jsonb_insert",
        &[JSONB, PATH, JSONB, BOOL],
        PgType::Jsonb,
        insert,
    ),
    Overload::new(
        "jsonb_set_lax",
        &[JSONB, PATH, JSONB],
        PgType::Jsonb,
        set_lax,
    )
    .lenient(),
    Overload::new(
        "jsonb_set_lax",
        &[JSONB, PATH, JSONB, BOOL],
        PgType::Jsonb,
        set_lax,
    )
    .lenient(),
    Overload::new(
        "jsonb_set_lax",
        &[JSONB, PATH, JSONB, BOOL, TEXT],
        PgType::Jsonb,
        set_lax,
    )
    .lenient(),
];

/// What happens at the end of the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The value replaces what is there, or is added.
    Set,
    /// The value replaces what is there.
    Replace,
    Delete,
    InsertBefore,
    InsertAfter,
}

impl Change {
    fn adds(self) -> bool {
        matches!(self, Self::Set | Self::InsertBefore | Self::InsertAfter)
    }
}

/// A change on its way down.
struct Walk<'a> {
    path: Vec<Option<&'a str>>,
    change: Change,
    value: Json,
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message)
}

fn path_at(args: &[Datum]) -> SqlResult<Vec<Option<&str>>> {
    let path: &ArrayValue = match at(args, 1) {
        Datum::Array(path) => path,
        _ => return Err(SqlError::internal("a JSON path is no array")),
    };
    if path.dimensions().len() > 1 {
        return Err(SqlError::new(
            state::ARRAY_SUBSCRIPT_ERROR,
            "wrong number of array subscripts",
        ));
    }
    Ok(path.values.iter().map(Datum::as_str).collect())
}

fn apply(args: &[Datum], change: Change, value: Json) -> SqlResult<Datum> {
    let path = path_at(args)?;
    let mut target = Json::parse(text(at(args, 0)))?;
    let empty = match &target {
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ if change == Change::Delete => return Err(invalid("cannot delete path in scalar")),
        _ => return Err(invalid("cannot set path in scalar")),
    };
    if path.is_empty() || (empty && matches!(change, Change::Replace | Change::Delete)) {
        return Ok(at(args, 0).clone());
    }
    let walk = Walk {
        path,
        change,
        value,
    };
    walk.step(&mut target, 0)?;
    Ok(written(&target))
}

impl Walk<'_> {
    fn step(&self, target: &mut Json, level: usize) -> SqlResult<()> {
        let key = match self.path.get(level) {
            Some(Some(key)) => *key,
            Some(None) => {
                return Err(SqlError::new(
                    state::NULL_VALUE_NOT_ALLOWED,
                    format!("path element at position {} is null", level + 1),
                ));
            }
            None => return Ok(()),
        };
        match target {
            Json::Object(fields) => self.in_object(fields, key, level),
            Json::Array(items) => self.in_array(items, key, level),
            _ => Ok(()),
        }
    }

    fn is_last(&self, level: usize) -> bool {
        level + 1 == self.path.len()
    }

    fn in_object(
        &self,
        fields: &mut Vec<(String, Json)>,
        key: &str,
        level: usize,
    ) -> SqlResult<()> {
        match fields.binary_search_by(|(own, _)| key_order(own, key)) {
            Ok(found) if !self.is_last(level) => match fields.get_mut(found) {
                Some((_, value)) => self.step(value, level + 1),
                None => Ok(()),
            },
            Ok(found) => {
                match self.change {
                    Change::InsertBefore | Change::InsertAfter => {
                        return Err(invalid("cannot replace existing key")
                            .hint("Try using the function jsonb_set to replace key value."));
                    }
                    Change::Delete => {
                        fields.remove(found);
                    }
                    Change::Set | Change::Replace => {
                        if let Some((_, value)) = fields.get_mut(found) {
                            *value = self.value.clone();
                        }
                    }
                }
                Ok(())
            }
            Err(place) => {
                if self.is_last(level) && self.change.adds() {
                    fields.insert(place, (key.to_owned(), self.value.clone()));
                }
                Ok(())
            }
        }
    }

    fn in_array(&self, items: &mut Vec<Json>, key: &str, level: usize) -> SqlResult<()> {
        let index: i32 = key.trim_start().parse().map_err(|_| {
            SqlError::new(
                state::INVALID_TEXT_REPRESENTATION,
                format!(
                    "path element at position {} is not an integer: \"{key}\"",
                    level + 1
                ),
            )
        })?;
        // Where the element is; before the first, or after the last, is no place.
        let place = if index < 0 {
            items.len().checked_sub(index.unsigned_abs() as usize)
        } else {
            Some(index.unsigned_abs() as usize)
        };
        let found = place.filter(|place| *place < items.len());
        if !self.is_last(level) {
            return match found.and_then(|found| items.get_mut(found)) {
                Some(item) => self.step(item, level + 1),
                None => Ok(()),
            };
        }
        match (found, self.change) {
            (Some(found), Change::Delete) => {
                items.remove(found);
            }
            (Some(found), Change::Set | Change::Replace) => {
                if let Some(item) = items.get_mut(found) {
                    *item = self.value.clone();
                }
            }
            (Some(found), Change::InsertBefore) => items.insert(found, self.value.clone()),
            (Some(found), Change::InsertAfter) => items.insert(found + 1, self.value.clone()),
            (None, change) if change.adds() => match place {
                None => items.insert(0, self.value.clone()),
                Some(_) => items.push(self.value.clone()),
            },
            (None, _) => {}
        }
        Ok(())
    }
}

fn delete_path(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    apply(args, Change::Delete, Json::Null)
}

fn set(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let change = if at(args, 3).as_bool() == Some(false) {
        Change::Replace
    } else {
        Change::Set
    };
    apply(args, change, Json::parse(text(at(args, 2)))?)
}

fn insert(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let change = if at(args, 3).as_bool() == Some(true) {
        Change::InsertAfter
    } else {
        Change::InsertBefore
    };
    apply(args, change, Json::parse(text(at(args, 2)))?)
}

fn set_lax(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let given = |index: usize| args.get(index).is_none_or(|arg| !arg.is_null());
    if !given(0) || !given(1) || !given(3) {
        return Ok(Datum::Null);
    }
    let wrong = |sqlstate| {
        SqlError::new(
            sqlstate,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )
    };
    if !given(4) {
        return Err(wrong(state::NULL_VALUE_NOT_ALLOWED));
    }
    if given(2) {
        return set(call, args);
    }
    let mut with_null = args.to_vec();
    match at(args, 4).as_str().unwrap_or("use_json_null") {
        "use_json_null" => {
            if let Some(value) = with_null.get_mut(2) {
                *value = Datum::Jsonb("null".to_owned());
            }
            set(call, &with_null)
        }
        "delete_key" => apply(args, Change::Delete, Json::Null),
        "return_target" => Ok(at(args, 0).clone()),
        "raise_exception" => Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "JSON value must not be null",
        )
        .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
        .hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")),
        _ => Err(wrong(state::INVALID_PARAMETER_VALUE)),
    }
}
