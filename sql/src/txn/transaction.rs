//! One transaction of one session.

use std::sync::Arc;

use kimberlite_storage::{Snapshot, TenantId};

use super::deferred::Deferred;
use super::layer::{Layer, LayerStack};
use super::lock::{HeldLocks, LockManager, TransactionId};
use super::serializable::{Serializable, Watched};
use super::view::ReadView;
use crate::catalog::Catalog;
use crate::error::{SqlError, state};

/// What a transaction sees of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Each statement sees the newest committed state. READ UNCOMMITTED is this
    /// level too, as in PostgreSQL.
    ReadCommitted,
    /// One snapshot; a write to a row changed since fails with 40001.
    RepeatableRead,
    /// The same, and what is read is watched: the result is that of some order of
    /// the transactions one after the other, or 40001.
    Serializable,
}

impl IsolationLevel {
    /// The name that `SHOW transaction_isolation` gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

/// A point to go back to.
#[derive(Debug, Clone)]
pub struct Savepoint {
    name: String,
    height: usize,
    catalog: Option<Arc<Catalog>>,
    read_only: bool,
    /// Locks taken before it.
    locks: usize,
    owned_tables: usize,
}

/// Bytes of own changes that a transaction may hold in memory.
const MAX_CHANGES_BYTES: usize = 1 << 30;

/// One transaction. Dropping it rolls it back.
pub struct Transaction {
    tenant: TenantId,
    manager: Arc<LockManager>,
    held: HeldLocks,
    isolation: IsolationLevel,
    read_only: bool,
    /// The epoch of the log when it began; none where nothing may be changed.
    epoch: Option<u64>,
    started_us: i64,
    /// Whether a statement has seen data.
    started: bool,
    snapshot: Option<Arc<Snapshot>>,
    deferrable: bool,
    watched: Option<Arc<Watched>>,
    changes: LayerStack,
    catalog: Option<Arc<Catalog>>,
    savepoints: Vec<Savepoint>,
    /// Tables locked ACCESS EXCLUSIVE: nobody else can touch their rows.
    owned_tables: Vec<u32>,
    deferred: Deferred,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("tenant", &self.tenant)
            .field("id", &self.held.id())
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

impl Transaction {
    /// Begins a transaction; `started_us` is what `now()` answers in it, in
    /// microseconds since 1970. Without an `epoch` of the log it only reads.
    pub fn begin(
        tenant: TenantId,
        manager: Arc<LockManager>,
        owner: TransactionId,
        isolation: IsolationLevel,
        read_only: bool,
        epoch: Option<u64>,
        started_us: i64,
    ) -> Self {
        let held = manager.owned_by(owner);
        Self {
            tenant,
            manager,
            held,
            isolation,
            read_only: read_only || epoch.is_none(),
            epoch,
            started_us,
            started: false,
            snapshot: None,
            deferrable: false,
            watched: None,
            changes: LayerStack::default(),
            catalog: None,
            savepoints: Vec::new(),
            owned_tables: Vec::new(),
            deferred: Deferred::default(),
        }
    }

    /// The tenant it belongs to.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether the transaction holds the whole table, so that its rows need no
    /// locks of their own.
    pub fn owns_table(&self, oid: u32) -> bool {
        self.owned_tables.contains(&oid)
    }

    /// Notes that the transaction holds the whole table.
    pub fn own_table(&mut self, oid: u32) {
        if !self.owns_table(oid) {
            self.owned_tables.push(oid);
        }
    }

    /// The constraint checks that wait for its end.
    pub(crate) fn deferred(&mut self) -> &mut Deferred {
        &mut self.deferred
    }

    /// The isolation level.
    pub fn isolation(&self) -> IsolationLevel {
        self.isolation
    }

    /// Changes the isolation level.
    ///
    /// # Errors
    /// 25001 after the first query.
    pub fn set_isolation(&mut self, isolation: IsolationLevel) -> Result<(), SqlError> {
        if isolation != self.isolation {
            let message = if self.started {
                "SET TRANSACTION ISOLATION LEVEL must be called before any query"
            } else if self.has_savepoints() {
                "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
            } else {
                ""
            };
            if !message.is_empty() {
                return Err(SqlError::new(state::ACTIVE_SQL_TRANSACTION, message));
            }
        }
        self.isolation = isolation;
        Ok(())
    }

