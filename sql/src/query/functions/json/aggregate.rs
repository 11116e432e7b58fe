//! What JSON aggregates make of the lists that were gathered.

use super::super::args::at;
use super::super::overload::{Arg, Call, Overload};
use super::build::write_value;
use super::normal;
use crate::error::{SqlError, SqlResult, state};
use crate::types::json::write_string;
use crate::types::{ArrayValue, Datum, PgType, text_out};

/// The functions, of one list, and of a list of keys and one of values. They are
/// separate arguments, so they are not brought to one type.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__json_agg", &[Arg::Any], PgType::Json, |c, a| {
        array(c, a).map(Datum::Json)
    })
    .stable(),
    Overload::new("__jsonb_agg", &[Arg::Any], PgType::Jsonb, |c, a| {
        normal(&array(c, a)?)
    })
    .stable(),
    Overload::new(
        "__json_object_agg",
        &[Arg::Any, Arg::Any],
        PgType::Json,
        |c, a| object(c, a).map(Datum::Json),
    )
    .stable(),
    Overload::new(
        "__jsonb_object_agg",
        &[Arg::Any, Arg::Any],
        PgType::Jsonb,
        |c, a| normal(&object(c, a)?),
    )
    .stable(),
];

fn list_at(args: &[Datum], index: usize) -> SqlResult<&ArrayValue> {
    match at(args, index) {
        Datum::Array(list) => Ok(list),
        _ => Err(SqlError::internal("an aggregate gathered no list")),
    }
}

/// The type of the values in a list: the arrays of a list of arrays are of the
/// list's own type.
fn type_of_values(call: &Call<'_>, list: &ArrayValue, index: usize) -> PgType {
    let own = call.types.get(index).copied().unwrap_or(PgType::Text);
    match list.values.iter().find(|value| !value.is_null()) {
        Some(Datum::Array(_)) => own,
        _ => list.element,
    }
}

fn array(call: &Call<'_>, args: &[Datum]) -> SqlResult<String> {
    let list = list_at(args, 0)?;
    let ty = type_of_values(call, list, 0);
    let mut out = String::from("[");
    for (index, value) in list.values.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&write_value(call, value, ty)?);
    }
    out.push(']');
    Ok(out)
}

fn object(call: &Call<'_>, args: &[Datum]) -> SqlResult<String> {
    let (keys, values) = (list_at(args, 0)?, list_at(args, 1)?);
    let (key_type, value_type) = (
        type_of_values(call, keys, 0),
        type_of_values(call, values, 1),
    );
    let mut out = String::from("{ ");
    for (index, (key, value)) in keys.values.iter().zip(&values.values).enumerate() {
        let key =
            text_out::text_out(key_type, key, &call.format.with_iso_dates()).ok_or_else(|| {
                SqlError::new(state::NULL_VALUE_NOT_ALLOWED, "field name must not be null")
            })?;
        if index > 0 {
            out.push_str(", ");
        }
        write_string(&key, &mut out);
        out.push_str(" : ");
        out.push_str(&write_value(call, value, value_type)?);
    }
    out.push_str(" }");
    Ok(out)
}
