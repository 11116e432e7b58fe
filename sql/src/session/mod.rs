//! Sessions: one client's settings, transaction and statements.

mod adapt;
mod alter;
mod authorization;
mod between_tokens;
mod binding;
mod changes;
mod copy_file;
mod copy_in;
mod copy_options;
mod copy_out;
mod copy_tokens;
mod cursor;
mod cursors;
mod ddl;
mod deferrable;
mod depth;
mod dialect;
mod drop;
mod execute;
mod fields;
mod foreign_keys;
mod frame_tokens;
mod grouping_tokens;
mod interval_tokens;
mod like;
mod lock_clause;
mod locked_rows;
mod locking;
mod maintenance;
mod named;
mod notify;
mod objects;
mod only;
mod parse;
mod parse_alter_column;
mod parse_conflict;
mod parse_element;
mod parse_identity;
mod parse_like;
mod parse_merge;
mod partition_clauses;
mod partitions;
mod plain;
mod plan;
mod planning;
mod prepared;
mod rewrite;
mod routine;
mod row_locks;
mod select_tokens;
mod set;
mod settings;
mod shape;
mod shapes;
mod show;
mod statements;
mod syntax_error;
mod transaction;
mod truncate;
mod typed_strings;
mod unsupported;
mod utility;

use std::sync::Arc;

use bytes::Bytes;
use kimberlite_storage::TenantId;
use parking_lot::Mutex;

use crate::activity::{SessionLink, SessionState};
use crate::cancel::Cancellation;
use crate::catalog::Catalog;
use crate::cluster::ReadConsistency;
use crate::engine::Engine;
use crate::error::{Severity, SqlError, state};
use crate::query::SessionInfo;
use crate::sequence::SequenceAccess;
use crate::txn::Transaction;
use crate::types::SessionFormat;
use settings::SettingsBefore;

pub(crate) use adapt::carried_names;
pub use copy_in::CopyIn;
pub use copy_out::CopyOut;
pub use cursor::{Fill, RowCursor};
pub use depth::STACK_BYTES;
pub use fields::FieldDescription;
pub(crate) use frame_tokens::EXCLUDES;
pub(crate) use grouping_tokens::{CUBE, DISTINCT_SETS, NO_COLUMNS, ROLLUP, SETS};
pub(crate) use lock_clause::{Busy, called as lock_clause_name};
pub(crate) use locked_rows::busy as row_is_busy;
pub(crate) use objects::{SequenceOption, TEMPORARY, resolve_sequence};
pub(crate) use only::ONLY;
pub(crate) use parse::Command;
pub use parse::{ParsedStatement, parse};
pub(crate) use parse::{parse_expression, parse_query, parse_statement, parse_statements};
pub(crate) use parse_conflict::carried_target;
pub(crate) use parse_element::assigned_element;
pub(crate) use parse_merge::{MERGE_DEFAULTS, MERGE_NOTHING};
pub(crate) use partition_clauses::SAME_TYPE;
pub use plan::{CachedPlan, PlanKey, Prepared};
pub(crate) use planning::version;
pub(crate) use row_locks::LockingPlan;
pub(crate) use select_tokens::ROWS_FROM;
pub use settings::{SERVER_VERSION, SERVER_VERSION_NUM, Settings, SettingsDraft};
pub(crate) use settings::{parameter, reported_as};
pub use shapes::Recalled;
pub use statements::Statements;

/// Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
pub(crate) const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// Who connects, and to what.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// Database name.
    pub database: String,
    /// Role name, authenticated.
    pub user: String,
    /// `application_name` of the start-up packet.
    pub application_name: String,
    /// Other settings of the start-up packet.
    pub options: Vec<(String, String)>,
    /// Process number that the client was told.
    pub backend_pid: i32,
    /// Where the client is, as text.
    pub client_addr: String,
}

