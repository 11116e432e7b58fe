//! Trigonometry in degrees, exact at the multiples of 30 and 45 where a result
//! is: results are scaled by what the functions give there.

use std::f64::consts::PI;

use super::super::args::FLOAT8;
use super::super::overload::Overload;
use super::float::{finite, float, within_one};
use crate::error::SqlResult;
use crate::types::{Datum, PgType};

/// A function of an angle or ratio.
macro_rules! one {
    ($name:literal, $check:ident, $function:expr) => {
        Overload::new($name, &[FLOAT8], PgType::Float8, |_, args| {
            let function: fn(f64) -> f64 = $function;
            let check: fn(f64, fn(f64) -> f64) -> SqlResult<f64> = $check;
            check(float(args, 0)?, function).map(Datum::Float8)
        })
    };
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    one!("sind", finite, sine),
    one!("cosd", finite, cosine),
    one!("tand", finite, tangent),
    one!("cotd", finite, cotangent),
    one!("asind", within_one, arc_sine),
    one!("acosd", within_one, arc_cosine),
    one!("atand", anywhere, |f| f.atan() / 1.0_f64.atan() * 45.0),
    Overload::new("atan2d", &[FLOAT8, FLOAT8], PgType::Float8, |_, a| {
        let angle = float(a, 0)?.atan2(float(a, 1)?);
        Ok(Datum::Float8(angle / 1.0_f64.atan() * 45.0))
    }),
];

fn anywhere(f: f64, function: fn(f64) -> f64) -> SqlResult<f64> {
    Ok(function(f))
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// The sine up to 30 degrees.
fn small_sine(f: f64) -> f64 {
    radians(f).sin() / radians(30.0).sin() / 2.0
}

/// The cosine up to 60 degrees.
fn small_cosine(f: f64) -> f64 {
    1.0 - (1.0 - radians(f).cos()) / (1.0 - radians(60.0).cos()) / 2.0
}

/// The sine up to 90 degrees.
fn first_sine(f: f64) -> f64 {
    if f <= 30.0 {
        small_sine(f)
    } else {
        small_cosine(90.0 - f)
    }
}

/// The cosine up to 90 degrees.
fn first_cosine(f: f64) -> f64 {
    if f <= 60.0 {
        small_cosine(f)
    } else {
        small_sine(90.0 - f)
    }
}

/// An angle between 0 and 90 degrees, and whether it was turned over on the way:
/// from a negative angle, from above 180, and from above 90.
fn reduced(f: f64) -> (f64, [bool; 3]) {
    let mut angle = f % 360.0;
    let mut turned = [false; 3];
    if angle < 0.0 {
        (angle, turned[0]) = (-angle, true);
    }
    if angle > 180.0 {
        (angle, turned[1]) = (360.0 - angle, true);
    }
    if angle > 90.0 {
        (angle, turned[2]) = (180.0 - angle, true);
    }
    (angle, turned)
}

fn signed(value: f64, turns: &[bool]) -> f64 {
    if turns.iter().filter(|turn| **turn).count() % 2 == 1 {
        -value
    } else {
        value
    }
}

fn sine(f: f64) -> f64 {
    let (angle, [negative, beyond, _]) = reduced(f);
    signed(first_sine(angle), &[negative, beyond])
}

fn cosine(f: f64) -> f64 {
    let (angle, [_, _, obtuse]) = reduced(f);
    signed(first_cosine(angle), &[obtuse])
}

fn tangent(f: f64) -> f64 {
    let (angle, turns) = reduced(f);
    let unit = first_sine(45.0) / first_cosine(45.0);
    let result = signed(first_sine(angle) / first_cosine(angle) / unit, &turns);
    // Without the sign that zero may have.
    if result == 0.0 { 0.0 } else { result }
}

fn cotangent(f: f64) -> f64 {
    let (angle, turns) = reduced(f);
    let unit = first_cosine(45.0) / first_sine(45.0);
    let result = signed(first_cosine(angle) / first_sine(angle) / unit, &turns);
    if result == 0.0 { 0.0 } else { result }
}

/// The angle of a sine between 0 and 1.
fn first_arc_sine(f: f64) -> f64 {
    if f <= 0.5 {
        f.asin() / 0.5_f64.asin() * 30.0
    } else {
        90.0 - f.acos() / 0.5_f64.acos() * 60.0
    }
}

/// The angle of a cosine between 0 and 1.
fn first_arc_cosine(f: f64) -> f64 {
    if f <= 0.5 {
        90.0 - f.asin() / 0.5_f64.asin() * 30.0
    } else {
        f.acos() / 0.5_f64.acos() * 60.0
    }
}

fn arc_sine(f: f64) -> f64 {
    if f >= 0.0 {
        first_arc_sine(f)
    } else {
        -first_arc_sine(-f)
    }
}

fn arc_cosine(f: f64) -> f64 {
    if f >= 0.0 {
        first_arc_cosine(f)
    } else {
        90.0 + first_arc_sine(-f)
    }
}
