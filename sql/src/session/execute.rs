//! Carrying statements out.

use std::sync::Arc;

use bytes::BytesMut;

use super::binding::with_formats;
use super::cursor::RowCursor;
use super::fields::{FieldDescription, check_result};
use super::lock_clause::verb;
use super::locked_rows::LockedRows;
use super::parse::{Command, ParsedStatement};
use super::plan::{CachedPlan, PlanKind};
use super::row_locks::LockingPlan;
use super::{Block, Outcome, POSTGRES_EPOCH_US, Session};
use crate::activity::SequenceUser;
use crate::cancel::CancelReason;
use crate::error::{SqlError, state};
use crate::exec::expr::Values;
use crate::exec::fast::{FastAction, FastPlan};
use crate::query::{PlannedQuery, Run};
use crate::sequence::SequenceSource;
use crate::types::{Datum, SessionFormat};

/// Ends a statement's time limit when dropped.
#[derive(Debug)]
pub(super) struct TimeoutGuard(tokio::task::JoinHandle<()>);

impl Drop for TimeoutGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How often a statement is planned again because the catalog changed under it.
pub(super) const REPLANS_MAX: usize = 8;

/// Parameters and formats of one execution.
#[derive(Default)]
pub(super) struct Execution {
    pub(super) parameters: Vec<Datum>,
    pub(super) result_formats: Vec<i16>,
    /// Types of the parameters, as planning found them.
    pub(super) declared: Vec<u32>,
    /// The query string it came in.
    pub(super) source: Arc<str>,
    /// Whether it came as a simple query.
    pub(super) simple: bool,
}

impl Session {
    /// Carries out one statement of a simple query. `last` says that it is the
    /// last of its string.
    ///
    /// # Errors
    /// Whatever the statement fails with; the transaction is then aborted.
    pub async fn run(&mut self, stmt: ParsedStatement, last: bool) -> Result<Outcome, SqlError> {
        self.followed = !last;
        self.state.starts(&stmt.text, self.engine.now_us());
        let result = self.run_simple(&stmt, last).await;
        self.followed = false;
        self.preceded = !last;
        if result.is_err() {
            self.abort();
        }
        result
    }

    async fn run_simple(
        &mut self,
        stmt: &ParsedStatement,
        last: bool,
    ) -> Result<Outcome, SqlError> {
        self.start_statement(&stmt.command)?;
        if self.may_be_stale(&stmt.command) {
            self.confirm_reads().await?;
        }
        if let Some(called) = self.called(&stmt.command)? {
            return Box::pin(self.carry_out(called, stmt)).await;
        }
        let plan = Arc::new(self.plan_command(&stmt.command, &[])?);
        if !plan.parameters.is_empty() {
            return Err(SqlError::new(
                state::UNDEFINED_PARAMETER,
                "there is no parameter $1",
            ));
        }
        let execution = Execution {
            parameters: Vec::new(),
            result_formats: Vec::new(),
            declared: Vec::new(),
            source: stmt.source.clone(),
            simple: true,
        };
        let outcome = self.run_plan(stmt, &[], plan, &execution).await?;
        if last && self.block == Block::Implicit && matches!(outcome, Outcome::Command(_)) {
            self.commit_open().await?;
        }
        Ok(outcome)
    }

