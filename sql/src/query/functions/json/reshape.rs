//! JSON written anew: without nulls, indented, from arrays of texts.

use super::super::args::{JSON, JSONB, TEXT, at};
use super::super::overload::{Arg, Call, Overload};
use super::kind::kind;
use super::pieces::{elements_of, members_of};
use super::{normal, text, written};
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::{Json, write_string};
use crate::types::{ArrayValue, Datum, PgType};

const TEXTS: Arg = Arg::Is(PgType::Array(&PgType::Text));

/// The functions.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("json_strip_nulls", &[JSON], PgType::Json, |_, a| {
        let mut out = String::new();
        strip_text(text(at(a, 0)), &mut out)?;
        Ok(Datum::Json(out))
    }),
    Overload::new("jsonb_strip_nulls", &[JSONB], PgType::Jsonb, |_, a| {
        let mut value = Json::parse(text(at(a, 0)))?;
        strip(&mut value);
        Ok(written(&value))
    }),
    Overload::new("jsonb_pretty", &[JSONB], PgType::Text, |_, a| {
        let mut out = String::new();
        indent(&Json::parse(text(at(a, 0)))?, 0, &mut out);
        Ok(Datum::Text(out))
    }),
    Overload::new("json_object", &[TEXTS], PgType::Json, |_, a| {
        pairs_of(a).map(Datum::Json)
    }),
    Overload::new("jsonb_object", &[TEXTS], PgType::Jsonb, |_, a| {
        normal(&pairs_of(a)?)
    }),
    Overload::new("json_object", &[TEXTS, TEXTS], PgType::Json, |_, a| {
        keys_and_values(a).map(Datum::Json)
    }),
    Overload::new("jsonb_object", &[TEXTS, TEXTS], PgType::Jsonb, |_, a| {
        normal(&keys_and_values(a)?)
    }),
    Overload::new("array_to_json", &[Arg::AnyArray], PgType::Json, |c, a| {
        array_to_json(c, a, false)
    })
    .stable(),
    Overload::new(
        "array_to_json",
        &[Arg::AnyArray, Arg::Is(PgType::Bool)],
        PgType::Json,
        |c, a| array_to_json(c, a, at(a, 1).as_bool() == Some(true)),
    )
    .stable(),
    Overload::new(
        "json_extract_path",
        &[JSON, TEXT],
        PgType::Json,
        super::access::extract,
    )
    .variadic(),
    Overload::new(
        "jsonb_extract_path",
        &[JSONB, TEXT],
        PgType::Jsonb,
        super::access::extract,
    )
    .variadic(),
    Overload::new(
        "json_extract_path_text",
        &[JSON, TEXT],
        PgType::Text,
        super::access::extract_text,
    )
    .variadic(),
    Overload::new(
        "jsonb_extract_path_text",
        &[JSONB, TEXT],
        PgType::Text,
        super::access::extract_text,
    )
    .variadic(),
];

fn strip(value: &mut Json) {
    match value {
        Json::Object(fields) => {
            fields.retain(|(_, member)| *member != Json::Null);
            fields.iter_mut().for_each(|(_, member)| strip(member));
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Appends JSON text without the members that are null, and without blanks.
fn strip_text(json: &str, out: &mut String) -> SqlResult<()> {
    let json = json.trim();
    match kind(json) {
        "object" => {
            out.push('{');
            let mut first = true;
            for (key, value) in members_of(json) {
                if value == "null" {
                    continue;
                }
                if !first {
                    out.push(',');
                }
                first = false;
                rewrite_string(key, out)?;
                out.push(':');
                strip_text(value, out)?;
            }
            out.push('}');
        }
        "array" => {
            out.push('[');
            for (index, item) in elements_of(json).into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                strip_text(item, out)?;
            }
            out.push(']');
        }
        "string" => rewrite_string(json, out)?,
        _ => out.push_str(json),
    }
    Ok(())
}

/// Appends a written string with as few escapes as there can be.
fn rewrite_string(json: &str, out: &mut String) -> SqlResult<()> {
    match Json::parse(json)? {
        Json::String(text) => write_string(&text, out),
        _ => return Err(SqlError::internal("a JSON string is none")),
    }
    Ok(())
}

fn indent(value: &Json, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match value {
        Json::Object(fields) => {
            out.push('{');
            for (index, (key, member)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                write_string(key, out);
                out.push_str(": ");
                indent(member, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                indent(item, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        scalar => scalar.write(out),
    }
}

fn texts_at(args: &[Datum], index: usize) -> SqlResult<&ArrayValue> {
    match at(args, index) {
        Datum::Array(array) => Ok(array),
        _ => Err(SqlError::internal("an array of texts is none")),
    }
}

fn array_fault(message: &str) -> SqlError {
    SqlError::new(state::ARRAY_SUBSCRIPT_ERROR, message)
}

/// An object of keys and values that follow each other.
fn pairs_of(args: &[Datum]) -> SqlResult<String> {
    let array = texts_at(args, 0)?;
    match array.dimensions() {
        [] => {}
        [one] if one.length % 2 == 0 => {}
        [_] => return Err(array_fault("array must have even number of elements")),
        [_, two] if two.length == 2 => {}
        [_, _] => return Err(array_fault("array must have two columns")),
        _ => return Err(array_fault("wrong number of array subscripts")),
    }
    let pairs = array
        .values
        .chunks(2)
        .map(|pair| (at(pair, 0), at(pair, 1)));
    object_of_texts(pairs)
}

fn keys_and_values(args: &[Datum]) -> SqlResult<String> {
    let (keys, values) = (texts_at(args, 0)?, texts_at(args, 1)?);
    if keys.dimensions().len() > 1 || keys.dimensions().len() != values.dimensions().len() {
        return Err(array_fault("wrong number of array subscripts"));
    }
    if keys.values.len() != values.values.len() {
        return Err(array_fault("mismatched array dimensions"));
    }
    object_of_texts(keys.values.iter().zip(&values.values))
}

fn object_of_texts<'a>(pairs: impl Iterator<Item = (&'a Datum, &'a Datum)>) -> SqlResult<String> {
    let mut out = String::from("{");
    for (index, (key, value)) in pairs.enumerate() {
        let key = key.as_str().ok_or_else(|| {
            SqlError::new(
                state::NULL_VALUE_NOT_ALLOWED,
                "null value not allowed for object key",
            )
        })?;
        if index > 0 {
            out.push_str(", ");
        }
        write_string(key, &mut out);
        out.push_str(" : ");
        match value.as_str() {
            Some(text) => write_string(text, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(out)
}

fn array_to_json(call: &Call<'_>, args: &[Datum], lines: bool) -> SqlResult<Datum> {
    let Datum::Array(array) = at(args, 0) else {
        return Ok(Datum::Null);
    };
    let separator = if lines { ",\n " } else { "," };
    super::build::write_array(call, array, separator).map(Datum::Json)
}
