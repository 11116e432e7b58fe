//! Locks that statements take before they run.

use sqlparser::ast::{Lock, LockTableMode};

use super::plan::{CachedPlan, PlanKind};
use super::row_locks::LockingPlan;
use super::{Block, Session};
use crate::catalog::QualifiedName;
use crate::error::{SqlError, state};
use crate::exec::fast::FastAction;
use crate::exec::with::Main;
use crate::exec::write_plan::WritePlan;
use crate::txn::{LockKey, LockMode, WaitPolicy};

impl Session {
    /// Locks the tables that a plan uses; says whether the plan still fits the
    /// catalog now that they are locked.
    pub(super) async fn lock_tables(&mut self, plan: &CachedPlan) -> Result<bool, SqlError> {
        match &plan.kind {
            PlanKind::Utility => return Ok(true),
            PlanKind::Query(query) => {
                // A single query reads one snapshot and needs no locks; in a
                // block its tables must stay as they are for the next one.
                if self.block == Block::Explicit {
                    for table in query.tables() {
                        self.lock_table(*table, LockMode::AccessShare).await?;
                    }
                }
            }
            PlanKind::Locking(plan) => self.lock_for_row_locks(plan).await?,
            PlanKind::Fast(fast) => match fast.action {
                FastAction::Select(_) if self.block == Block::Implicit => {}
                FastAction::Select(_) => {
                    self.lock_table(fast.table.desc.oid, LockMode::AccessShare)
                        .await?;
                }
                _ => {
                    self.lock_table(fast.table.desc.oid, LockMode::RowExclusive)
                        .await?;
                }
            },
            PlanKind::Write(write) | PlanKind::CurrentOf(write, _) => {
                self.lock_for_write(write).await?;
            }
            PlanKind::With(with) => {
                for write in with.write_plans() {
                    self.lock_for_write(write).await?;
                }
                for plan in with.locking_plans() {
                    self.lock_for_row_locks(plan).await?;
                }
                if let Main::Query(query) = &with.main {
                    self.lock_tables_read(query.tables().to_vec()).await?;
                }
            }
        }
        Ok(self.catalog()?.version() == plan.catalog_version)
    }

    /// Locks the tables of a query that locks rows.
    async fn lock_for_row_locks(&mut self, plan: &LockingPlan) -> Result<(), SqlError> {
        for table in plan.query.tables() {
            // Rows of a table may be in those below it.
            let above = self.catalog()?.ancestors(*table);
            let locks = plan.targets.iter().filter(|t| t.lock.is_some()).any(|t| {
                let oid = t.table.desc.oid;
                oid == *table || above.iter().any(|a| a.oid == oid)
            });
            let mode = if locks {
                LockMode::RowShare
            } else {
                LockMode::AccessShare
            };
            self.lock_table(*table, mode).await?;
        }
        Ok(())
    }

    /// Locks the table that a statement changes, and those that it reads.
    async fn lock_for_write(&mut self, write: &WritePlan) -> Result<(), SqlError> {
        let target = write.table().desc.oid;
        self.lock_table(target, LockMode::RowExclusive).await?;
        let catalog = self.catalog()?;
        if catalog.has_children(target) {
            for member in catalog.members(target) {
                self.lock_table(member.oid, LockMode::RowExclusive).await?;
            }
        }
        self.lock_tables_read(write.tables_read()).await
    }

    /// Locks the tables that a statement reads beside the one it changes.
    async fn lock_tables_read(&mut self, tables: Vec<u32>) -> Result<(), SqlError> {
        for table in tables {
            self.lock_table(table, LockMode::AccessShare).await?;
        }
        Ok(())
    }

    /// Locks a table for the rest of the transaction.
    pub(super) async fn lock_table(&mut self, oid: u32, mode: LockMode) -> Result<(), SqlError> {
        let key = LockKey::table(self.tenant, oid);
        *self.state.wants.lock() = Some((oid, mode));
        let locked = self.lock(key, mode).await;
        *self.state.wants.lock() = None;
        locked?;
        self.locked_table(oid, mode)
    }

    /// Notes a table lock that was taken.
    fn locked_table(&mut self, oid: u32, mode: LockMode) -> Result<(), SqlError> {
        let mut tables = self.state.tables.lock();
        if !tables.contains(&(oid, mode)) {
            tables.push((oid, mode));
        }
        drop(tables);
        if mode == LockMode::AccessExclusive {
            self.transaction()?.own_table(oid);
        }
        Ok(())
    }

    pub(super) async fn lock(&mut self, key: LockKey, mode: LockMode) -> Result<bool, SqlError> {
        let policy = WaitPolicy::Wait(self.settings.patience());
        let cancel = self.cancel.clone();
        let manager = self.engine.locks().clone();
        let txn = self.transaction()?;
        manager
            .acquire(txn.held(), key, mode, policy, &cancel)
            .await
    }

    /// Locks a table for the rest of the transaction if it is free; says whether
    /// it was.
    fn try_lock_table(&mut self, oid: u32, mode: LockMode) -> Result<bool, SqlError> {
        let key = LockKey::table(self.tenant, oid);
        let manager = self.engine.locks().clone();
        if !manager.try_acquire(self.transaction()?.held(), key, mode) {
            return Ok(false);
        }
        self.locked_table(oid, mode)?;
        Ok(true)
    }

    /// LOCK TABLE.
    pub(super) async fn lock_statement(&mut self, lock: &Lock) -> Result<String, SqlError> {
        if self.block != Block::Explicit {
            return Err(SqlError::new(
                state::NO_ACTIVE_SQL_TRANSACTION,
                "LOCK TABLE can only be used in transaction blocks",
            ));
        }
        let mode = table_mode(lock.lock_mode.as_ref());
        for target in &lock.tables {
            let name = QualifiedName::from_ast(&target.name, &self.database)?;
            let find = |session: &Self| -> Result<_, SqlError> {
                let catalog = session.catalog()?;
                let table = catalog.table(&name, session.settings.search_path())?;
                Ok((table.oid, table.name.clone()))
            };
            // The name may mean another table once the lock is there.
            loop {
                let (oid, name) = find(self)?;
                if mode as u8 > LockMode::RowExclusive as u8 {
                    self.writable("LOCK TABLE")?;
                }
                if lock.nowait {
                    if !self.try_lock_table(oid, mode)? {
                        return Err(SqlError::new(
                            state::LOCK_NOT_AVAILABLE,
                            format!("could not obtain lock on relation \"{name}\""),
                        ));
                    }
                } else {
                    self.lock_table(oid, mode).await?;
                }
                if find(self)?.0 == oid {
                    break;
                }
            }
        }
        Ok("LOCK TABLE".to_owned())
    }
}

fn table_mode(mode: Option<&LockTableMode>) -> LockMode {
    match mode {
        Some(LockTableMode::AccessShare) => LockMode::AccessShare,
        Some(LockTableMode::RowShare) => LockMode::RowShare,
        Some(LockTableMode::RowExclusive) => LockMode::RowExclusive,
        Some(LockTableMode::ShareUpdateExclusive) => LockMode::ShareUpdateExclusive,
        Some(LockTableMode::Share) => LockMode::Share,
        Some(LockTableMode::ShareRowExclusive) => LockMode::ShareRowExclusive,
        Some(LockTableMode::Exclusive) => LockMode::Exclusive,
        Some(LockTableMode::AccessExclusive) | None => LockMode::AccessExclusive,
    }
}
