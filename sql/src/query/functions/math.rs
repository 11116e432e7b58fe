//! Functions of numbers that differ from DataFusion's.

use super::args::{FLOAT8, INT2, INT4, INT8, NUMERIC, at, mismatch};
use super::overload::{Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Numeric, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("round", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, f64::round_ties_even)
    }),
    Overload::new("round", &[NUMERIC], PgType::Numeric(None), |_, a| {
        rescaled(a, 0, Round::Nearest)
    })
    .numeric(0),
    Overload::new("round", &[NUMERIC, INT4], PgType::Numeric(None), |_, a| {
        rescaled(a, digits(a)?, Round::Nearest)
    })
    .scaled_by(1),
    Overload::new("trunc", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, f64::trunc)
    }),
    Overload::new("trunc", &[NUMERIC], PgType::Numeric(None), |_, a| {
        rescaled(a, 0, Round::Zero)
    })
    .numeric(0),
    Overload::new("trunc", &[NUMERIC, INT4], PgType::Numeric(None), |_, a| {
        rescaled(a, digits(a)?, Round::Zero)
    })
    .scaled_by(1),
    Overload::new("ceil", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, f64::ceil)
    }),
    Overload::new("ceil", &[NUMERIC], PgType::Numeric(None), |_, a| {
        rescaled(a, 0, Round::Up)
    })
    .numeric(0),
    Overload::new("ceiling", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, f64::ceil)
    }),
    Overload::new("ceiling", &[NUMERIC], PgType::Numeric(None), |_, a| {
        rescaled(a, 0, Round::Up)
    })
    .numeric(0),
    Overload::new("floor", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, f64::floor)
    }),
    Overload::new("floor", &[NUMERIC], PgType::Numeric(None), |_, a| {
        rescaled(a, 0, Round::Down)
    })
    .numeric(0),
    Overload::new("abs", &[INT2], PgType::Int2, absolute),
    Overload::new("abs", &[INT4], PgType::Int4, absolute),
    Overload::new("abs", &[INT8], PgType::Int8, absolute),
    Overload::new("abs", &[FLOAT8], PgType::Float8, absolute),
    Overload::new("abs", &[NUMERIC], PgType::Numeric(None), absolute).like(0),
    Overload::new("sign", &[FLOAT8], PgType::Float8, |_, a| {
        float(a, |f| if f == 0.0 { 0.0 } else { f.signum() })
    }),
    Overload::new("sign", &[NUMERIC], PgType::Numeric(None), sign).numeric(0),
    Overload::new("mod", &[INT2, INT2], PgType::Int2, modulo),
    Overload::new("mod", &[INT4, INT4], PgType::Int4, modulo),
    Overload::new("mod", &[INT8, INT8], PgType::Int8, modulo),
    Overload::new(
        "div",
        &[NUMERIC, NUMERIC],
        PgType::Numeric(None),
        whole_quotient,
    )
    .numeric(0),
    Overload::new("power", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| {
        power(a).map(Datum::Float8)
    }),
    Overload::new("pow", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| {
        power(a).map(Datum::Float8)
    }),
    Overload::new("sqrt", &[FLOAT8], PgType::Float8, square_root),
    Overload::new("ln", &[FLOAT8], PgType::Float8, |_, a| {
        logarithm(a, 0, f64::ln)
    }),
    Overload::new("log", &[FLOAT8], PgType::Float8, |_, a| {
        logarithm(a, 0, f64::log10)
    }),
    Overload::new("log10", &[FLOAT8], PgType::Float8, |_, a| {
        logarithm(a, 0, f64::log10)
    }),
    Overload::new("log", &[FLOAT8, FLOAT8], PgType::Float8, logarithm_to_base),
    Overload::new("__bitnot", &[INT2], PgType::Int2, bit_not),
    Overload::new("__bitnot", &[INT4], PgType::Int4, bit_not),
    Overload::new("__bitnot", &[INT8], PgType::Int8, bit_not),
];

fn float(args: &[Datum], apply: impl Fn(f64) -> f64) -> SqlResult<Datum> {
    match at(args, 0) {
        Datum::Float8(f) => Ok(Datum::Float8(apply(*f))),
        _ => Err(mismatch()),
    }
}

#[derive(Clone, Copy)]
enum Round {
    Nearest,
    Zero,
    Up,
    Down,
}

fn digits(args: &[Datum]) -> SqlResult<i32> {
    match at(args, 1) {
        Datum::Int4(n) => Ok((*n).clamp(-100, 100)),
        _ => Err(mismatch()),
    }
}

