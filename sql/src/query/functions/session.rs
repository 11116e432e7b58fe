//! What functions say about the session and the server.

use super::args::TEXT;
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("version", &[], PgType::Text, |call, _| {
        Ok(text(call, |s| &s.version))
    })
    .stable(),
    Overload::new("current_database", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.database))
    })
    .stable(),
    Overload::new("current_catalog", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.database))
    })
    .stable(),
    Overload::new("current_user", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.user))
    })
    .stable(),
    Overload::new("current_role", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.user))
    })
    .stable(),
    Overload::new("session_user", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.user))
    })
    .stable(),
    Overload::new("user", &[], PgType::Name, |call, _| {
        Ok(text(call, |s| &s.user))
    })
    .stable(),
    Overload::new("current_schema", &[], PgType::Name, current_schema).stable(),
    Overload::new("pg_is_in_recovery", &[], PgType::Bool, is_in_recovery).stable(),
    Overload::new("pg_backend_pid", &[], PgType::Int4, backend_pid).stable(),
    Overload::new("current_setting", &[TEXT], PgType::Text, current_setting).stable(),
    Overload::new(
        "current_setting",
        &[TEXT, Arg::Is(PgType::Bool)],
        PgType::Text,
        current_setting,
    )
    .stable(),
    Overload::new(
        "set_config",
        &[TEXT, TEXT, Arg::Is(PgType::Bool)],
        PgType::Text,
        set_config,
    )
    .lenient()
    .volatile(),
    Overload::new("pg_typeof", &[Arg::Any], PgType::Text, type_of)
        .lenient()
        .stable(),
    Overload::new("gen_random_uuid", &[], PgType::Uuid, random_uuid).volatile(),
];

fn text(call: &Call<'_>, read: impl Fn(&super::SessionInfo) -> &String) -> Datum {
    match call.session {
        Some(session) => Datum::text(read(session).clone()),
        None => Datum::Null,
    }
}

fn current_schema(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    let exists = |name: &str| call.catalog.is_none_or(|c| c.schema(name).is_some());
    let first = call.session.and_then(|s| {
        s.search_path
            .iter()
            .find(|name| !name.starts_with("pg_") && *name != "$user" && exists(name))
    });
    Ok(first.map_or(Datum::Null, |name| Datum::text(name.clone())))
}

fn backend_pid(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    Ok(call
        .session
        .map_or(Datum::Null, |s| Datum::Int4(s.backend_pid)))
}

/// Whether the replica only reads, as `in_hot_standby` says.
fn is_in_recovery(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    let standby = call.session.map(|s| s.setting("in_hot_standby"));
    Ok(Datum::Bool(
        standby.transpose()?.is_some_and(|on| on == "on"),
    ))
}

fn current_setting(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let name = args.first().and_then(Datum::as_str).unwrap_or_default();
    let link = call.session.and_then(|s| s.link.as_ref());
    if let Some(value) = link.and_then(|link| link.settings.lock().changed(name)) {
        return Ok(Datum::text(value));
    }
    let missing_ok = args.get(1).and_then(Datum::as_bool).unwrap_or(false);
    let session = call
        .session
        .ok_or_else(|| SqlError::internal("current_setting without a session"))?;
    match session.setting(name) {
        Ok(value) => Ok(Datum::text(value)),
        Err(error) if missing_ok && error.is(state::UNDEFINED_OBJECT) => Ok(Datum::Null),
        Err(error) => Err(error),
    }
}

fn set_config(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(name) = args.first().and_then(Datum::as_str) else {
        return Err(SqlError::new(
            state::NULL_VALUE_NOT_ALLOWED,
            "SET requires parameter name",
        ));
    };
    let value = args.get(1).and_then(Datum::as_str);
    let local = args.get(2).and_then(Datum::as_bool).unwrap_or(false);
    let link = super::locks::link(call)?;
    let shown = link.settings.lock().set(name, value, local)?;
    Ok(Datum::text(shown))
}

fn type_of(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::text(
        call.types.first().map_or("unknown", |ty| ty.base_name()),
    ))
}

fn random_uuid(_: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::Uuid(*uuid::Uuid::new_v4().as_bytes()))
}
