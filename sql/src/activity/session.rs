//! One session as others see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kimberlite_storage::TenantId;
use parking_lot::Mutex;

use super::advisory::AdvisoryLocks;
use super::notify::{Listener, Pending};
use super::sequences::SequenceLocks;
use crate::session::{ConnectRequest, Prepared};
use crate::txn::{LockMode, TransactionId};

/// Bytes of a statement that are shown, as PostgreSQL's default for
/// `track_activity_query_size`.
const QUERY_BYTES: usize = 1_024;

/// What a session is doing.
#[derive(Debug, Clone, Default)]
pub struct Doing {
    /// `application_name`.
    pub application_name: String,
    /// The last statement.
    pub query: String,
    /// When it began, in microseconds since 1970; 0 = never.
    pub query_us: i64,
    /// When the state last changed.
    pub state_us: i64,
    /// When the open transaction began; 0 = there is none.
    pub transaction_us: i64,
    /// `active`, `idle`, `idle in transaction`, ….
    pub state: &'static str,
}

/// A cursor as `pg_cursors` shows it.
#[derive(Debug, Clone)]
pub(crate) struct CursorEntry {
    /// Its name.
    pub(crate) name: String,
    /// The query string that declared it.
    pub(crate) statement: Arc<str>,
    /// WITH HOLD.
    pub(crate) holdable: bool,
    /// BINARY.
    pub(crate) binary: bool,
    /// Whether it may go back.
    pub(crate) scrollable: bool,
    /// When it was made, in microseconds since 2000.
    pub(crate) created: i64,
}

/// A prepared statement as `pg_prepared_statements` shows it.
#[derive(Debug, Clone)]
pub(crate) struct StatementEntry {
    /// By PREPARE, not through the protocol.
    pub(crate) from_sql: bool,
    /// When it was prepared, in microseconds since 2000.
    pub(crate) created: i64,
    /// The statement.
    pub(crate) prepared: Arc<Prepared>,
}

/// One session.
#[derive(Debug)]
pub struct SessionState {
    /// Process number.
    pub pid: i32,
    /// Owner of its locks.
    pub owner: TransactionId,
    /// Its database.
    pub tenant: TenantId,
    /// The same by name.
    pub database: String,
    /// Its role.
    pub user: String,
    /// Where its client is.
    pub client_addr: String,
    /// When it began, in microseconds since 1970.
    pub started_us: i64,
    /// What it does.
    pub(crate) doing: Mutex<Doing>,
    /// Locked tables of the open transaction, by object identifier.
    pub(crate) tables: Mutex<Vec<(u32, LockMode)>>,
    /// The table it waits for, if it waits for one.
    pub(crate) wants: Mutex<Option<(u32, LockMode)>>,
    /// Whether it waits for a safe snapshot.
    pub(crate) defers: Mutex<bool>,
    /// Its cursors.
    pub(crate) cursors: Mutex<Vec<CursorEntry>>,
    /// Its prepared statements.
    pub(crate) statements: Mutex<BTreeMap<String, StatementEntry>>,
    /// What its transaction has to say when it commits.
    pub(crate) pending: Mutex<Pending>,
    /// What it listens to.
    pub(crate) listener: Mutex<Option<Listener>>,
    /// Its advisory locks.
    pub(crate) advisory: Mutex<AdvisoryLocks>,
    /// Sequences that the open transaction takes values from.
    pub(crate) sequences: Mutex<SequenceLocks>,
}

impl SessionState {
    /// A session that begins.
    pub(crate) fn new(
        pid: i32,
        owner: TransactionId,
        tenant: TenantId,
        now_us: i64,
        request: &ConnectRequest,
    ) -> Self {
        Self {
            pid,
            owner,
            tenant,
            database: request.database.clone(),
            user: request.user.clone(),
            client_addr: request.client_addr.clone(),
            started_us: now_us,
            doing: Mutex::new(Doing {
                application_name: request.application_name.clone(),
                state: "idle",
                state_us: now_us,
                ..Doing::default()
            }),
            tables: Mutex::default(),
            wants: Mutex::default(),
            defers: Mutex::default(),
            cursors: Mutex::default(),
            statements: Mutex::default(),
            pending: Mutex::default(),
            listener: Mutex::default(),
            advisory: Mutex::default(),
            sequences: Mutex::default(),
        }
    }

    /// What the session does now.
    pub fn doing(&self) -> Doing {
        self.doing.lock().clone()
    }

    /// Notes that a statement starts.
    pub(crate) fn starts(&self, text: &str, now_us: i64) {
        let mut end = text.len().min(QUERY_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut doing = self.doing.lock();
        doing.query.clear();
        doing.query.push_str(text.get(..end).unwrap_or_default());
        doing.query_us = now_us;
        doing.state_us = now_us;
        doing.state = "active";
    }

    /// Notes that the session waits for its client.
    pub(crate) fn rests(&self, state: &'static str, now_us: i64) {
        let mut doing = self.doing.lock();
        if doing.state != state {
            doing.state = state;
            doing.state_us = now_us;
        }
    }
}
