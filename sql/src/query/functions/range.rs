//! The ends of the calendar: infinite dates and timestamps, and what lies
//! beyond the last that PostgreSQL has.

use super::args::{DATE, INTERVAL, TIMESTAMP, TIMESTAMPTZ, at};
use super::overload::{Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::{
    DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
};
use crate::types::{Datum, PgType};

/// The overloads of `isfinite`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("isfinite", &[DATE], PgType::Bool, is_finite),
    Overload::new("isfinite", &[TIMESTAMP], PgType::Bool, is_finite),
    Overload::new("isfinite", &[TIMESTAMPTZ], PgType::Bool, is_finite),
    Overload::new("isfinite", &[INTERVAL], PgType::Bool, is_finite),
];

fn is_finite(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::Bool(!is_infinite(at(args, 0))))
}

/// Whether a date or timestamp is `infinity` or `-infinity`.
pub(super) fn is_infinite(value: &Datum) -> bool {
    match value {
        Datum::Date(days) => is_infinite_date(*days),
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => is_infinite_timestamp(*micros),
        _ => false,
    }
}

/// Whether a date is `infinity` or `-infinity`.
pub(super) fn is_infinite_date(days: i32) -> bool {
    days == DATE_INFINITY || days == DATE_NEG_INFINITY
}

/// Whether a timestamp is `infinity` or `-infinity`.
pub(super) fn is_infinite_timestamp(micros: i64) -> bool {
    micros == TIMESTAMP_INFINITY || micros == TIMESTAMP_NEG_INFINITY
}

/// 22008 for a date PostgreSQL does not have.
pub(super) fn date_out_of_range() -> SqlError {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "date out of range")
}

/// 22008 for a timestamp PostgreSQL does not have.
pub(super) fn timestamp_out_of_range() -> SqlError {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// 22008 for an interval PostgreSQL does not have.
pub(super) fn interval_out_of_range() -> SqlError {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range")
}