/// A numeric with `digits` after the point; negative counts before it.
fn rescaled(args: &[Datum], digits: i32, round: Round) -> SqlResult<Datum> {
    let Datum::Numeric(value) = at(args, 0) else {
        return Err(mismatch());
    };
    let Some(unscaled) = value.unscaled() else {
        return Ok(Datum::Numeric(value.clone()));
    };
    let drop = i32::from(value.scale()) - digits;
    let target = u16::try_from(digits.max(0)).unwrap_or(0);
    if drop <= 0 {
        return Ok(Datum::Numeric(value.rescale(target)));
    }
    let ten = bigdecimal::num_bigint::BigInt::from(10);
    let unit = ten.pow(drop.unsigned_abs());
    let (mut quotient, rest) = (&unscaled / &unit, &unscaled % &unit);
    let zero = bigdecimal::num_bigint::BigInt::ZERO;
    let negative = unscaled < zero;
    let away = match round {
        Round::Zero => false,
        Round::Nearest => rest.magnitude() * 2u8 >= *unit.magnitude(),
        Round::Up => !negative && rest != zero,
        Round::Down => negative && rest != zero,
    };
    if away {
        quotient += if negative { -1 } else { 1 };
    }
    if digits < 0 {
        quotient *= ten.pow(digits.unsigned_abs());
    }
    Ok(Datum::Numeric(Numeric::from_bigint(quotient, target)))
}

fn out_of_range(ty: &str) -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{ty} out of range"),
    )
}

fn absolute(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Int2(n) => Datum::Int2(n.checked_abs().ok_or_else(|| out_of_range("smallint"))?),
        Datum::Int4(n) => Datum::Int4(n.checked_abs().ok_or_else(|| out_of_range("integer"))?),
        Datum::Int8(n) => Datum::Int8(n.checked_abs().ok_or_else(|| out_of_range("bigint"))?),
        Datum::Float8(n) => Datum::Float8(n.abs()),
        Datum::Numeric(n) => match n.unscaled() {
            Some(unscaled) if n.is_negative() => {
                Datum::Numeric(Numeric::from_bigint(-unscaled, n.scale()))
            }
            _ => Datum::Numeric(n.clone()),
        },
        _ => return Err(mismatch()),
    })
}

fn sign(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Numeric(n) = at(args, 0) else {
        return Err(mismatch());
    };
    let sign = if n.is_zero() {
        0
    } else if n.is_negative() {
        -1
    } else {
        1
    };
    Ok(Datum::Numeric(Numeric::from_i128(sign, 0)))
}

fn division_by_zero() -> SqlError {
    SqlError::new(state::DIVISION_BY_ZERO, "division by zero")
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

fn whole_quotient(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (Datum::Numeric(a), Datum::Numeric(b)) = (at(args, 0), at(args, 1)) else {
        return Err(mismatch());
    };
    if b.is_zero() {
        return Err(division_by_zero());
    }
    let scale = a.scale().max(b.scale());
    match (a.rescale(scale).unscaled(), b.rescale(scale).unscaled()) {
        (Some(a), Some(b)) => Ok(Datum::Numeric(Numeric::from_bigint(a / b, 0))),
        _ => Err(SqlError::unsupported(
            "dividing NaN or infinite numeric values",
        )),
    }
}

fn square_root(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    if matches!(at(args, 0), Datum::Float8(f) if *f < 0.0) {
        return Err(SqlError::new(
            state::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "cannot take square root of a negative number",
        ));
    }
    float(args, f64::sqrt)
}

/// A logarithm of the argument at `index`, which must be above zero.
fn logarithm(args: &[Datum], index: usize, apply: impl Fn(f64) -> f64) -> SqlResult<Datum> {
    let Datum::Float8(value) = at(args, index) else {
        return Err(mismatch());
    };
    let refused = if *value == 0.0 {
        Some("cannot take logarithm of zero")
    } else if *value < 0.0 {
        Some("cannot take logarithm of a negative number")
    } else {
        None
    };
    match refused {
        Some(message) => Err(SqlError::new(state::INVALID_ARGUMENT_FOR_LOG, message)),
        None => Ok(Datum::Float8(apply(*value))),
    }
}

fn logarithm_to_base(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (Datum::Float8(base), Datum::Float8(value)) =
        (logarithm(args, 0, f64::ln)?, logarithm(args, 1, f64::ln)?)
    else {
        return Err(mismatch());
    };
    if base == 0.0 {
        return Err(SqlError::new(state::DIVISION_BY_ZERO, "division by zero"));
    }
    Ok(Datum::Float8(value / base))
}

fn power(args: &[Datum]) -> SqlResult<f64> {
    let (Datum::Float8(base), Datum::Float8(exponent)) = (at(args, 0), at(args, 1)) else {
        return Err(mismatch());
    };
    if *base == 0.0 && *exponent < 0.0 {
        return Err(SqlError::new(
            state::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "zero raised to a negative power is undefined",
        ));
    }
    if *base < 0.0 && exponent.fract() != 0.0 {
        return Err(SqlError::new(
            state::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = base.powf(*exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            "value out of range: overflow",
        ));
    }
    Ok(result)
}

fn bit_not(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Int2(n) => Datum::Int2(!n),
        Datum::Int4(n) => Datum::Int4(!n),
        Datum::Int8(n) => Datum::Int8(!n),
        _ => return Err(mismatch()),
    })
}
