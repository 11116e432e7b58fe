//! What the sessions of a server do, for those who ask about each other: who
//! waits for whom, who holds advisory locks, what runs.

mod advisory;
mod notify;
mod sequences;
mod session;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use kimberlite_storage::TenantId;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::cancel::Cancellation;
use crate::error::{SqlError, SqlResult};
use crate::session::SettingsDraft;
use crate::txn::{LockManager, Patience, Serializable, TransactionId};

pub use advisory::{AdvisoryKey, AdvisoryScope};
pub use notify::Notification;
pub(crate) use notify::{Board, ChannelAction, Listener};
pub(crate) use sequences::SequenceUser;
pub(crate) use session::{CursorEntry, StatementEntry};
pub use session::{Doing, SessionState};

/// All sessions of a server.
#[derive(Debug)]
pub struct Activity {
    locks: Arc<LockManager>,
    serializable: Arc<Serializable>,
    sessions: RwLock<BTreeMap<i32, Arc<SessionState>>>,
    notifications: notify::Notifications,
}

impl Activity {
    /// Nobody yet; `locks` are what sessions wait for.
    pub fn new(locks: Arc<LockManager>, serializable: Arc<Serializable>) -> Self {
        Self {
            locks,
            serializable,
            sessions: RwLock::default(),
            notifications: notify::Notifications::default(),
        }
    }

    /// The locks that sessions wait for.
    pub fn locks(&self) -> &Arc<LockManager> {
        &self.locks
    }

    /// The notifications of a database.
    pub(crate) fn board(&self, tenant: TenantId) -> Arc<Board> {
        self.notifications.board(tenant)
    }

    /// Lists a session.
    pub(crate) fn enter(&self, session: Arc<SessionState>) {
        self.sessions.write().insert(session.pid, session);
    }

    /// Strikes a session off.
    pub(crate) fn leave(&self, session: &Arc<SessionState>) {
        let mut sessions = self.sessions.write();
        if sessions
            .get(&session.pid)
            .is_some_and(|listed| Arc::ptr_eq(listed, session))
        {
            sessions.remove(&session.pid);
        }
    }

    /// The sessions, in the order of their process numbers.
    pub fn sessions(&self) -> Vec<Arc<SessionState>> {
        self.sessions.read().values().cloned().collect()
    }

    /// The sessions of one database.
    pub fn sessions_of(&self, tenant: TenantId) -> Vec<Arc<SessionState>> {
        let mut sessions = self.sessions();
        sessions.retain(|s| s.tenant == tenant);
        sessions
    }

    /// The process numbers of those that a session of the same database waits for.
    pub fn blocking_pids(&self, tenant: TenantId, pid: i32) -> Vec<i32> {
        let waits = self.sessions.read().get(&pid).cloned();
        let Some(waits) = waits.filter(|s| s.tenant == tenant) else {
            return Vec::new();
        };
        let owners = self.locks.blocked_by(waits.owner);
        self.pids(&owners)
    }

    /// The process numbers of those whose end a session waits for to have a safe
    /// snapshot.
    pub fn safe_snapshot_blocking_pids(&self, tenant: TenantId, pid: i32) -> Vec<i32> {
        let waits = self.sessions.read().get(&pid).cloned();
        let Some(waits) = waits.filter(|s| s.tenant == tenant && *s.defers.lock()) else {
            return Vec::new();
        };
        let owners = self.serializable.awaited(tenant, waits.owner);
        self.pids(&owners)
    }

    fn pids(&self, owners: &[TransactionId]) -> Vec<i32> {
        self.sessions
            .read()
            .values()
            .filter(|s| owners.contains(&s.owner))
            .map(|s| s.pid)
            .collect()
    }
}

/// Waits within a function call. The thread's other work goes on elsewhere meanwhile.
///
/// # Errors
/// What the work reports; XX000 where there is no thread to wait on.
pub(crate) fn wait_within_call<T>(work: impl Future<Output = SqlResult<T>>) -> SqlResult<T> {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(|| handle.block_on(work))
        }
        _ => Err(SqlError::internal("there is no thread to wait on")),
    }
}

/// A session as its functions reach it.
#[derive(Debug, Clone)]
pub struct SessionLink {
    /// All sessions.
    pub activity: Arc<Activity>,
    /// This one.
    pub session: Arc<SessionState>,
    /// Asks the running statement to stop.
    pub cancel: Cancellation,
    /// How long to wait for locks.
    pub patience: Patience,
    /// Its settings as the statement sees them.
    pub settings: Arc<Mutex<SettingsDraft>>,
}
