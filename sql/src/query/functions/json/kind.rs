//! What a JSON text is, and how long an array.

use super::super::args::{JSON, JSONB, at};
use super::super::overload::{Call, Overload};
use super::pieces::elements_of;
use super::text;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// Functions that describe a JSON text.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("json_typeof", &[JSON], PgType::Text, |_, a| {
        Ok(Datum::text(kind(text(at(a, 0)))))
    }),
    Overload::new("jsonb_typeof", &[JSONB], PgType::Text, |_, a| {
        Ok(Datum::text(kind(text(at(a, 0)))))
    }),
    Overload::new("json_array_length", &[JSON], PgType::Int4, array_length),
    Overload::new("jsonb_array_length", &[JSONB], PgType::Int4, array_length),
];

/// What a JSON text is.
pub(in crate::query) fn kind(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn array_length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let array = text(at(args, 0));
    match kind(array) {
        "array" => Ok(Datum::Int4(
            i32::try_from(elements_of(array).len()).unwrap_or(i32::MAX),
        )),
        "object" => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot get array length of a non-array",
        )),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "cannot get array length of a scalar",
        )),
    }
}
