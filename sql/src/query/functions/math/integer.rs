//! Functions of integers.

use super::super::args::{INT2, INT4, INT8, at, mismatch};
use super::super::overload::{Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::division_by_zero;
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("abs", &[INT2], PgType::Int2, absolute),
    Overload::new("abs", &[INT4], PgType::Int4, absolute),
    Overload::new("abs", &[INT8], PgType::Int8, absolute),
    Overload::new("mod", &[INT2, INT2], PgType::Int2, modulo),
    Overload::new("mod", &[INT4, INT4], PgType::Int4, modulo),
    Overload::new("mod", &[INT8, INT8], PgType::Int8, modulo),
    Overload::new("gcd", &[INT4, INT4], PgType::Int4, |_, a| {
        divisor(integers(a)?).and_then(int4)
    }),
    Overload::new("gcd", &[INT8, INT8], PgType::Int8, |_, a| {
        divisor(integers(a)?).and_then(int8)
    }),
    Overload::new("lcm", &[INT4, INT4], PgType::Int4, |_, a| {
        multiple(integers(a)?).and_then(int4)
    }),
    Overload::new("lcm", &[INT8, INT8], PgType::Int8, |_, a| {
        multiple(integers(a)?).and_then(int8)
    }),
    Overload::new("__bitnot", &[INT2], PgType::Int2, bit_not),
    Overload::new("__bitnot", &[INT4], PgType::Int4, bit_not),
    Overload::new("__bitnot", &[INT8], PgType::Int8, bit_not),
];

fn out_of_range(ty: &str) -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{ty} out of range"),
    )
}

fn integers(args: &[Datum]) -> SqlResult<(i128, i128)> {
    match (at(args, 0).as_i64(), at(args, 1).as_i64()) {
        (Some(a), Some(b)) => Ok((a.into(), b.into())),
        _ => Err(mismatch()),
    }
}

fn int4(value: i128) -> SqlResult<Datum> {
    i32::try_from(value)
        .map(Datum::Int4)
        .map_err(|_| out_of_range("integer"))
}

fn int8(value: i128) -> SqlResult<Datum> {
    i64::try_from(value)
        .map(Datum::Int8)
        .map_err(|_| out_of_range("bigint"))
}

fn divisor((mut a, mut b): (i128, i128)) -> SqlResult<i128> {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Ok(a.abs())
}

fn multiple((a, b): (i128, i128)) -> SqlResult<i128> {
    if a == 0 || b == 0 {
        return Ok(0);
    }
    // Both have 64 bits, so the product has no more than 128.
    Ok((a / divisor((a, b))? * b).abs())
}

fn absolute(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Int2(n) => Datum::Int2(n.checked_abs().ok_or_else(|| out_of_range("smallint"))?),
        Datum::Int4(n) => Datum::Int4(n.checked_abs().ok_or_else(|| out_of_range("integer"))?),
        Datum::Int8(n) => Datum::Int8(n.checked_abs().ok_or_else(|| out_of_range("bigint"))?),
        _ => return Err(mismatch()),
    })
}

fn modulo(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    // The remainder of the smallest integer by -1 is 0, not an overflow.
    Ok(match (at(args, 0), at(args, 1)) {
        (_, Datum::Int2(0) | Datum::Int4(0) | Datum::Int8(0)) => return Err(division_by_zero()),
        (Datum::Int2(a), Datum::Int2(b)) => Datum::Int2(a.wrapping_rem(*b)),
        (Datum::Int4(a), Datum::Int4(b)) => Datum::Int4(a.wrapping_rem(*b)),
        (Datum::Int8(a), Datum::Int8(b)) => Datum::Int8(a.wrapping_rem(*b)),
        _ => return Err(mismatch()),
    })
}

fn bit_not(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Int2(n) => Datum::Int2(!n),
        Datum::Int4(n) => Datum::Int4(!n),
        Datum::Int8(n) => Datum::Int8(!n),
        _ => return Err(mismatch()),
    })
}