    /// Begins a statement: forgets old cancel requests, starts the time limit,
    /// and refuses it when the transaction has failed.
    pub(super) fn start_statement(&mut self, command: &Command) -> Result<(), SqlError> {
        self.timeout = None;
        self.cancel.reset();
        self.absorb_draft();
        self.draft = None;
        self.info = None;
        if self.failed && !super::utility::ends_transaction(command) {
            return Err(SqlError::new(
                state::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        if let Some(limit) = self.settings.statement_timeout() {
            let cancel = self.cancel.clone();
            self.timeout = Some(TimeoutGuard(tokio::spawn(async move {
                tokio::time::sleep(limit).await;
                cancel.cancel(CancelReason::StatementTimeout);
            })));
        }
        Ok(())
    }

    /// The statement's time limit ends with it.
    pub(super) fn statement_done(&mut self) {
        self.timeout = None;
    }

    /// Executes a plan, planning again when the catalog changed meanwhile.
    pub(super) async fn run_plan(
        &mut self,
        stmt: &ParsedStatement,
        declared: &[u32],
        mut plan: Arc<CachedPlan>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        for _ in 0..REPLANS_MAX {
            if self.lock_tables(&plan).await? {
                return self.execute_plan(stmt, &plan, execution).await;
            }
            let fresh = Arc::new(self.plan_command(&stmt.command, declared)?);
            // A simple query is told of the columns with the rows.
            if !execution.simple {
                check_result(plan.fields.as_deref(), fresh.fields.as_deref())?;
            }
            plan = fresh;
        }
        Err(SqlError::new(
            state::T_R_SERIALIZATION_FAILURE,
            "the tables of this statement keep changing",
        )
        .hint("Retry the transaction."))
    }

    /// What is rarer or takes long runs boxed: the future of a statement, as large as the
    /// largest of its parts, is moved once for every statement.
    async fn execute_plan(
        &mut self,
        stmt: &ParsedStatement,
        plan: &Arc<CachedPlan>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let fields = with_formats(plan.fields.as_deref(), &execution.result_formats)?;
        if !matches!(plan.kind, PlanKind::Utility) {
            self.pin().await?;
        }
        match &plan.kind {
            PlanKind::Utility => Box::pin(self.utility(stmt, execution)).await,
            PlanKind::Fast(fast) => match &fast.action {
                FastAction::Select(columns) => self.fast_select(fast, columns, fields, execution),
                FastAction::Update(_, returning) => {
                    self.fast_change(fast, returning.as_ref(), "UPDATE", fields, execution)
                        .await
                }
                FastAction::Delete(returning) => {
                    self.fast_change(fast, returning.as_ref(), "DELETE", fields, execution)
                        .await
                }
            },
            PlanKind::Query(query) => self.query(query, fields, execution).await,
            PlanKind::Locking(locking) => {
                Box::pin(self.lock_rows(locking, fields, execution)).await
            }
            PlanKind::Write(write) => self.write(write, fields, execution).await,
            PlanKind::CurrentOf(write, cursor) => {
                Box::pin(self.write_current(write, cursor, fields, execution)).await
            }
            PlanKind::With(with) => Box::pin(self.with_writes(with, fields, execution)).await,
        }
    }

    /// Where simple expressions find sequences.
    pub(super) fn sequence_source(&self) -> Result<SequenceSource, SqlError> {
        Ok(SequenceSource {
            access: Arc::clone(&self.sequences),
            catalog: self.catalog()?,
            user: self.sequence_user(),
        })
    }

    /// The session as one that takes values from sequences.
    pub(super) fn sequence_user(&self) -> SequenceUser {
        SequenceUser {
            activity: self.engine.activity().clone(),
            session: self.state.clone(),
            cancel: self.cancel.clone(),
            patience: self.settings.patience(),
        }
    }

    /// What simple expressions are evaluated with.
    pub(super) fn values<'v>(
        &self,
        execution: &'v Execution,
        format: &'v SessionFormat,
        sequences: &'v SequenceSource,
    ) -> Values<'v> {
        let started = self.txn.as_ref().map_or(0, |t| t.started_us());
        Values {
            parameters: &execution.parameters,
            row: &[],
            now_us: started - POSTGRES_EPOCH_US,
            format,
            sequences: Some(sequences),
        }
    }

    fn fast_select(
        &mut self,
        plan: &FastPlan,
        columns: &[(u16, String)],
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let snapshot = self.engine.snapshot();
        let view = self.transaction()?.view(snapshot);
        let format = self.format();
        let sequences = self.sequence_source()?;
        let values = self.values(execution, &format, &sequences);
        let outputs: Vec<_> = columns
            .iter()
            .zip(&fields)
            .map(|((attnum, _), field)| (usize::from(attnum.saturating_sub(1)), field.output()))
            .collect();
        let mut rows = BytesMut::new();
        plan.run_select(&view, &values, &outputs, &mut rows)?;
        Ok(Outcome::Rows(RowCursor::ready(fields, rows, "SELECT")))
    }

    async fn query(
        &mut self,
        query: &PlannedQuery,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let run = self.new_run(execution)?;
        let stream = query.execute(run).await?;
        Ok(Outcome::Rows(RowCursor::stream(
            fields,
            stream,
            self.format(),
        )))
    }

    async fn lock_rows(
        &mut self,
        locking: &Arc<LockingPlan>,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.may_lock_rows(locking)?;
        let run = self.new_run(execution)?;
        self.start_locking(locking, run, fields, execution).await
    }

    /// Refuses row locks in a transaction that only reads.
    pub(super) fn may_lock_rows(&mut self, locking: &LockingPlan) -> Result<(), SqlError> {
        match locking.strongest {
            Some(mode) => self.writable(&format!("SELECT {}", verb(mode))),
            None => Ok(()),
        }
    }

    /// Starts a query whose rows are locked as they are read.
    pub(super) async fn start_locking(
        &mut self,
        locking: &Arc<LockingPlan>,
        run: Run,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let format = self.format();
        let sequences = self.sequence_source()?;
        let window = locking.window(&self.values(execution, &format, &sequences))?;
        let rows = LockedRows::start(locking.clone(), run, window).await?;
        Ok(Outcome::Rows(RowCursor::locked(fields, rows, format)))
    }

    /// What a query started now sees and may use.
    pub(super) fn new_run(&mut self, execution: &Execution) -> Result<Run, SqlError> {
        let session = self.session_info()?;
        let snapshot = self.engine.snapshot();
        Ok(Run {
            view: self.transaction()?.view(snapshot),
            params: execution.parameters.clone(),
            replace: None,
            bound: Default::default(),
            session,
            cancel: self.cancel.clone(),
            work_mem: self.settings.work_mem(),
        })
    }
}