/// Whether a transaction block is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxStatus {
    /// No.
    Idle,
    /// Yes.
    InTransaction,
    /// Yes, and it failed: only ROLLBACK helps.
    Failed,
}

/// What kind of transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// None, or one that ends with the query string or at Sync.
    Implicit,
    /// One that BEGIN opened.
    Explicit,
}

/// Parameter values of an execution, as the protocol carries them.
#[derive(Debug, Clone, Default)]
pub struct BoundParameters {
    /// Values; none for NULL.
    pub values: Vec<Option<Bytes>>,
    /// Formats of the values: none, one for all, or one for each.
    pub formats: Vec<i16>,
    /// Formats of the result columns: none, one for all, or one for each.
    pub result_formats: Vec<i16>,
}

/// What a statement answers with.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing was asked.
    Empty,
    /// It is done; the command tag.
    Command(String),
    /// Rows to be read.
    Rows(RowCursor),
    /// The client sends data.
    CopyIn(CopyIn),
    /// The client receives data.
    CopyOut(CopyOut),
}

/// One client's session.
pub struct Session {
    engine: Arc<Engine>,
    tenant: TenantId,
    database: String,
    user: String,
    backend_pid: i32,
    settings: Arc<Settings>,
    /// What functions of the running statement did to them.
    draft: Option<Arc<Mutex<SettingsDraft>>>,
    /// As they were before the open transaction and its savepoints.
    settings_before: SettingsBefore,
    txn: Option<Transaction>,
    block: Block,
    /// More statements follow in the query string, all in one transaction.
    followed: bool,
    /// Statements of the query string were carried out before.
    preceded: bool,
    /// How the transaction began, if it began with AND CHAIN.
    chained: Option<transaction::Modes>,
    failed: bool,
    cancel: Cancellation,
    timeout: Option<execute::TimeoutGuard>,
    notices: Vec<SqlError>,
    statements: Statements,
    cursors: cursors::Cursors,
    /// What was done with sequences.
    sequences: Arc<SequenceAccess>,
    info: Option<Arc<SessionInfo>>,
    shapes: shapes::Shapes,
    /// The session as others see it.
    state: Arc<SessionState>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        engine: Arc<Engine>,
        tenant: TenantId,
        request: ConnectRequest,
    ) -> Result<Self, SqlError> {
        let mut settings = Settings::new(&request.user);
        settings.set("application_name", &request.application_name)?;
        for (name, value) in &request.options {
            settings.set(name, value)?;
        }
        settings.set_in_recovery(engine.epoch().is_none());
        settings.starts_here();
        settings.take_changes();
        let sequences = Arc::new(SequenceAccess::new(&engine, tenant, &request.user));
        let now = engine.now_us();
        let state = Arc::new(SessionState::new(
            request.backend_pid,
            engine.locks().begin().id(),
            tenant,
            now,
            &request,
        ));
        engine.activity().enter(state.clone());
        Ok(Self {
            state,
            engine,
            tenant,
            database: request.database,
            user: request.user,
            backend_pid: request.backend_pid,
            settings: Arc::new(settings),
            draft: None,
            settings_before: SettingsBefore::default(),
            txn: None,
            block: Block::Implicit,
            followed: false,
            preceded: false,
            chained: None,
            failed: false,
            cancel: Cancellation::default(),
            timeout: None,
            notices: Vec::new(),
            statements: Statements::default(),
            cursors: cursors::Cursors::default(),
            sequences,
            info: None,
            shapes: shapes::Shapes::default(),
        })
    }

    /// Settings to report when the session starts.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        self.settings.reported()
    }

    /// Reported settings that changed since the last call.
    pub fn take_parameter_changes(&mut self) -> Vec<(&'static str, String)> {
        self.absorb_draft();
        self.settings_mut().take_changes()
    }

    /// Notices and warnings since the last call.
    pub fn take_notices(&mut self) -> Vec<SqlError> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.retain(|notice| self.settings.tells(notice.get_severity()));
        notices
    }

    /// What ends the session when its client stays silent for a while from now on,
    /// and how long that is.
    pub fn idle_limit(&self) -> Option<(std::time::Duration, SqlError)> {
        let (limit, sqlstate, message) = match self.status() {
            TxStatus::Idle => (
                self.settings.idle_session(),
                state::IDLE_SESSION_TIMEOUT,
                "terminating connection due to idle-session timeout",
            ),
            _ => (
                self.settings.idle_in_transaction(),
                state::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            ),
        };
        let error = SqlError::new(sqlstate, message).severity(Severity::Fatal);
        Some((limit?, error))
    }

    /// The statements prepared by name, by PREPARE or through the protocol.
    pub fn statements(&mut self) -> &mut Statements {
        &mut self.statements
    }

    /// What ReadyForQuery reports.
    pub fn status(&self) -> TxStatus {
        match (self.block, self.failed) {
            (Block::Implicit, _) => TxStatus::Idle,
            (Block::Explicit, false) => TxStatus::InTransaction,
            (Block::Explicit, true) => TxStatus::Failed,
        }
    }

    /// Stops the running statement when asked to.
    pub fn cancel_handle(&self) -> Cancellation {
        self.cancel.clone()
    }

    /// Cuts a query string into statements.
    ///
    /// # Errors
    /// 42601.
    pub fn parse(&mut self, sql: &str) -> Result<Vec<ParsedStatement>, SqlError> {
        parse(sql)
    }

    /// Says something to the client that is no error.
    fn notice(&mut self, message: impl Into<String>) {
        self.notices.push(SqlError::notice(message));
    }

    /// Says that something is there already and nothing was done.
    fn skipping(&mut self, sqlstate: &'static str, what: &str) {
        let message = format!("{what} already exists, skipping");
        let notice = SqlError::new(sqlstate, message);
        self.notices.push(notice.severity(Severity::Notice));
    }

    /// The catalog as this session sees it.
    fn catalog(&self) -> Result<Arc<Catalog>, SqlError> {
        match self.txn.as_ref().and_then(Transaction::own_catalog) {
            Some(own) => Ok(own.clone()),
            None => self.engine.catalog(self.tenant),
        }
    }

    /// How values are read and printed.
    fn format(&self) -> SessionFormat {
        SessionFormat {
            time_zone: self.settings.time_zone(),
            styles: self.settings.styles(),
            now: self
                .txn
                .as_ref()
                .map_or_else(|| self.engine.now_us(), Transaction::started_us)
                - POSTGRES_EPOCH_US,
        }
    }

    /// The open transaction; opens one when there is none.
    fn transaction(&mut self) -> Result<&mut Transaction, SqlError> {
        if self.txn.is_none() {
            let defaults = self.settings.transaction();
            let now = self.engine.now_us();
            self.txn = Some(Transaction::begin(
                self.tenant,
                self.engine.locks().clone(),
                self.state.owner,
                defaults.isolation,
                defaults.read_only,
                self.engine.epoch(),
                now,
            ));
            self.state.doing.lock().transaction_us = now;
            self.note_role();
            if let Some(txn) = &mut self.txn {
                txn.set_deferrable(defaults.deferrable)?;
            }
        }
        self.txn
            .as_mut()
            .ok_or_else(|| SqlError::internal("no transaction"))
    }

    /// Notes whether the open transaction may change anything, for the client.
    fn note_role(&mut self) {
        let serving = self.txn.as_ref().is_none_or(|txn| txn.epoch().is_some());
        if self.settings.in_recovery() == serving {
            self.settings_mut().set_in_recovery(!serving);
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn read_consistency(&self) -> ReadConsistency {
        self.settings.read_consistency()
    }

    /// Whether the open transaction's reads need no confirmation: they are of a snapshot
    /// that it keeps, or its commit will be one.
    pub(crate) fn is_confirmed(&self) -> bool {
        let own = |txn: &Transaction| txn.is_pinned() || txn.has_changes();
        self.txn.as_ref().is_some_and(own)
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    /// Makes the session's what functions of the last statement set.
    fn absorb_draft(&mut self) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        let changes = draft.lock().take();
        // A statement that still runs goes on with what the session has then.
        if Arc::strong_count(&draft) > 1 {
            self.draft = Some(draft);
        }
        if changes.is_empty() {
            return;
        }
        self.remember_settings();
        self.info = None;
        for change in changes {
            let settings = self.settings_mut();
            // It was tried when the function was called.
            let done = match change.local {
                true => settings.set_local(&change.name, &change.value),
                false => settings.set_session(&change.name, &change.value),
            };
            debug_assert!(done.is_ok());
        }
        self.note_application();
        if self.block == Block::Implicit && self.txn.is_none() {
            self.settings_mut().end_local();
            self.settings_before = SettingsBefore::default();
        }
    }

    /// Shows others the name that the session gave itself.
    fn note_application(&self) {
        if let Ok((_, name)) = self.settings.show("application_name") {
            self.state.doing.lock().application_name = name;
        }
    }

    /// Keeps the settings to go back to when the transaction is rolled back, or
    /// a part of it.
    fn remember_settings(&mut self) {
        self.settings_before.remember(&self.settings);
    }

    /// Undoes what the transaction did to the settings.
    fn restore_settings(&mut self) {
        let before = std::mem::take(&mut self.settings_before);
        before.restore(Arc::make_mut(&mut self.settings));
    }

    /// Marks the transaction failed, or rolls an implicit one back.
    pub fn abort(&mut self) {
        self.draft = None;
        self.preceded = false;
        self.statement_done();
        // Without a savepoint to go back to, nothing of the transaction is needed
        // any more: others need not wait for its end.
        match self.txn.as_mut().filter(|t| t.has_savepoints()) {
            Some(txn) => txn.abort_part(),
            None => self.end_transaction(),
        }
        self.failed = self.block == Block::Explicit;
        if !self.failed {
            self.restore_settings();
        }
        self.rests();
    }

    /// Notes for others that the session waits for its client.
    fn rests(&self) {
        let state = match self.status() {
            TxStatus::Idle => "idle",
            TxStatus::InTransaction => "idle in transaction",
            TxStatus::Failed => "idle in transaction (aborted)",
        };
        self.state.rests(state, self.engine.now_us());
    }

    /// Ends the session: whatever is open is rolled back.
    pub async fn close(mut self) {
        self.statement_done();
        self.end_transaction();
        if self.settings.temporary_schema().is_some() {
            self.restore_settings();
            self.block = Block::Implicit;
            self.failed = false;
            self.end_temporary().await;
        }
    }

    /// Lets the open transaction go, with all that lasts as long as it.
    fn end_transaction(&mut self) {
        self.txn = None;
        self.cursors.end_transaction();
        let mut advisory = self.state.advisory.lock();
        advisory.end_transaction(self.state.owner, self.engine.locks());
        drop(advisory);
        self.state.pending.lock().take();
        let mut sequences = self.state.sequences.lock();
        sequences.end_transaction(self.state.owner, self.engine.locks());
        drop(sequences);
        self.state.tables.lock().clear();
        self.state.doing.lock().transaction_us = 0;
    }

    /// The session for its functions.
    fn link(&mut self) -> SessionLink {
        self.list_cursors();
        let draft = self
            .draft
            .get_or_insert_with(|| Arc::new(Mutex::new(SettingsDraft::new(self.settings.clone()))))
            .clone();
        SessionLink {
            settings: draft,
            activity: self.engine.activity().clone(),
            session: self.state.clone(),
            cancel: self.cancel.clone(),
            patience: self.settings.patience(),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_transaction();
        self.link().advisory_unlock_all();
        self.unlisten_all();
        self.engine.activity().leave(&self.state);
    }
}
