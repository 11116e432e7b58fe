//! A series as an array, from which the SELECT list and FROM make rows.

use super::super::args::{INT4, INT8, INTERVAL, NUMERIC, TIMESTAMP, TIMESTAMPTZ};
use super::super::overload::{Arg, Call, Overload};
use super::values::series;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{ArrayValue, Datum, PgType};

/// Most values of a series that is made as a whole.
const MOST: usize = 4_000_000;

const fn of(args: &'static [Arg], gives: PgType) -> Overload {
    Overload::new("__series", args, gives, whole)
}

/// The forms of `generate_series`.
pub(in super::super) static OVERLOADS: &[Overload] = &[
    of(&[INT4, INT4], PgType::Array(&PgType::Int4)),
    of(&[INT4, INT4, INT4], PgType::Array(&PgType::Int4)),
    of(&[INT8, INT8], PgType::Array(&PgType::Int8)),
    of(&[INT8, INT8, INT8], PgType::Array(&PgType::Int8)),
    of(&[NUMERIC, NUMERIC], PgType::Array(&PgType::Numeric(None))),
    of(
        &[NUMERIC, NUMERIC, NUMERIC],
        PgType::Array(&PgType::Numeric(None)),
    ),
    of(
        &[TIMESTAMP, TIMESTAMP, INTERVAL],
        PgType::Array(&PgType::Timestamp),
    ),
    of(
        &[TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL],
        PgType::Array(&PgType::Timestamptz),
    )
    .stable(),
];

fn whole(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let typed: Vec<(Datum, PgType)> = args
        .iter()
        .cloned()
        .zip(call.types.iter().copied())
        .collect();
    let (ty, mut series) = series(&typed, &call.format)?;
    let mut values = Vec::new();
    while let Some(value) = series.next()? {
        if values.len() == MOST {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                format!("a series of more than {MOST} values is not supported in this place"),
            ));
        }
        values.push(value);
    }
    Ok(ArrayValue::list(ty, values).datum())
}
