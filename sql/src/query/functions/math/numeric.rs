//! Functions of numerics.

use super::super::args::{INT4, INT8, NUMERIC, at, mismatch};
use super::super::overload::{Call, Overload};
use crate::error::SqlResult;
use crate::types::{Datum, Numeric, PgType};

const ANY: PgType = PgType::Numeric(None);

/// A function of one numeric.
macro_rules! one {
    ($name:literal, $function:expr) => {
        Overload::new($name, &[NUMERIC], ANY, |_, args| {
            let function: fn(&Numeric) -> SqlResult<Numeric> = $function;
            function(numeric(args, 0)?).map(Datum::Numeric)
        })
    };
}

/// A function of two numerics.
macro_rules! two {
    ($name:literal, $function:expr) => {
        Overload::new($name, &[NUMERIC, NUMERIC], ANY, |_, args| {
            let function: fn(&Numeric, &Numeric) -> SqlResult<Numeric> = $function;
            function(numeric(args, 0)?, numeric(args, 1)?).map(Datum::Numeric)
        })
    };
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    one!("abs", |n| Ok(n.abs())).like(0),
    one!("sign", |n| Ok(n.sign())).numeric(0),
    one!("ceil", |n| Ok(n.ceil())).numeric(0),
    one!("ceiling", |n| Ok(n.ceil())).numeric(0),
    one!("floor", |n| Ok(n.floor())).numeric(0),
    one!("round", |n| n.round(0)).numeric(0),
    one!("trunc", |n| n.trunc(0)).numeric(0),
    Overload::new("round", &[NUMERIC, INT4], ANY, |_, a| {
        numeric(a, 0)?.round(digits(a)?).map(Datum::Numeric)
    })
    .scaled_by(1),
    Overload::new("trunc", &[NUMERIC, INT4], ANY, |_, a| {
        numeric(a, 0)?.trunc(digits(a)?).map(Datum::Numeric)
    })
    .scaled_by(1),
    two!("mod", Numeric::remainder),
    two!("div", Numeric::whole_quotient),
    one!("sqrt", Numeric::sqrt),
    one!("exp", Numeric::exp),
    one!("ln", Numeric::ln),
    one!("log", |n| n.log(&Numeric::from(10))),
    one!("log10", |n| n.log(&Numeric::from(10))),
    two!("log", |base, n| n.log(base)),
    two!("power", Numeric::power),
    two!("pow", Numeric::power),
    two!("gcd", |a, b| Ok(a.gcd(b))),
    two!("lcm", Numeric::lcm),
    one!("trim_scale", |n| Ok(n.trimmed())),
    Overload::new("scale", &[NUMERIC], PgType::Int4, |_, a| {
        Ok(shown_scale(numeric(a, 0)?, Numeric::scale))
    }),
    Overload::new("min_scale", &[NUMERIC], PgType::Int4, |_, a| {
        Ok(shown_scale(numeric(a, 0)?, Numeric::min_scale))
    }),
    Overload::new("factorial", &[INT8], ANY, |_, a| match at(a, 0) {
        Datum::Int8(n) => Numeric::factorial(*n).map(Datum::Numeric),
        _ => Err(mismatch()),
    }),
    Overload::new(
        "width_bucket",
        &[NUMERIC, NUMERIC, NUMERIC, INT4],
        PgType::Int4,
        width_bucket,
    ),
];

fn numeric(args: &[Datum], index: usize) -> SqlResult<&Numeric> {
    match at(args, index) {
        Datum::Numeric(value) => Ok(value),
        _ => Err(mismatch()),
    }
}

fn digits(args: &[Datum]) -> SqlResult<i32> {
    match at(args, 1) {
        Datum::Int4(n) => Ok(*n),
        _ => Err(mismatch()),
    }
}

fn shown_scale(value: &Numeric, scale: fn(&Numeric) -> u16) -> Datum {
    if value.is_finite() {
        Datum::Int4(i32::from(scale(value)))
    } else {
        Datum::Null
    }
}

fn width_bucket(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Int4(count) = at(args, 3) else {
        return Err(mismatch());
    };
    numeric(args, 0)?
        .width_bucket(numeric(args, 1)?, numeric(args, 2)?, *count)
        .map(Datum::Int4)
}
