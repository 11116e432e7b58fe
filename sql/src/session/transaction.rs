//! BEGIN, COMMIT, ROLLBACK and savepoints.

use sqlparser::ast::{TransactionAccessMode, TransactionIsolationLevel, TransactionMode};

use super::{Block, Session};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::txn::IsolationLevel;

impl Session {
    /// Ends a simple Query message, or a Sync: commits the implicit transaction.
    ///
    /// # Errors
    /// What committing may fail with; the transaction is then rolled back.
    pub async fn finish_query(&mut self) -> Result<(), SqlError> {
        self.statement_done();
        if self.block == Block::Implicit {
            self.commit_open().await?;
        }
        Ok(())
    }

    /// Commits the open transaction, if any.
    pub(super) async fn commit_open(&mut self) -> Result<(), SqlError> {
        if let Err(error) = self.commit_temporary().await {
            self.roll_back();
            return Err(error);
        }
        if let Err(error) = self.check_deferred().await {
            self.roll_back();
            return Err(error);
        }
        let before = std::mem::take(&mut self.settings_before);
        let Some(mut txn) = self.txn.take() else {
            return Ok(());
        };
        self.block = Block::Implicit;
        self.failed = false;
        self.info = None;
        if !txn.has_changes() {
            return Ok(());
        }
        let changes = txn.take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        // `txn` keeps its locks until the changes are visible to others.
        let committed = self
            .engine
            .commit(self.tenant, &self.user, txn.started_us(), changes)
            .await;
        if committed.is_err() {
            self.settings_before = before;
            self.restore_settings();
        }
        committed
    }

    fn roll_back(&mut self) {
        self.txn = None;
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
                    self.transaction()?.set_read_only(read_only);
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
            self.no_transaction();
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
            self.no_transaction();
            // Earlier statements of the same query string are undone too.
            self.txn = None;
            self.restore_settings();
            return Ok("ROLLBACK".to_owned());
        }
        let modes = self.chained_modes(chain);
        self.roll_back();
        self.reopen(modes)?;
        Ok("ROLLBACK".to_owned())
    }

    fn no_transaction(&mut self) {
        self.notices.push(SqlError::warning(
            state::NO_ACTIVE_SQL_TRANSACTION,
            "there is no transaction in progress",
        ));
    }

    /// Isolation and access mode to go on with after AND CHAIN.
    fn chained_modes(&self, chain: bool) -> Option<(IsolationLevel, bool)> {
        let txn = self.txn.as_ref().filter(|_| chain)?;
        Some((txn.isolation(), txn.read_only()))
    }

    fn reopen(&mut self, modes: Option<(IsolationLevel, bool)>) -> Result<(), SqlError> {
        if let Some((isolation, read_only)) = modes {
            let txn = self.transaction()?;
            txn.set_isolation(isolation)?;
            txn.set_read_only(read_only);
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
        Ok("SAVEPOINT".to_owned())
    }

    pub(super) fn release(&mut self, name: &sqlparser::ast::Ident) -> Result<String, SqlError> {
        self.in_block("RELEASE SAVEPOINT")?;
        let index = self
            .transaction()?
            .release_savepoint(&fold_identifier(name))?;
        self.settings_before.release(index);
        Ok("RELEASE".to_owned())
    }

    pub(super) fn rollback_to(&mut self, name: &sqlparser::ast::Ident) -> Result<String, SqlError> {
        self.in_block("ROLLBACK TO SAVEPOINT")?;
        let index = self
            .transaction()?
            .rollback_to_savepoint(&fold_identifier(name))?;
        self.settings_before
            .restore_savepoint(index, &mut self.settings);
        self.failed = false;
        Ok("ROLLBACK".to_owned())
    }

    /// Refuses a statement that cannot run in a transaction block.
    pub(super) fn not_in_block(&self, what: &str) -> Result<(), SqlError> {
        let busy = self.txn.as_ref().is_some_and(|t| t.has_changes());
        if self.block == Block::Explicit || busy || self.followed {
            return Err(SqlError::new(
                state::ACTIVE_SQL_TRANSACTION,
                format!("{what} cannot run inside a transaction block"),
            ));
        }
        Ok(())
    }

    /// Refuses a write in a read-only transaction.
    pub(super) fn writable(&mut self, what: &str) -> Result<(), SqlError> {
        if self.transaction()?.read_only() {
            return Err(SqlError::new(
                state::READ_ONLY_SQL_TRANSACTION,
                format!("cannot execute {what} in a read-only transaction"),
            ));
        }
        Ok(())
    }
}

fn isolation(level: TransactionIsolationLevel) -> Result<IsolationLevel, SqlError> {
    match level {
        TransactionIsolationLevel::ReadUncommitted | TransactionIsolationLevel::ReadCommitted => {
            Ok(IsolationLevel::ReadCommitted)
        }
        TransactionIsolationLevel::RepeatableRead => Ok(IsolationLevel::RepeatableRead),
        TransactionIsolationLevel::Serializable => {
            Err(SqlError::unsupported("isolation level SERIALIZABLE")
                .hint("REPEATABLE READ gives one snapshot and refuses lost updates."))
        }
        TransactionIsolationLevel::Snapshot => {
            Err(SqlError::unsupported("isolation level SNAPSHOT"))
        }
    }
}
