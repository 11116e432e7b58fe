//! What TABLESAMPLE asks about each row.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::args::{FLOAT8, at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType, text_out};

/// The functions: the part of the rows that is wanted, checked, and the place of a row
/// between 0 and 1, which depends on the seed and the row alone.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__sample_percent", &[FLOAT8], PgType::Float8, percent).lenient(),
    Overload::new("__sample_place", &[FLOAT8, Arg::Any], PgType::Float8, place)
        .lenient()
        .variadic()
        .stable(),
];

fn percent(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let fault = |message| Err(SqlError::new(state::INVALID_TABLESAMPLE_ARGUMENT, message));
    match at(args, 0) {
        Datum::Float8(percent) if (0.0..=100.0).contains(percent) => Ok(Datum::Float8(*percent)),
        Datum::Null => fault("TABLESAMPLE parameter cannot be null"),
        _ => fault("sample percentage must be between 0 and 100"),
    }
}

fn place(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Float8(seed) = at(args, 0) else {
        return Err(SqlError::new(
            state::INVALID_TABLESAMPLE_REPEAT,
            "TABLESAMPLE REPEATABLE parameter cannot be null",
        ));
    };
    let mut hasher = DefaultHasher::new();
    seed.to_bits().hash(&mut hasher);
    for (value, ty) in args.iter().zip(call.types).skip(1) {
        text_out(*ty, value, &call.format).hash(&mut hasher);
    }
    // 53 bits are what a float holds.
    Ok(Datum::Float8(
        (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64,
    ))
}
