//! What time it is: the clocks of the statement and of the transaction.

use super::super::overload::{Call, Overload};
use super::super::range::timestamp_out_of_range;
use super::zone::local;
use crate::error::SqlResult;
use crate::types::calendar::now_micros;
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, PgType};

/// Functions that read a clock.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("now", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("transaction_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("current_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(transaction(c)))
    })
    .stable(),
    Overload::new("statement_timestamp", &[], PgType::Timestamptz, |c, _| {
        Ok(Datum::Timestamptz(statement(c)))
    })
    .stable(),
    Overload::new("clock_timestamp", &[], PgType::Timestamptz, |_, _| {
        Ok(Datum::Timestamptz(now_micros()))
    })
    .volatile(),
    Overload::new("localtimestamp", &[], PgType::Timestamp, |c, _| {
        Ok(Datum::Timestamp(local_now(c)))
    })
    .stable(),
    Overload::new("localtime", &[], PgType::Time, |c, _| {
        Ok(Datum::Time(local_now(c).rem_euclid(MICROS_PER_DAY)))
    })
    .stable(),
    Overload::new("current_date", &[], PgType::Date, |c, _| {
        date_of(local_now(c))
    })
    .stable(),
];

/// When the transaction began.
fn transaction(call: &Call<'_>) -> i64 {
    call.session.map_or_else(now_micros, |s| s.transaction_us)
}

/// When the statement began.
fn statement(call: &Call<'_>) -> i64 {
    call.session.map_or_else(now_micros, |s| s.statement_us)
}

/// What the local clock read when the transaction began.
fn local_now(call: &Call<'_>) -> i64 {
    local(&call.format.time_zone, transaction(call))
}

/// The midnight that the transaction's day began with.
pub(super) fn today(call: &Call<'_>) -> Datum {
    let now = local_now(call);
    Datum::Timestamp(now - now.rem_euclid(MICROS_PER_DAY))
}

fn date_of(micros: i64) -> SqlResult<Datum> {
    i32::try_from(micros.div_euclid(MICROS_PER_DAY))
        .map(Datum::Date)
        .map_err(|_| timestamp_out_of_range())
}
