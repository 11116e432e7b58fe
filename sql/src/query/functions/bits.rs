//! The exclusive or of integers. DataFusion has it as an operator, and takes
//! `x # x` for 0 also where `x` is NULL.

use super::args::{INT2, INT4, INT8, at, mismatch};
use super::overload::Overload;
use crate::types::{Datum, PgType};

/// Operators of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("#", &[INT2, INT2], PgType::Int2, |_, a| {
        match (at(a, 0), at(a, 1)) {
            (Datum::Int2(x), Datum::Int2(y)) => Ok(Datum::Int2(x ^ y)),
            _ => Err(mismatch()),
        }
    }),
    Overload::new("#", &[INT4, INT4], PgType::Int4, |_, a| {
        match (at(a, 0), at(a, 1)) {
            (Datum::Int4(x), Datum::Int4(y)) => Ok(Datum::Int4(x ^ y)),
            _ => Err(mismatch()),
        }
    }),
    Overload::new("#", &[INT8, INT8], PgType::Int8, |_, a| {
        match (at(a, 0), at(a, 1)) {
            (Datum::Int8(x), Datum::Int8(y)) => Ok(Datum::Int8(x ^ y)),
            _ => Err(mismatch()),
        }
    }),
];
