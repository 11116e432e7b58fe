//! Functions about users' functions.

use super::args::OID;
use super::catalog::{facts, oid_at};
use super::overload::{Call, Overload};
use crate::error::SqlResult;
use crate::pg_catalog::{Facts, routine};
use crate::types::{Datum, PgType};

/// What is asked about a function.
type Ask = fn(&Facts<'_>, u32) -> Option<String>;

fn answer(call: &Call<'_>, args: &[Datum], ask: Ask) -> SqlResult<Datum> {
    let oid = oid_at(args, 0).unwrap_or(0);
    Ok(ask(&facts(call)?, oid).map_or(Datum::Null, Datum::Text))
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("pg_get_functiondef", &[OID], PgType::Text, |call, args| {
        answer(call, args, routine::definition)
    })
    .stable(),
    Overload::new(
        "pg_get_function_arguments",
        &[OID],
        PgType::Text,
        |call, args| answer(call, args, routine::arguments),
    )
    .stable(),
    Overload::new(
        "pg_get_function_identity_arguments",
        &[OID],
        PgType::Text,
        |call, args| answer(call, args, routine::identity_arguments),
    )
    .stable(),
    Overload::new(
        "pg_get_function_result",
        &[OID],
        PgType::Text,
        |call, args| answer(call, args, routine::result),
    )
    .stable(),
];
