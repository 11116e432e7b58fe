//! BEGIN, COMMIT, ROLLBACK and savepoints.

use std::sync::Arc;

use sqlparser::ast::{TransactionAccessMode, TransactionIsolationLevel, TransactionMode};

use super::{Block, Session};
use crate::catalog::fold_identifier;
use crate::cluster::not_leading;
use crate::error::{SqlError, state};
use crate::txn::{Began, IsolationLevel, Transaction};

/// Isolation, whether writes are refused, whether the snapshot is deferred.
pub(super) type Modes = (IsolationLevel, bool, bool);

impl Session {
    /// Ends a simple Query message, or a Sync: commits the implicit transaction.
    ///
    /// # Errors
    /// What committing may fail with; the transaction is then rolled back.
    pub async fn finish_query(&mut self) -> Result<(), SqlError> {
        self.statement_done();
        let ended = match self.block {
            Block::Implicit => self.commit_open().await,
            Block::Explicit => Ok(()),
        };
        self.rests();
        ended
    }

    /// Commits the open transaction, if any.
    pub(super) async fn commit_open(&mut self) -> Result<(), SqlError> {
        self.absorb_draft();
        if let Err(error) = self.commit_temporary().await {
            self.roll_back();
            return Err(error);
        }
        if let Err(error) = self.check_deferred().await {
            self.roll_back();
            return Err(error);
        }
        if let Err(error) = self.hold_cursors().await {
            self.roll_back();
            return Err(error);
        }
        let announcement = match self.before_commit().await {
            Ok(announcement) => announcement,
            Err(error) => {
                self.roll_back();
                return Err(error);
            }
        };
        let before = std::mem::take(&mut self.settings_before);
        let Some(mut txn) = self.txn.take() else {
            return Ok(());
        };
        self.block = Block::Implicit;
        self.failed = false;
        self.info = None;
        let committed = self.commit_transaction(&mut txn).await;
        if committed.is_ok() {
            self.cursors.committed();
        }
        self.after_commit(announcement, committed.is_ok());
        // The locks are held until the changes are visible to others.
        drop(txn);
        self.end_transaction();
        if committed.is_err() {
            self.settings_before = before;
            self.restore_settings();
        } else if self.settings.has_local() {
            self.settings_mut().end_local();
            self.note_application();
        }
        committed
    }

