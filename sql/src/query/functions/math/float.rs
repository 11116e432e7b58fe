//! Functions of floats: what leaves the range or the domain is an error.

use super::super::args::{FLOAT8, INT4, at, mismatch};
use super::super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// A function of one float that is defined everywhere.
macro_rules! one {
    ($name:literal, $function:expr) => {
        Overload::new($name, &[FLOAT8], PgType::Float8, |_, args| {
            let function: fn(f64) -> f64 = $function;
            Ok(Datum::Float8(function(float(args, 0)?)))
        })
    };
}

/// A function of one float that may refuse it.
macro_rules! partial {
    ($name:literal, $function:expr) => {
        Overload::new($name, &[FLOAT8], PgType::Float8, |_, args| {
            let function: fn(f64) -> SqlResult<f64> = $function;
            function(float(args, 0)?).map(Datum::Float8)
        })
    };
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "abs",
        &[Arg::Is(PgType::Float4)],
        PgType::Float4,
        |_, a| match at(a, 0) {
            Datum::Float4(f) => Ok(Datum::Float4(f.abs())),
            _ => Err(mismatch()),
        },
    ),
    one!("abs", f64::abs),
    one!("round", f64::round_ties_even),
    one!("trunc", f64::trunc),
    one!("ceil", f64::ceil),
    one!("ceiling", f64::ceil),
    one!("floor", f64::floor),
    one!("sign", |f| if f == 0.0 { 0.0 } else { f.signum() }),
    partial!("sqrt", |f| {
        if f < 0.0 {
            return Err(refused("cannot take square root of a negative number"));
        }
        Ok(f.sqrt())
    }),
    one!("cbrt", f64::cbrt),
    partial!("exp", |f| {
        let result = f.exp();
        if f.is_finite() {
            in_range(result, false)
        } else {
            Ok(result)
        }
    }),
    partial!("ln", |f| logarithm(f, f64::ln)),
    partial!("log", |f| logarithm(f, f64::log10)),
    partial!("log10", |f| logarithm(f, f64::log10)),
    Overload::new("power", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| power(a)),
    Overload::new("pow", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| power(a)),
    partial!("acos", |f| within_one(f, f64::acos)),
    partial!("asin", |f| within_one(f, f64::asin)),
    one!("atan", f64::atan),
    Overload::new("atan2", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| {
        Ok(Datum::Float8(float(a, 0)?.atan2(float(a, 1)?)))
    }),
    partial!("cos", |f| finite(f, f64::cos)),
    partial!("sin", |f| finite(f, f64::sin)),
    partial!("tan", |f| finite(f, f64::tan)),
    partial!("cot", |f| finite(f, |f| 1.0 / f.tan())),
    one!("sinh", f64::sinh),
    partial!("cosh", |f| {
        // Even of an infinity it is one.
        in_range_unless(f.cosh(), f.is_infinite())
    }),
    one!("tanh", f64::tanh),
    one!("asinh", f64::asinh),
    partial!("acosh", |f| {
        if f < 1.0 {
            return Err(out_of_domain());
        }
        Ok(f.acosh())
    }),
    partial!("atanh", |f| {
        if !f.is_nan() && !(-1.0..=1.0).contains(&f) {
            return Err(out_of_domain());
        }
        Ok(f.atanh())
    }),
    partial!("degrees", |f| in_range_unless(
        f / (std::f64::consts::PI / 180.0),
        !f.is_finite()
    )),
    one!("radians", |f| f * (std::f64::consts::PI / 180.0)),
    Overload::new("pi", &[], PgType::Float8, |_, _| {
        Ok(Datum::Float8(std::f64::consts::PI))
    }),
    Overload::new(
        "width_bucket",
        &[FLOAT8, FLOAT8, FLOAT8, INT4],
        PgType::Int4,
        width_bucket,
    ),
];

pub(super) fn float(args: &[Datum], index: usize) -> SqlResult<f64> {
    match at(args, index) {
        Datum::Float8(f) => Ok(*f),
        _ => Err(mismatch()),
    }
}

fn refused(message: &'static str) -> SqlError {
    SqlError::new(state::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

pub(super) fn out_of_domain() -> SqlError {
    SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

fn out_of_range(what: &str) -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value out of range: {what}"),
    )
}

/// A result that must be neither infinite nor, unless it may, zero.
fn in_range(result: f64, zero: bool) -> SqlResult<f64> {
    if result.is_infinite() {
        return Err(out_of_range("overflow"));
    }
    if result == 0.0 && !zero {
        return Err(out_of_range("underflow"));
    }
    Ok(result)
}

/// A result that must not be infinite unless the argument was.
fn in_range_unless(result: f64, unless: bool) -> SqlResult<f64> {
    if unless {
        Ok(result)
    } else {
        in_range(result, true)
    }
}

pub(super) fn finite(f: f64, function: fn(f64) -> f64) -> SqlResult<f64> {
    if f.is_infinite() {
        return Err(out_of_domain());
    }
    Ok(function(f))
}

pub(super) fn within_one(f: f64, function: fn(f64) -> f64) -> SqlResult<f64> {
    if f.is_nan() || (-1.0..=1.0).contains(&f) {
        return Ok(function(f));
    }
    Err(out_of_domain())
}

fn logarithm(f: f64, function: fn(f64) -> f64) -> SqlResult<f64> {
    let of = if f == 0.0 {
        "zero"
    } else if f < 0.0 {
        "a negative number"
    } else {
        return Ok(function(f));
    };
    Err(SqlError::new(
        state::INVALID_ARGUMENT_FOR_LOG,
        format!("cannot take logarithm of {of}"),
    ))
}

fn power(args: &[Datum]) -> SqlResult<Datum> {
    let (base, exponent) = (float(args, 0)?, float(args, 1)?);
    if base == 0.0 && exponent < 0.0 {
        return Err(refused("zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(refused(
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = base.powf(exponent);
    if base.is_finite() && exponent.is_finite() {
        return in_range(result, base == 0.0).map(Datum::Float8);
    }
    Ok(Datum::Float8(result))
}

fn width_bucket(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let (value, low, high) = (float(args, 0)?, float(args, 1)?, float(args, 2)?);
    let Datum::Int4(count) = at(args, 3) else {
        return Err(mismatch());
    };
    let refuse = |message: &'static str| {
        Err(SqlError::new(
            state::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
            message,
        ))
    };
    if *count <= 0 {
        return refuse("count must be greater than zero");
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return refuse("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return refuse("lower and upper bounds must be finite");
    }
    if low == high {
        return refuse("lower bound cannot equal upper bound");
    }
    let after = || {
        count
            .checked_add(1)
            .ok_or_else(|| SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
    };
    let (from, to, at) = if low < high {
        (low, high, value)
    } else {
        (-low, -high, -value)
    };
    let bucket = if at < from {
        0
    } else if at >= to {
        after()?
    } else {
        // Halved where the difference of the bounds would not be finite.
        let part = if (to - from).is_infinite() {
            (at / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0)
        } else {
            (at - from) / (to - from)
        };
        let bucket = (f64::from(*count) * part) as i32;
        bucket.min(count - 1) + 1
    };
    Ok(Datum::Int4(bucket))
}
