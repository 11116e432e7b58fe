//! Arrays from texts and texts from arrays.

use super::super::args::{TEXT, at};
use super::super::overload::{Arg, Call, Overload};
use super::array_at;
use crate::error::SqlResult;
use crate::types::{ArrayValue, Datum, PgType, text_out};

/// `text[]`.
const TEXTS: PgType = PgType::Array(&PgType::Text);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "array_to_string",
        &[Arg::AnyArray, TEXT],
        PgType::Text,
        join,
    )
    .lenient()
    .stable(),
    Overload::new(
        "array_to_string",
        &[Arg::AnyArray, TEXT, TEXT],
        PgType::Text,
        join,
    )
    .lenient()
    .stable(),
    Overload::new("string_to_array", &[TEXT, TEXT], TEXTS, split).lenient(),
    Overload::new("string_to_array", &[TEXT, TEXT, TEXT], TEXTS, split).lenient(),
];

fn join(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (Some(array), Some(separator)) = (array_at(args, 0), at(args, 1).as_str()) else {
        return Ok(Datum::Null);
    };
    let for_null = at(args, 2).as_str();
    let mut out = String::new();
    let mut first = true;
    for value in &array.values {
        let text = match for_null {
            Some(text) if value.is_null() => text.to_owned(),
            _ => match text_out::text_out(array.element, value, &call.format) {
                Some(text) => text,
                None => continue,
            },
        };
        if !first {
            out.push_str(separator);
        }
        out.push_str(&text);
        first = false;
    }
    Ok(Datum::Text(out))
}

fn split(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(text) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let for_null = at(args, 2).as_str();
    let item = |part: &str| {
        if for_null == Some(part) {
            Datum::Null
        } else {
            Datum::text(part)
        }
    };
    let values: Vec<Datum> = match at(args, 1).as_str() {
        _ if text.is_empty() => Vec::new(),
        None => text
            .chars()
            .map(|c| item(c.encode_utf8(&mut [0; 4])))
            .collect(),
        Some("") => vec![item(text)],
        Some(separator) => text.split(separator).map(item).collect(),
    };
    Ok(ArrayValue::list(PgType::Text, values).datum())
}
