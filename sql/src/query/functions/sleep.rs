//! Functions that wait.

use std::time::Duration;

use super::args::{FLOAT8, INTERVAL, TIMESTAMPTZ, at, mismatch};
use super::locks::link;
use super::overload::{Call, Overload};
use crate::activity::wait_within_call;
use crate::error::SqlResult;
use crate::types::calendar::now_micros;
use crate::types::{Datum, PgType};

/// How long a wait goes on before it looks whether it shall end.
const STEP: Duration = Duration::from_millis(10);

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("pg_sleep", &[FLOAT8], PgType::Void, |c, a| match at(a, 0) {
        Datum::Float8(seconds) => sleep(c, *seconds * 1e6),
        _ => Err(mismatch()),
    })
    .volatile(),
    Overload::new("pg_sleep_for", &[INTERVAL], PgType::Void, |c, a| {
        match at(a, 0) {
            Datum::Interval(interval) => sleep(c, interval.span() as f64),
            _ => Err(mismatch()),
        }
    })
    .volatile(),
    Overload::new(
        "pg_sleep_until",
        &[TIMESTAMPTZ],
        PgType::Void,
        |c, a| match at(a, 0) {
            Datum::Timestamptz(until) => sleep(c, until.saturating_sub(now_micros()) as f64),
            _ => Err(mismatch()),
        },
    )
    .volatile(),
];

fn sleep(call: &Call<'_>, micros: f64) -> SqlResult<Datum> {
    // A cast of a float keeps to the range of integers.
    let until = now_micros().saturating_add(micros.max(0.0) as i64);
    let cancel = &link(call)?.cancel;
    wait_within_call(async {
        loop {
            cancel.check()?;
            let left = u64::try_from(until.saturating_sub(now_micros())).unwrap_or(0);
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(STEP.min(Duration::from_micros(left))).await;
        }
    })?;
    Ok(Datum::text(""))
}
