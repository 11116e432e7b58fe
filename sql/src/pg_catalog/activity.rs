//! `pg_locks` and `pg_stat_activity`.

use super::facts::FIRST_ROLE;
use super::{Facts, Row};
use crate::activity::SessionState;
use crate::session::POSTGRES_EPOCH_US;
use crate::types::Datum;

fn database_oid(facts: &Facts<'_>) -> Datum {
    Datum::Oid(super::cluster::database_oid(facts))
}

/// The locks of the sessions of this database: tables, advisory locks, and what
/// is waited for. Rows have locks too, which are not listed, as in PostgreSQL.
pub(super) fn pg_locks(facts: &Facts<'_>) -> Vec<Row> {
    let Some(link) = &facts.session.link else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for session in link.activity.sessions_of(link.session.tenant) {
        session_locks(facts, &session, &mut rows);
    }
    rows
}

fn session_locks(facts: &Facts<'_>, session: &SessionState, rows: &mut Vec<Row>) {
    let transaction = format!("{}/1", session.pid);
    let mut add = |kind: &str, mode: &str, granted: bool, more: Row| {
        let mut row: Row = vec![
            ("locktype", Datum::text(kind)),
            ("virtualtransaction", Datum::text(transaction.clone())),
            ("pid", Datum::Int4(session.pid)),
            ("mode", Datum::text(mode)),
            ("granted", Datum::Bool(granted)),
            ("fastpath", Datum::Bool(false)),
        ];
        row.extend(more);
        rows.push(row);
    };
    let doing = session.doing();
    if doing.transaction_us != 0 {
        let own = vec![("virtualxid", Datum::text(transaction.clone()))];
        add("virtualxid", "ExclusiveLock", true, own);
    }
    let relation = |oid: u32| {
        vec![
            ("database", database_oid(facts)),
            ("relation", Datum::Oid(oid)),
        ]
    };
    let sequences = session.sequences.lock().all();
    for (oid, mode) in session.tables.lock().iter().chain(&sequences) {
        add("relation", mode.name(), true, relation(*oid));
    }
    for (key, mode) in session.advisory.lock().all() {
        let named = vec![
            ("database", database_oid(facts)),
            ("classid", Datum::Oid(key.0)),
            ("objid", Datum::Oid(key.1)),
            ("objsubid", Datum::Int2(key.2)),
        ];
        add("advisory", mode.name(), true, named);
    }
    let waits = facts
        .session
        .link
        .as_ref()
        .and_then(|link| link.activity.locks().waits_for(session.owner));
    let wanted = *session.wants.lock();
    match (wanted, waits) {
        (Some((oid, mode)), Some(_)) => add("relation", mode.name(), false, relation(oid)),
        (None, Some((_, mode))) if mode.is_advisory() => {
            add("advisory", mode.name(), false, Vec::new());
        }
        // A row is waited for by waiting for the transaction that holds it.
        (None, Some(_)) => add("transactionid", "ShareLock", false, Vec::new()),
        (_, None) => {}
    }
}

fn moment(us: i64) -> Datum {
    match us {
        0 => Datum::Null,
        us => Datum::Timestamptz(us - POSTGRES_EPOCH_US),
    }
}

/// The sessions of this database.
pub(super) fn pg_stat_activity(facts: &Facts<'_>) -> Vec<Row> {
    let Some(link) = &facts.session.link else {
        return Vec::new();
    };
    let sessions = link.activity.sessions_of(link.session.tenant);
    sessions
        .iter()
        .map(|session| {
            let doing = session.doing();
            let waits = link.activity.locks().waits_for(session.owner);
            let event = waits.map(|(_, mode)| match mode {
                mode if mode.is_advisory() => "advisory",
                mode if mode.is_table() => "relation",
                _ => "transactionid",
            });
            let text = |value: Option<&str>| value.map_or(Datum::Null, Datum::text);
            vec![
                ("datid", database_oid(facts)),
                ("datname", Datum::text(session.database.clone())),
                ("pid", Datum::Int4(session.pid)),
                ("leader_pid", Datum::Null),
                ("usesysid", Datum::Oid(FIRST_ROLE)),
                ("usename", Datum::text(session.user.clone())),
                (
                    "application_name",
                    Datum::text(doing.application_name.clone()),
                ),
                ("client_addr", Datum::text(session.client_addr.clone())),
                ("client_hostname", Datum::Null),
                ("client_port", Datum::Null),
                ("backend_start", moment(session.started_us)),
                ("xact_start", moment(doing.transaction_us)),
                ("query_start", moment(doing.query_us)),
                ("state_change", moment(doing.state_us)),
                ("wait_event_type", text(event.map(|_| "Lock"))),
                ("wait_event", text(event)),
                ("state", Datum::text(doing.state)),
                ("query", Datum::text(doing.query)),
                ("backend_type", Datum::text("client backend")),
            ]
        })
        .collect()
}
