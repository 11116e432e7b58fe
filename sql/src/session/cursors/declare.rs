//! DECLARE.

use std::sync::Arc;

use super::super::cursor::Rows;
use super::super::execute::{Execution, REPLANS_MAX};
use super::super::lock_clause::{decode, verb};
use super::super::locked_rows::LockedRows;
use super::super::plan::{CachedPlan, PlanKind};
use super::super::row_locks::LockingPlan;
use super::super::{Block, Session};
use super::kept::Kept;
use super::parse::Declare;
use super::portal::{CursorTable, Portal};
use super::scrolls::{may_scroll, simply_updatable};
use crate::error::{SqlError, state};
use crate::exec::with;

impl Session {
    pub(super) async fn declare(
        &mut self,
        declare: &Declare,
        execution: &Execution,
    ) -> Result<(), SqlError> {
        let several = self.followed || self.preceded;
        if !declare.hold && self.block == Block::Implicit && !several {
            return Err(SqlError::new(
                state::NO_ACTIVE_SQL_TRANSACTION,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        check_options(declare)?;
        self.cursors.make_way(&declare.name)?;
        let plan = self.plan_and_lock(declare, execution).await?;
        self.pin().await?;
        let rows = self.open(&plan, execution).await?;
        let (tables, locks) = match &plan.kind {
            PlanKind::Locking(locking) => (tables_of(locking), locking.strongest.is_some()),
            _ => (Vec::new(), false),
        };
        let scroll = match declare.scroll {
            Some(scroll) => scroll,
            None => !locks && may_scroll(&declare.query),
        };
        let created_us = self.engine.now_us();
        let savepoints = self.transaction()?.savepoint_count();
        self.cursors.put(Portal {
            name: declare.name.clone(),
            id: 0,
            statement: execution.source.clone(),
            fields: plan.fields.clone().unwrap_or_default(),
            binary: declare.binary,
            hold: declare.hold,
            scroll,
            created_us,
            of_transaction: true,
            savepoints,
            failed: false,
            tables,
            locks,
            rows: Some(rows),
            kept: Kept::default(),
            keeps: scroll,
            position: 0,
        });
        Ok(())
    }

    /// Plans the query until the plan fits the tables that are locked for it.
    async fn plan_and_lock(
        &mut self,
        declare: &Declare,
        execution: &Execution,
    ) -> Result<Arc<CachedPlan>, SqlError> {
        for _ in 0..REPLANS_MAX {
            let updatable = simply_updatable(&declare.query);
            let plan = self.plan_cursor(&declare.query, updatable, &execution.declared)?;
            let plan = Arc::new(plan);
            if self.lock_tables(&plan).await? {
                return Ok(plan);
            }
        }
        Err(SqlError::new(
            state::T_R_SERIALIZATION_FAILURE,
            "the tables of this statement keep changing",
        )
        .hint("Retry the transaction."))
    }

    /// Starts the query.
    async fn open(
        &mut self,
        plan: &Arc<CachedPlan>,
        execution: &Execution,
    ) -> Result<Rows, SqlError> {
        match &plan.kind {
            PlanKind::Query(query) => {
                let run = self.new_run(execution)?;
                Ok(Rows::Query(query.execute(run).await?))
            }
            PlanKind::Locking(locking) => {
                self.may_lock_rows(locking)?;
                let run = self.new_run(execution)?;
                let format = self.format();
                let sequences = self.sequence_source()?;
                let window = locking.window(&self.values(execution, &format, &sequences))?;
                let rows = LockedRows::start(locking.clone(), run, window).await?;
                Ok(Rows::Locked(Box::new(match locking.strongest {
                    // A row is locked when it is fetched, not before.
                    Some(_) => rows.one_at_a_time(),
                    None => rows,
                })))
            }
            PlanKind::With(_) => Err(SqlError::unsupported(
                "DECLARE CURSOR of a query that locks rows in a subquery",
            )),
            _ => Err(SqlError::internal("a cursor over what is no query")),
        }
    }
}

fn tables_of(locking: &LockingPlan) -> Vec<CursorTable> {
    let tables = locking.targets.iter();
    tables
        .map(|target| CursorTable {
            oid: target.table.desc.oid,
            locked: target.lock.is_some(),
        })
        .collect()
}

/// Refuses options that do not go together.
fn check_options(declare: &Declare) -> Result<(), SqlError> {
    if with::writes(&declare.query) {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "DECLARE CURSOR must not contain data-modifying statements in WITH",
        ));
    }
    let Some(lock) = declare.query.locks.first() else {
        return Ok(());
    };
    let clause = verb(decode(lock)?.mode);
    let refused =
        |message: String, state, detail: &str| Err(SqlError::new(state, message).detail(detail));
    if declare.hold {
        return refused(
            format!("DECLARE CURSOR WITH HOLD ... {clause} is not supported"),
            state::FEATURE_NOT_SUPPORTED,
            "Holdable cursors must be READ ONLY.",
        );
    }
    if declare.scroll == Some(true) {
        return refused(
            format!("DECLARE SCROLL CURSOR ... {clause} is not supported"),
            state::FEATURE_NOT_SUPPORTED,
            "Scrollable cursors must be READ ONLY.",
        );
    }
    if declare.insensitive {
        return refused(
            format!("DECLARE INSENSITIVE CURSOR ... {clause} is not valid"),
            state::INVALID_CURSOR_DEFINITION,
            "Insensitive cursors must be READ ONLY.",
        );
    }
    Ok(())
}
