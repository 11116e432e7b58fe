//! `make_interval`: an interval of its fields.

use super::super::args::{FLOAT8, INT4, at, mismatch};
use super::super::overload::{Call, Overload};
use super::super::range::interval_out_of_range;
use crate::error::SqlResult;
use crate::types::{Datum, Interval, PgType};

const GIVES: PgType = PgType::Interval;

/// The function, with each number of arguments.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("make_interval", &[], GIVES, make),
    Overload::new("make_interval", &[INT4], GIVES, make),
    Overload::new("make_interval", &[INT4, INT4], GIVES, make),
    Overload::new("make_interval", &[INT4, INT4, INT4], GIVES, make),
    Overload::new("make_interval", &[INT4, INT4, INT4, INT4], GIVES, make),
    Overload::new(
        "make_interval",
        &[INT4, INT4, INT4, INT4, INT4],
        GIVES,
        make,
    ),
    Overload::new(
        "make_interval",
        &[INT4, INT4, INT4, INT4, INT4, INT4],
        GIVES,
        make,
    ),
    Overload::new(
        "make_interval",
        &[INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8],
        GIVES,
        make,
    ),
];

fn make(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let field = |index: usize| at(args, index).as_i64().unwrap_or(0);
    let seconds = match args.get(6) {
        Some(Datum::Float8(seconds)) => *seconds,
        Some(_) => return Err(mismatch()),
        None => 0.0,
    };
    if !seconds.is_finite() {
        return Err(interval_out_of_range());
    }
    let months = field(0) * 12 + field(1);
    let days = field(2) * 7 + field(3);
    let micros = (seconds * 1e6).round_ties_even();
    if micros.abs() >= 9.2e18 {
        return Err(interval_out_of_range());
    }
    let micros = (field(4) * 3_600 + field(5) * 60)
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(micros as i64))
        .ok_or_else(interval_out_of_range)?;
    Ok(Datum::Interval(Interval {
        months: i32::try_from(months).map_err(|_| interval_out_of_range())?,
        days: i32::try_from(days).map_err(|_| interval_out_of_range())?,
        micros,
    }))
}