    /// The epoch of the log when it began; none where nothing may be changed.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// Whether writes are refused.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Sets whether writes are refused.
    ///
    /// # Errors
    /// 25001 for writing again, after the first query or under a savepoint whose
    /// transaction only reads; 0A000 on a replica that does not lead.
    pub fn set_read_only(&mut self, read_only: bool) -> Result<(), SqlError> {
        if !read_only && self.read_only {
            let active = |message| Err(SqlError::new(state::ACTIVE_SQL_TRANSACTION, message));
            if self.savepoints.last().is_some_and(|s| s.read_only) {
                return active(
                    "cannot set transaction read-write mode inside a read-only transaction",
                );
            }
            if self.epoch.is_none() {
                let message = "cannot set transaction read-write mode during recovery";
                return Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, message));
            }
            if self.started {
                return active("transaction read-write mode must be set before any query");
            }
        }
        self.read_only = read_only;
        Ok(())
    }

    /// Whether its first snapshot waits until it is safe.
    pub fn deferrable(&self) -> bool {
        self.deferrable
    }

    /// Sets whether its first snapshot waits until it is safe.
    ///
    /// # Errors
    /// 25001 after the first query.
    pub fn set_deferrable(&mut self, deferrable: bool) -> Result<(), SqlError> {
        if self.started && deferrable != self.deferrable {
            return Err(SqlError::new(
                state::ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION [NOT] DEFERRABLE must be called before any query",
            ));
        }
        self.deferrable = deferrable;
        Ok(())
    }

    /// Notes that a statement starts that sees data: from now on the transaction
    /// is what it is, and has its snapshot if it keeps one.
    pub fn pin(&mut self, serializable: &Arc<Serializable>, newest: impl Fn() -> Arc<Snapshot>) {
        self.started = true;
        if self.snapshot.is_some() {
            return;
        }
        match self.isolation {
            IsolationLevel::ReadCommitted => {}
            IsolationLevel::RepeatableRead => self.snapshot = Some(newest()),
            IsolationLevel::Serializable => {
                let (snapshot, watched) =
                    serializable.enter(self.tenant, self.held.id(), self.read_only);
                self.snapshot = Some(snapshot);
                self.watched = Some(watched);
            }
        }
    }

