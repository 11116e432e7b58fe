//! Locks that statements take before they run.

use super::plan::{CachedPlan, PlanKind};
use super::{Block, Session};
use crate::error::SqlError;
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
            PlanKind::Write(write) => self.lock_for_write(write).await?,
            PlanKind::With(with) => {
                for write in with.write_plans() {
                    self.lock_for_write(write).await?;
                }
                if let Main::Query(query) = &with.main {
                    self.lock_tables_read(query.tables().to_vec()).await?;
                }
            }
        }
        Ok(self.catalog()?.version() == plan.catalog_version)
    }

    /// Locks the table that a statement changes, and those that it reads.
    async fn lock_for_write(&mut self, write: &WritePlan) -> Result<(), SqlError> {
        self.lock_table(write.table().desc.oid, LockMode::RowExclusive)
            .await?;
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
        self.lock(key, mode).await?;
        if mode == LockMode::AccessExclusive {
            self.transaction()?.own_table(oid);
        }
        Ok(())
    }

    pub(super) async fn lock(&mut self, key: LockKey, mode: LockMode) -> Result<bool, SqlError> {
        let policy = WaitPolicy::Wait(self.settings.lock_timeout());
        let cancel = self.cancel.clone();
        let manager = self.engine.locks().clone();
        let txn = self.transaction()?;
        manager
            .acquire(txn.held(), key, mode, policy, &cancel)
            .await
    }
}