    async fn commit_transaction(&self, txn: &mut Transaction) -> Result<(), SqlError> {
        if let Some(watched) = txn.watched() {
            watched.prepare()?;
        }
        let changes = txn.take_changes();
        let mut index = None;
        if !changes.is_empty() {
            let began = Began {
                time_us: txn.started_us(),
                // Without one there is nothing to commit to.
                epoch: txn.epoch().ok_or_else(SqlError::epoch_over)?,
            };
            let committed = self
                .engine
                .commit(self.tenant, &self.user, began, changes)
                .await?;
            index = Some(committed.index);
        }
        if let Some(watched) = txn.watched() {
            watched.committed(index);
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        self.end_transaction();
        self.restore_settings();
        self.block = Block::Implicit;
        self.failed = false;
        self.info = None;
    }

    pub(super) fn begin(&mut self, modes: &[TransactionMode]) -> Result<String, SqlError> {
        if self.block == Block::Explicit {
            self.notices.push(SqlError::warning(
                state::ACTIVE_SQL_TRANSACTION,
                "there is already a transaction in progress",
            ));
        } else {
            self.transaction()?;
            self.chained = None;
            self.block = Block::Explicit;
        }
        self.set_modes(modes)?;
        Ok("BEGIN".to_owned())
    }

    pub(super) fn set_modes(&mut self, modes: &[TransactionMode]) -> Result<(), SqlError> {
        for mode in modes {
            match mode {
                TransactionMode::AccessMode(access) => {
                    let read_only = *access == TransactionAccessMode::ReadOnly;
                    self.transaction()?.set_read_only(read_only)?;
                }
                TransactionMode::IsolationLevel(level) => {
                    let level = isolation(*level)?;
                    self.transaction()?.set_isolation(level)?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn commit(&mut self, chain: bool) -> Result<String, SqlError> {
        if self.block != Block::Explicit {
            self.may_chain(chain, "COMMIT AND CHAIN")?;
            self.no_transaction();
            // Earlier statements of the same query string are kept.
            self.commit_open().await?;
            return Ok("COMMIT".to_owned());
        }
        let modes = self.chained_modes(chain);
        if self.failed {
            self.roll_back();
            self.reopen(modes)?;
            return Ok("ROLLBACK".to_owned());
        }
        self.commit_open().await?;
        self.reopen(modes)?;
        Ok("COMMIT".to_owned())
    }

    pub(super) fn rollback(&mut self, chain: bool) -> Result<String, SqlError> {
        if self.block != Block::Explicit {
            self.may_chain(chain, "ROLLBACK AND CHAIN")?;
            self.no_transaction();
            // Earlier statements of the same query string are undone too.
            self.end_transaction();
            self.restore_settings();
            return Ok("ROLLBACK".to_owned());
        }
        let modes = self.chained_modes(chain);
        self.roll_back();
        self.reopen(modes)?;
        Ok("ROLLBACK".to_owned())
    }

    /// AND CHAIN needs a block to go on with.
    fn may_chain(&self, chain: bool, what: &str) -> Result<(), SqlError> {
        if chain { self.in_block(what) } else { Ok(()) }
    }

    fn no_transaction(&mut self) {
        self.notices.push(SqlError::warning(
            state::NO_ACTIVE_SQL_TRANSACTION,
            "there is no transaction in progress",
        ));
    }

    /// Isolation and access mode to go on with after AND CHAIN.
    fn chained_modes(&self, chain: bool) -> Option<Modes> {
        if !chain {
            return None;
        }
        // What START TRANSACTION said is forgotten when the transaction fails; what is
        // open then without a savepoint is another one.
        let whole = |txn: &&Transaction| !self.failed || txn.has_savepoints();
        let now = self.txn.as_ref().filter(whole).map(modes_of);
        let defaults = self.settings.transaction();
        let fresh = (defaults.isolation, defaults.read_only, defaults.deferrable);
        Some(now.or(self.chained).unwrap_or(fresh))
    }

    fn reopen(&mut self, modes: Option<Modes>) -> Result<(), SqlError> {
        if let Some((isolation, read_only, deferrable)) = modes {
            let txn = self.transaction()?;
            txn.set_isolation(isolation)?;
            txn.set_read_only(read_only)?;
            txn.set_deferrable(deferrable)?;
            self.chained = modes;
            self.block = Block::Explicit;
        }
        Ok(())
    }

    fn in_block(&self, what: &str) -> Result<(), SqlError> {
        if self.block == Block::Explicit {
            return Ok(());
        }
        Err(SqlError::new(
            state::NO_ACTIVE_SQL_TRANSACTION,
            format!("{what} can only be used in transaction blocks"),
        ))
    }

    pub(super) fn savepoint(&mut self, name: &sqlparser::ast::Ident) -> Result<String, SqlError> {
        self.in_block("SAVEPOINT")?;
        self.transaction()?.savepoint(fold_identifier(name));
        self.settings_before.savepoint();
        self.state.advisory.lock().savepoint();
        self.state.pending.lock().savepoint();
        Ok("SAVEPOINT".to_owned())
    }

    pub(super) fn release(&mut self, name: &sqlparser::ast::Ident) -> Result<String, SqlError> {
        self.in_block("RELEASE SAVEPOINT")?;
        let index = self
            .transaction()?
            .release_savepoint(&fold_identifier(name))?;
        self.settings_before.release(index);
        self.state.advisory.lock().release(index);
        self.state.pending.lock().release(index);
        self.cursors.release(index);
        Ok("RELEASE".to_owned())
    }

    pub(super) fn rollback_to(&mut self, name: &sqlparser::ast::Ident) -> Result<String, SqlError> {
        self.in_block("ROLLBACK TO SAVEPOINT")?;
        let index = self
            .transaction()?
            .rollback_to_savepoint(&fold_identifier(name))?;
        self.settings_before
            .restore_savepoint(index, Arc::make_mut(&mut self.settings));
        let mut advisory = self.state.advisory.lock();
        advisory.rollback_to(index, self.state.owner, self.engine.locks());
        drop(advisory);
        self.state.pending.lock().rollback_to(index);
        self.cursors.rollback_to(index);
        self.failed = false;
        Ok("ROLLBACK".to_owned())
    }

    /// Refuses a statement that cannot run in a transaction block.
    pub(super) fn not_in_block(&self, what: &str) -> Result<(), SqlError> {
        let busy = self.txn.as_ref().is_some_and(|t| t.has_changes());
        if self.block == Block::Explicit || busy || self.followed || self.preceded {
            return Err(SqlError::new(
                state::ACTIVE_SQL_TRANSACTION,
                format!("{what} cannot run inside a transaction block"),
            ));
        }
        Ok(())
    }

    /// Takes the snapshot that the transaction keeps, before its first statement
    /// that sees data.
    pub(super) async fn pin(&mut self) -> Result<(), SqlError> {
        let engine = self.engine.clone();
        let cancel = self.cancel.clone();
        let txn = self.transaction()?;
        let defers = txn.deferrable()
            && txn.read_only()
            && txn.isolation() == IsolationLevel::Serializable
            && !txn.is_pinned();
        txn.pin(engine.serializable(), || engine.snapshot());
        if !defers {
            return Ok(());
        }
        loop {
            let Some(watched) = self.transaction()?.watched().cloned() else {
                return Ok(());
            };
            *self.state.defers.lock() = true;
            let safe = tokio::select! {
                safe = watched.is_safe() => Ok(safe),
                error = cancel.cancelled() => Err(error),
            };
            *self.state.defers.lock() = false;
            if safe? {
                return Ok(());
            }
            drop(watched);
            let txn = self.transaction()?;
            txn.unpin();
            txn.pin(engine.serializable(), || engine.snapshot());
        }
    }

    /// Refuses a write in a read-only transaction.
    pub(super) fn writable(&mut self, what: &str) -> Result<(), SqlError> {
        if self.transaction()?.epoch().is_none() {
            return Err(not_leading(what, self.engine.cluster()));
        }
        if self.transaction()?.read_only() {
            return Err(SqlError::new(
                state::READ_ONLY_SQL_TRANSACTION,
                format!("cannot execute {what} in a read-only transaction"),
            ));
        }
        Ok(())
    }
}

/// How a transaction goes on after AND CHAIN.
pub(super) fn modes_of(txn: &Transaction) -> Modes {
    (txn.isolation(), txn.read_only(), txn.deferrable())
}

fn isolation(level: TransactionIsolationLevel) -> Result<IsolationLevel, SqlError> {
    match level {
        TransactionIsolationLevel::ReadUncommitted | TransactionIsolationLevel::ReadCommitted => {
            Ok(IsolationLevel::ReadCommitted)
        }
        TransactionIsolationLevel::RepeatableRead => Ok(IsolationLevel::RepeatableRead),
        TransactionIsolationLevel::Serializable => Ok(IsolationLevel::Serializable),
        TransactionIsolationLevel::Snapshot => {
            Err(SqlError::unsupported("isolation level SNAPSHOT"))
        }
    }
}