    /// Whether a snapshot is kept already.
    pub fn is_pinned(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Gives the snapshot up, to take another.
    pub fn unpin(&mut self) {
        self.snapshot = None;
        self.watched = None;
    }

    /// What watches it, if it is serializable and has begun.
    pub fn watched(&self) -> Option<&Arc<Watched>> {
        self.watched.as_ref()
    }

    /// When the transaction began, in microseconds since 1970.
    pub fn started_us(&self) -> i64 {
        self.started_us
    }

    /// The locks it holds.
    pub fn held(&mut self) -> &mut HeldLocks {
        &mut self.held
    }

    /// The lock table.
    pub fn manager(&self) -> &Arc<LockManager> {
        &self.manager
    }

    /// The catalog as changed by this transaction, if it changed it.
    pub fn own_catalog(&self) -> Option<&Arc<Catalog>> {
        self.catalog.as_ref()
    }

    /// Sets the catalog as changed by this transaction.
    pub fn set_own_catalog(&mut self, catalog: Arc<Catalog>) {
        self.catalog = Some(catalog);
    }

    /// What a statement that starts now sees, `newest` being the newest
    /// published snapshot.
    pub fn view(&mut self, newest: Arc<Snapshot>) -> ReadView {
        let snapshot = match self.isolation {
            IsolationLevel::ReadCommitted => newest,
            IsolationLevel::RepeatableRead | IsolationLevel::Serializable => {
                self.snapshot.get_or_insert(newest).clone()
            }
        };
        ReadView::new(self.tenant, snapshot, self.changes.layers()).watched_by(self.watched.clone())
    }

    /// The newest committed state under the transaction's own changes, whatever
    /// the isolation level: what constraint checks look at.
    pub fn newest_view(&self, newest: Arc<Snapshot>) -> ReadView {
        ReadView::new(self.tenant, newest, self.changes.layers())
    }

    /// Whether the transaction changed anything.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Adds the changes of a finished statement.
    ///
    /// # Errors
    /// 53200 when the transaction's changes no longer fit the memory bound.
    pub fn push(&mut self, layer: Layer) -> Result<(), SqlError> {
        check_weight(self.changes.weight() + layer.weight())?;
        if let Some(watched) = &self.watched {
            watched.write(&layer)?;
        }
        self.changes.push(layer);
        Ok(())
    }

    /// Fails when `layer`, still being written, would exceed the bound.
    ///
    /// # Errors
    /// 53200.
    pub fn check_growth(&self, layer: &Layer) -> Result<(), SqlError> {
        check_weight(self.changes.weight() + layer.weight())
    }

    /// Takes the changes out, to be committed. Locks stay held.
    pub fn take_changes(&mut self) -> Layer {
        std::mem::take(&mut self.changes).into_layer()
    }

    /// Establishes a savepoint.
    pub fn savepoint(&mut self, name: String) {
        let height = self.changes.mark();
        self.deferred.mark();
        self.savepoints.push(Savepoint {
            name,
            height,
            catalog: self.catalog.clone(),
            read_only: self.read_only,
            locks: self.held.len(),
            owned_tables: self.owned_tables.len(),
        });
    }

    /// How many savepoints there are.
    pub fn savepoint_count(&self) -> usize {
        self.savepoints.len()
    }

    /// Whether there is a savepoint to go back to.
    pub fn has_savepoints(&self) -> bool {
        !self.savepoints.is_empty()
    }

    /// Forgets a savepoint and those after it; their changes stay. Which
    /// savepoint it was, counted from 0.
    ///
    /// # Errors
    /// 3B001 when there is no such savepoint.
    pub fn release_savepoint(&mut self, name: &str) -> Result<usize, SqlError> {
        let at = self.find_savepoint(name)?;
        if let Some(savepoint) = self.savepoints.get(at) {
            // SET TRANSACTION READ ONLY lasts as long as its savepoint.
            self.read_only = savepoint.read_only;
        }
        let count = self.savepoints.len() - at;
        self.savepoints.truncate(at);
        self.changes.release(count);
        self.deferred.release(at);
        Ok(at)
    }

    /// Undoes everything since a savepoint, which stays. Which savepoint it is,
    /// counted from 0.
    ///
    /// # Errors
    /// 3B001 when there is no such savepoint.
    pub fn rollback_to_savepoint(&mut self, name: &str) -> Result<usize, SqlError> {
        let at = self.find_savepoint(name)?;
        let above = self.savepoints.len() - at - 1;
        self.changes.release(above);
        self.savepoints.truncate(at + 1);
        self.deferred.rollback_to(at);
        if let Some(savepoint) = self.savepoints.last() {
            self.changes.rollback_to(savepoint.height);
            self.catalog.clone_from(&savepoint.catalog);
            self.read_only = savepoint.read_only;
            self.owned_tables.truncate(savepoint.owned_tables);
            // What was locked since then is free again.
            self.manager.release_since(&mut self.held, savepoint.locks);
        }
        Ok(at)
    }

    /// Lets go of what was locked since the last savepoint: what failed there
    /// will not be kept.
    pub fn abort_part(&mut self) {
        if let Some(savepoint) = self.savepoints.last() {
            self.manager.release_since(&mut self.held, savepoint.locks);
        }
    }

    fn find_savepoint(&self, name: &str) -> Result<usize, SqlError> {
        self.savepoints
            .iter()
            .rposition(|s| s.name == name)
            .ok_or_else(|| {
                SqlError::new(
                    state::S_E_INVALID_SPECIFICATION,
                    format!("savepoint \"{name}\" does not exist"),
                )
            })
    }
}

fn check_weight(bytes: usize) -> Result<(), SqlError> {
    if bytes > MAX_CHANGES_BYTES {
        return Err(SqlError::new(
            state::OUT_OF_MEMORY,
            format!(
                "the changes of this transaction take more than {} MiB",
                MAX_CHANGES_BYTES >> 20
            ),
        )
        .hint("Commit more often, for example by loading the file in several parts."));
    }
    Ok(())
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.manager.release_all(&mut self.held);
    }
}
