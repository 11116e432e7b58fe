//! Functions of text and bytes that differ from DataFusion's.

use super::args::{TEXT, at, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult};
use crate::types::{Datum, PgType, text_out};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("concat", &[Arg::Any], PgType::Text, concat)
        .variadic()
        .lenient()
        .stable(),
    Overload::new("concat_ws", &[TEXT, Arg::Any], PgType::Text, concat_with)
        .variadic()
        .lenient()
        .stable(),
    Overload::new("char_length", &[TEXT], PgType::Int4, length),
    Overload::new("character_length", &[TEXT], PgType::Int4, length),
    Overload::new("length", &[TEXT], PgType::Int4, length),
    Overload::new(
        "length",
        &[Arg::Is(PgType::Bytea)],
        PgType::Int4,
        byte_length,
    ),
    Overload::new(
        "octet_length",
        &[Arg::Is(PgType::Bytea)],
        PgType::Int4,
        byte_length,
    ),
    Overload::new("octet_length", &[TEXT], PgType::Int4, byte_length),
    Overload::new(
        "||",
        &[Arg::Is(PgType::Bytea), Arg::Is(PgType::Bytea)],
        PgType::Bytea,
        join_bytes,
    ),
];

/// An argument as text, `None` when it is NULL.
pub(super) fn shown(call: &Call<'_>, args: &[Datum], index: usize) -> Option<String> {
    let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
    text_out::text_out(ty, at(args, index), &call.format)
}

fn concat(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::Text(
        (0..args.len())
            .filter_map(|i| shown(call, args, i))
            .collect(),
    ))
}

fn concat_with(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(separator) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let parts: Vec<String> = (1..args.len())
        .filter_map(|i| shown(call, args, i))
        .collect();
    Ok(Datum::Text(parts.join(separator)))
}

fn count(n: usize) -> Datum {
    Datum::Int4(i32::try_from(n).unwrap_or(i32::MAX))
}

fn length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(count(str_at(args, 0).chars().count()))
}

fn byte_length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Bytea(bytes) => count(bytes.len()),
        other => count(other.as_str().map_or(0, str::len)),
    })
}

fn join_bytes(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    match (at(args, 0), at(args, 1)) {
        (Datum::Bytea(a), Datum::Bytea(b)) => Ok(Datum::Bytea([a.as_slice(), b].concat())),
        _ => Err(SqlError::internal("bytea operands are none")),
    }
}
