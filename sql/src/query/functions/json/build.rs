//! JSON built from values of any type.

use super::super::args::at;
use super::super::overload::{Arg, Call, Overload};
use super::normal;
use crate::error::{SqlError, SqlResult, state};
use crate::types::array::Dimension;
use crate::types::json::write_string;
use crate::types::{ArrayValue, Datum, PgType, text_out};

/// Functions that build JSON.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("to_json", &[Arg::Any], PgType::Json, |c, a| {
        value_of(c, a, 0).map(Datum::Json)
    })
    .stable(),
    Overload::new("to_jsonb", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&value_of(c, a, 0)?)
    })
    .stable(),
    Overload::new("json_build_object", &[Arg::Any], PgType::Json, |c, a| {
        build_object(c, a, " : ").map(Datum::Json)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("jsonb_build_object", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&build_object(c, a, ":")?)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("json_build_array", &[Arg::Any], PgType::Json, |c, a| {
        build_array(c, a).map(Datum::Json)
    })
    .variadic()
    .lenient()
    .stable(),
    Overload::new("jsonb_build_array", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&build_array(c, a)?)
    })
    .variadic()
    .lenient()
    .stable(),
];

/// An argument as JSON text.
fn value_of(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<String> {
    let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
    write_value(call, at(args, index), ty)
}

pub(super) fn write_value(call: &Call<'_>, value: &Datum, ty: PgType) -> SqlResult<String> {
    let mut out = String::new();
    match value {
        Datum::Null => out.push_str("null"),
        Datum::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Datum::Json(text) | Datum::Jsonb(text) => out.push_str(text),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Numeric(_) => {
            out = text_out::text_out(ty, value, &call.format.with_iso_dates()).unwrap_or_default();
        }
        Datum::Float4(_) | Datum::Float8(_) => {
            let number =
                text_out::text_out(ty, value, &call.format.with_iso_dates()).unwrap_or_default();
            if number.bytes().any(|b| b.is_ascii_uppercase()) {
                write_string(&number, &mut out);
            } else {
                out = number;
            }
        }
        Datum::Array(array) => {
            out = write_array(call, array, ",")?;
        }
        Datum::Timestamp(_) | Datum::Timestamptz(_) => {
            let text =
                text_out::text_out(ty, value, &call.format.with_iso_dates()).unwrap_or_default();
            let iso = text.replacen(' ', "T", 1);
            write_string(&with_minutes(&iso, ty), &mut out);
        }
        _ => {
            let text =
                text_out::text_out(ty, value, &call.format.with_iso_dates()).unwrap_or_default();
            write_string(&text, &mut out);
        }
    }
    Ok(out)
}

/// An array as JSON arrays inside each other.
pub(super) fn write_array(
    call: &Call<'_>,
    array: &ArrayValue,
    separator: &str,
) -> SqlResult<String> {
    let mut out = String::new();
    let mut rest = array.values.as_slice();
    if array.dimensions().is_empty() {
        out.push_str("[]");
    } else {
        let item = Item { call, array };
        item.write_dimension(array.dimensions(), &mut rest, separator, &mut out)?;
    }
    Ok(out)
}

/// Writes the elements of an array.
struct Item<'a> {
    call: &'a Call<'a>,
    array: &'a ArrayValue,
}

impl Item<'_> {
    /// The elements of a dimension, taken off the front of `values`.
    fn write_dimension(
        &self,
        dimensions: &[Dimension],
        values: &mut &[Datum],
        separator: &str,
        out: &mut String,
    ) -> SqlResult<()> {
        let Some((dimension, inner)) = dimensions.split_first() else {
            if let Some((value, rest)) = values.split_first() {
                out.push_str(&write_value(self.call, value, self.array.element)?);
                *values = rest;
            }
            return Ok(());
        };
        out.push('[');
        for index in 0..dimension.length {
            if index > 0 {
                out.push_str(separator);
            }
            self.write_dimension(inner, values, ",", out)?;
        }
        out.push(']');
        Ok(())
    }
}

/// JSON wants minutes in the offset of a time zone.
fn with_minutes(text: &str, ty: PgType) -> String {
    let offset = text
        .rfind(['+', '-'])
        .map_or("", |at| text.get(at..).unwrap_or_default());
    if ty == PgType::Timestamptz && offset.len() == 3 {
        format!("{text}:00")
    } else {
        text.to_owned()
    }
}

fn build_object(call: &Call<'_>, args: &[Datum], colon: &str) -> SqlResult<String> {
    if !args.len().is_multiple_of(2) {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "argument list must have even number of elements",
        ));
    }
    let mut members = Vec::with_capacity(args.len() / 2);
    for index in (0..args.len()).step_by(2) {
        if at(args, index).is_null() {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("argument {} cannot be null", index + 1),
            )
            .hint("Object keys should be text."));
        }
        let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
        if ty.element().is_some() || matches!(ty, PgType::Json | PgType::Jsonb) {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                "key value must be scalar, not array, composite, or json",
            ));
        }
        let key = text_out::text_out(ty, at(args, index), &call.format.with_iso_dates())
            .unwrap_or_default();
        let mut member = String::new();
        write_string(&key, &mut member);
        member.push_str(colon);
        member.push_str(&value_of(call, args, index + 1)?);
        members.push(member);
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

fn build_array(call: &Call<'_>, args: &[Datum]) -> SqlResult<String> {
    let items = (0..args.len())
        .map(|index| value_of(call, args, index))
        .collect::<SqlResult<Vec<_>>>()?;
    Ok(format!("[{}]", items.join(", ")))
}
