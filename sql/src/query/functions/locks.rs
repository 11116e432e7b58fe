//! Advisory locks, and who waits for whom.

use super::args::{INT4, INT8, at};
use super::overload::{Arg, Call, Overload};
use crate::activity::{AdvisoryKey, AdvisoryScope, SessionLink, wait_within_call};
use crate::error::{SqlError, SqlResult};
use crate::types::{ArrayValue, Datum, PgType};

const ONE: &[Arg] = &[INT8];
const TWO: &[Arg] = &[INT4, INT4];
const PIDS: Arg = Arg::Is(PgType::Array(&PgType::Int4));

macro_rules! both {
    ($name:literal, $gives:expr, $call:expr) => {
        [
            Overload::new($name, ONE, $gives, $call).volatile(),
            Overload::new($name, TWO, $gives, $call).volatile(),
        ]
    };
}

static LOCK: [Overload; 2] = both!("pg_advisory_lock", PgType::Void, |c, a| {
    lock(c, a, false, AdvisoryScope::Session)
});
static LOCK_SHARED: [Overload; 2] = both!("pg_advisory_lock_shared", PgType::Void, |c, a| {
    lock(c, a, true, AdvisoryScope::Session)
});
static XACT_LOCK: [Overload; 2] = both!("pg_advisory_xact_lock", PgType::Void, |c, a| {
    lock(c, a, false, AdvisoryScope::Transaction)
});
static XACT_SHARED: [Overload; 2] = both!("pg_advisory_xact_lock_shared", PgType::Void, |c, a| {
    lock(c, a, true, AdvisoryScope::Transaction)
});
static TRY: [Overload; 2] = both!("pg_try_advisory_lock", PgType::Bool, |c, a| {
    try_lock(c, a, false, AdvisoryScope::Session)
});
static TRY_SHARED: [Overload; 2] = both!("pg_try_advisory_lock_shared", PgType::Bool, |c, a| {
    try_lock(c, a, true, AdvisoryScope::Session)
});
static TRY_XACT: [Overload; 2] = both!("pg_try_advisory_xact_lock", PgType::Bool, |c, a| {
    try_lock(c, a, false, AdvisoryScope::Transaction)
});
static TRY_XACT_SHARED: [Overload; 2] =
    both!("pg_try_advisory_xact_lock_shared", PgType::Bool, |c, a| {
        try_lock(c, a, true, AdvisoryScope::Transaction)
    });
static UNLOCK: [Overload; 2] = both!("pg_advisory_unlock", PgType::Bool, |c, a| unlock(
    c, a, false
));
static UNLOCK_SHARED: [Overload; 2] =
    both!("pg_advisory_unlock_shared", PgType::Bool, |c, a| unlock(
        c, a, true
    ));

static OTHERS: [Overload; 4] = [
    Overload::new("pg_advisory_unlock_all", &[], PgType::Void, |call, _| {
        link(call)?.advisory_unlock_all();
        Ok(Datum::text(""))
    })
    .volatile(),
    Overload::new(
        "pg_blocking_pids",
        &[INT4],
        PgType::Array(&PgType::Int4),
        blocking_pids,
    )
    .volatile(),
    Overload::new(
        "pg_safe_snapshot_blocking_pids",
        &[INT4],
        PgType::Array(&PgType::Int4),
        |call, args| {
            let pids = deferred(call, at(args, 0))?;
            Ok(array(pids))
        },
    )
    .volatile(),
    Overload::new(
        "pg_isolation_test_session_is_blocked",
        &[INT4, PIDS],
        PgType::Bool,
        is_blocked,
    )
    .volatile(),
];

/// Overloads of this module.
pub(super) fn overloads() -> impl Iterator<Item = &'static Overload> {
    LOCK.iter()
        .chain(&LOCK_SHARED)
        .chain(&XACT_LOCK)
        .chain(&XACT_SHARED)
        .chain(&TRY)
        .chain(&TRY_SHARED)
        .chain(&TRY_XACT)
        .chain(&TRY_XACT_SHARED)
        .chain(&UNLOCK)
        .chain(&UNLOCK_SHARED)
        .chain(&OTHERS)
}

/// The session that calls.
pub(super) fn link<'a>(call: &Call<'a>) -> SqlResult<&'a SessionLink> {
    call.session
        .and_then(|session| session.link.as_ref())
        .ok_or_else(|| SqlError::internal("a function that needs a session"))
}

fn key(args: &[Datum]) -> AdvisoryKey {
    match (at(args, 0), at(args, 1)) {
        (Datum::Int4(first), Datum::Int4(second)) => AdvisoryKey::two(*first, *second),
        (one, _) => AdvisoryKey::one(one.as_i64().unwrap_or(0)),
    }
}

fn lock(call: &Call<'_>, args: &[Datum], shared: bool, scope: AdvisoryScope) -> SqlResult<Datum> {
    let (link, key) = (link(call)?, key(args));
    if !link.try_advisory_lock(key, shared, scope)? {
        wait_within_call(link.advisory_lock(key, shared, scope))?;
    }
    Ok(Datum::text(""))
}

fn try_lock(
    call: &Call<'_>,
    args: &[Datum],
    shared: bool,
    scope: AdvisoryScope,
) -> SqlResult<Datum> {
    let taken = link(call)?.try_advisory_lock(key(args), shared, scope)?;
    Ok(Datum::Bool(taken))
}

fn unlock(call: &Call<'_>, args: &[Datum], shared: bool) -> SqlResult<Datum> {
    Ok(Datum::Bool(link(call)?.advisory_unlock(key(args), shared)))
}

fn blocking(call: &Call<'_>, pid: &Datum) -> SqlResult<Vec<i32>> {
    let link = link(call)?;
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
    Ok(pid.map_or_else(Vec::new, |pid| {
        link.activity.blocking_pids(link.session.tenant, pid)
    }))
}

fn blocking_pids(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let pids = blocking(call, at(args, 0))?;
    Ok(array(pids))
}

fn array(pids: Vec<i32>) -> Datum {
    ArrayValue::list(PgType::Int4, pids.into_iter().map(Datum::Int4).collect()).datum()
}

fn deferred(call: &Call<'_>, pid: &Datum) -> SqlResult<Vec<i32>> {
    let link = link(call)?;
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
    Ok(pid.map_or_else(Vec::new, |pid| {
        link.activity
            .safe_snapshot_blocking_pids(link.session.tenant, pid)
    }))
}

fn is_blocked(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Array(interesting) = at(args, 1) else {
        return Ok(Datum::Bool(false));
    };
    let mut pids = blocking(call, at(args, 0))?;
    pids.extend(deferred(call, at(args, 0))?);
    let blocked = interesting.values.iter().any(|pid| {
        pid.as_i64()
            .is_some_and(|p| pids.iter().any(|b| i64::from(*b) == p))
    });
    Ok(Datum::Bool(blocked))
}
