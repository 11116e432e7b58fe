//! What sessions know of other replicas, and what they do about them.
//!
//! Changes are validated on the replica that leads, under locks that exist in its memory
//! only. So a transaction may change something only where [`CommitLog::epoch`] gave it an
//! epoch when it began, and is committed in that epoch or not at all. Elsewhere, and while
//! nobody leads, transactions only read.
//!
//! Before a statement reads, `kimberlite.read_consistency` decides what has to be known:
//!
//! | Value | What is read |
//! |---|---|
//! | `linearizable` | at least what was committed anywhere when the statement came |
//! | `bounded` | what is no older than the standby lag that the configuration allows, else as `linearizable` |
//! | `local` | what this replica has |
//!
//! A transaction that has changed something needs no confirmation: its commit is one.
//!
//! [`CommitLog::epoch`]: kimberlite_storage::CommitLog::epoch

use std::time::Duration;

use kimberlite_storage::Result as StorageResult;
use sqlparser::ast::Statement;
use tokio::sync::oneshot;

use crate::error::{SqlError, state};
use crate::session::{Command, Session};

/// How long a statement waits for a confirmation before it fails.
const CONFIRMATION_MAX: Duration = Duration::from_secs(10);

/// Called with the index that is applied now and has everything a read has to see.
pub type OnCurrent = Box<dyn FnOnce(StorageResult<u64>) + Send>;

/// The way to the other replicas.
pub trait Cluster: Send + Sync {
    /// Finds out what is committed anywhere, and calls when it is applied here.
    fn confirm(&self, done: OnCurrent);

    /// Whether what is applied here is no older than the lag that is allowed.
    fn within_bound(&self) -> bool;

    /// Where the replica that leads takes clients, if that is known.
    fn leader(&self) -> Option<String>;
}

/// `kimberlite.read_consistency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadConsistency {
    /// What is committed anywhere is seen.
    #[default]
    Linearizable,
    /// What is read is at most a little old.
    Bounded,
    /// What this replica has.
    Local,
}

impl ReadConsistency {
    /// Reads the value of the setting.
    ///
    /// # Errors
    /// 22023 for another word.
    pub fn parse(value: &str) -> Result<Self, SqlError> {
        match value.to_ascii_lowercase().as_str() {
            "linearizable" => Ok(Self::Linearizable),
            "bounded" => Ok(Self::Bounded),
            "local" => Ok(Self::Local),
            _ => Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("invalid value for parameter \"kimberlite.read_consistency\": \"{value}\""),
            )
            .hint("Available values: linearizable, bounded, local.")),
        }
    }
}

impl Session {
    /// Whether nothing may be changed here now.
    pub(crate) fn only_reads(&self) -> bool {
        let engine = self.engine();
        engine.cluster().is_some() && engine.epoch().is_none()
    }

    /// Whether a statement shows what others may have changed elsewhere meanwhile. One that
    /// changes something is confirmed by its commit.
    pub(crate) fn may_be_stale(&self, command: &Command) -> bool {
        let shows = |command: &Command| {
            let Command::Sql(statement) = command else {
                return false;
            };
            matches!(
                **statement,
                Statement::Query(_) | Statement::Explain { .. } | Statement::Copy { .. }
            )
        };
        self.engine().cluster().is_some() && (shows(command) || self.only_reads())
    }

    /// Waits until what this replica has is as new as the session wants it.
    ///
    /// # Errors
    /// 40001 when nobody can tell, 57014 when the statement is cancelled.
    pub(crate) async fn confirm_reads(&mut self) -> Result<(), SqlError> {
        let engine = self.engine().clone();
        let Some(cluster) = engine.cluster() else {
            return Ok(());
        };
        let wanted = self.read_consistency();
        let near = wanted == ReadConsistency::Bounded && cluster.within_bound();
        if wanted == ReadConsistency::Local || near || self.is_confirmed() {
            return Ok(());
        }
        let (send, receive) = oneshot::channel();
        cluster.confirm(Box::new(move |result| {
            // A session that is gone does not need to know.
            let _ = send.send(result);
        }));
        let cancel = self.cancel_handle();
        let answer = tokio::select! {
            answer = tokio::time::timeout(CONFIRMATION_MAX, receive) => answer,
            error = cancel.cancelled() => return Err(error),
        };
        match answer {
            Ok(Ok(Ok(_))) => Ok(()),
            _ => Err(unconfirmed()),
        }
    }
}

fn unconfirmed() -> SqlError {
    SqlError::new(
        state::T_R_SERIALIZATION_FAILURE,
        "this replica cannot tell whether what it has is current: no majority answers",
    )
    .hint("Try again, or SET kimberlite.read_consistency = 'local' to read what this replica has.")
}

/// A change on a replica that does not lead.
pub(crate) fn not_leading(what: &str, cluster: Option<&dyn Cluster>) -> SqlError {
    let error = SqlError::new(
        state::READ_ONLY_SQL_TRANSACTION,
        format!("cannot execute {what} in a read-only transaction"),
    )
    .detail("This replica does not lead, so it only reads.");
    match cluster.and_then(Cluster::leader) {
        Some(leader) => error.hint(format!("The replica that leads is at {leader}.")),
        None => error.hint("Nobody leads at the moment. Try again."),
    }
}
