//! Carrying statements out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::cursor::RowCursor;
use super::fields::FieldDescription;
use super::parse::{Command, ParsedStatement};
use super::plan::{CachedPlan, PlanKind, Planner};
use super::{Block, BoundParameters, Outcome, POSTGRES_EPOCH_US, Session};
use crate::cancel::CancelReason;
use crate::error::{SqlError, state};
use crate::exec::change::ChangePlan;
use crate::exec::expr::Values;
use crate::exec::fast::{FastAction, FastPlan};
use crate::exec::insert::{InsertPlan, Source};
use crate::exec::returning::Returning;
use crate::exec::table::TableInfo;
use crate::exec::write::StatementWriter;
use crate::query::{PlannedQuery, Run, SessionInfo};
use crate::txn::{LockKey, LockMode, WaitPolicy};
use crate::types::{Datum, Format, PgType, SessionFormat, binary_in, text_in};

/// Ends a statement's time limit when dropped.
#[derive(Debug)]
pub(super) struct TimeoutGuard(tokio::task::JoinHandle<()>);

impl Drop for TimeoutGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How often a statement is planned again because the catalog changed under it.
const REPLANS_MAX: usize = 8;

/// Parameters and formats of one execution.
pub(super) struct Execution {
    pub(super) parameters: Vec<Datum>,
    pub(super) result_formats: Vec<i16>,
}

impl Session {
    /// Carries out one statement of a simple query. `last` says that it is the
    /// last of its string.
    ///
    /// # Errors
    /// Whatever the statement fails with; the transaction is then aborted.
    pub async fn run(&mut self, stmt: ParsedStatement, last: bool) -> Result<Outcome, SqlError> {
        self.followed = !last;
        let result = self.run_simple(&stmt, last).await;
        self.followed = false;
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

    /// Plans a statement.
    pub(super) fn plan_command(
        &mut self,
        command: &Command,
        declared: &[u32],
    ) -> Result<CachedPlan, SqlError> {
        if self.settings.fast_path()
            && let Some(plan) = self.planner()?.plan_fast(command, declared)?
        {
            return Ok(plan);
        }
        let info = self.session_info()?;
        self.planner()?.plan(command, declared, &info)
    }

    /// Plans a query without parameters.
    pub(super) fn plan_query(
        &mut self,
        query: &sqlparser::ast::Query,
    ) -> Result<PlannedQuery, SqlError> {
        let info = self.session_info()?;
        self.planner()?.query(query, &mut Vec::new(), false, &info)
    }

    fn planner(&self) -> Result<Planner<'_>, SqlError> {
        Ok(Planner {
            engine: &self.engine,
            tenant: self.tenant,
            catalog: self.catalog()?,
            database: &self.database,
            search_path: self.settings.search_path(),
            time_zone: self.settings.time_zone(),
        })
    }

    /// Facts about the session for the functions of a query.
    pub(super) fn session_info(&mut self) -> Result<Arc<SessionInfo>, SqlError> {
        if let Some(info) = &self.info {
            return Ok(info.clone());
        }
        let transaction_us = self.transaction()?.started_us() - POSTGRES_EPOCH_US;
        let info = Arc::new(SessionInfo {
            user: self.user.clone(),
            database: self.database.clone(),
            time_zone: self.settings.time_zone(),
            transaction_us,
            statement_us: self.engine.now_us() - POSTGRES_EPOCH_US,
            backend_pid: self.backend_pid,
            settings: self
                .settings
                .all()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            search_path: self.settings.search_path().to_vec(),
            server_version: super::SERVER_VERSION.to_owned(),
            version: version(),
        });
        self.info = Some(info.clone());
        Ok(info)
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
            if fresh.fields != plan.fields {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "cached plan must not change result type",
                ));
            }
            plan = fresh;
        }
        Err(SqlError::new(
            state::T_R_SERIALIZATION_FAILURE,
            "the tables of this statement keep changing",
        )
        .hint("Retry the transaction."))
    }

    /// Locks the tables that a plan uses; says whether the plan still fits the
    /// catalog now that they are locked.
    async fn lock_tables(&mut self, plan: &CachedPlan) -> Result<bool, SqlError> {
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
            PlanKind::Insert(insert) => {
                self.lock_table(insert.table.desc.oid, LockMode::RowExclusive)
                    .await?;
            }
            PlanKind::Change(change, _) => {
                self.lock_table(change.table.desc.oid, LockMode::RowExclusive)
                    .await?;
            }
        }
        Ok(self.catalog()?.version() == plan.catalog_version)
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

    async fn execute_plan(
        &mut self,
        stmt: &ParsedStatement,
        plan: &CachedPlan,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let fields = with_formats(plan.fields.as_deref(), &execution.result_formats)?;
        match &plan.kind {
            PlanKind::Utility => self.utility(stmt, execution).await,
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
            PlanKind::Insert(insert) => self.insert(insert, fields, execution).await,
            PlanKind::Change(change, tag) => self.change(change, tag, fields, execution).await,
        }
    }

    /// What simple expressions are evaluated with.
    fn values<'v>(&self, execution: &'v Execution, format: &'v SessionFormat) -> Values<'v> {
        let started = self.txn.as_ref().map_or(0, |t| t.started_us());
        Values {
            parameters: &execution.parameters,
            row: &[],
            now_us: started - POSTGRES_EPOCH_US,
            format,
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
        let values = self.values(execution, &format);
        let outputs: Vec<_> = columns
            .iter()
            .zip(&fields)
            .map(|((attnum, _), field)| (usize::from(attnum.saturating_sub(1)), field.output()))
            .collect();
        let mut rows = BytesMut::new();
        plan.run_select(&view, &values, &outputs, &mut rows)?;
        Ok(Outcome::Rows(RowCursor::ready(fields, rows, "SELECT")))
    }

    async fn fast_change(
        &mut self,
        plan: &FastPlan,
        returning: Option<&Returning>,
        tag: &'static str,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.writable(tag)?;
        self.transaction()?;
        let format = self.format();
        let values = self.values(execution, &format);
        let mut rows = BytesMut::new();
        let mut collect = collector(returning, &plan.table, &fields, &format, &mut rows);
        let mut writer = writer(self)?;
        let count = plan.run_change(&mut writer, &values, &mut collect).await?;
        writer.finish()?;
        drop(collect);
        Ok(changed(tag, count, returning.is_some(), fields, rows))
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

    /// What a query started now sees and may use.
    pub(super) fn new_run(&mut self, execution: &Execution) -> Result<Run, SqlError> {
        let session = self.session_info()?;
        let snapshot = self.engine.snapshot();
        Ok(Run {
            view: self.transaction()?.view(snapshot),
            params: execution.parameters.clone(),
            replace: None,
            session,
            cancel: self.cancel.clone(),
            work_mem: self.settings.work_mem(),
        })
    }

    async fn insert(
        &mut self,
        plan: &InsertPlan,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.writable("INSERT")?;
        let run = match plan.source {
            Source::Query(_) => Some(self.new_run(execution)?),
            Source::Values(_) => None,
        };
        self.transaction()?;
        let format = self.format();
        let values = self.values(execution, &format);
        let returning = plan.returning.as_ref();
        let mut rows = BytesMut::new();
        let mut collect = collector(returning, &plan.table, &fields, &format, &mut rows);
        let mut writer = writer(self)?;
        let count = match (&plan.source, run) {
            (Source::Values(lists), _) => {
                plan.run_values(lists, &mut writer, &values, &mut collect)
                    .await?
            }
            (Source::Query(query), Some(run)) => {
                let stream = query.execute(run).await?;
                plan.run_query(query, stream, &mut writer, &values, &mut collect)
                    .await?
            }
            (Source::Query(_), None) => return Err(SqlError::internal("a query without a run")),
        };
        writer.finish()?;
        drop(collect);
        Ok(changed(
            "INSERT 0",
            count,
            returning.is_some(),
            fields,
            rows,
        ))
    }

    async fn change(
        &mut self,
        plan: &ChangePlan,
        tag: &'static str,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.writable(tag)?;
        let run = self.new_run(execution)?;
        let format = self.format();
        let returning = plan.returning.as_ref();
        let mut rows = BytesMut::new();
        let mut collect = collector(returning, &plan.table, &fields, &format, &mut rows);
        let stream = plan.query.execute(run.clone()).await?;
        let mut writer = writer(self)?;
        let count = plan
            .run(stream, &run, &mut writer, &format, &mut collect)
            .await?;
        writer.finish()?;
        drop(collect);
        Ok(changed(tag, count, returning.is_some(), fields, rows))
    }
}

/// A writer for a statement of the session's transaction.
pub(super) fn writer(session: &mut Session) -> Result<StatementWriter<'_>, SqlError> {
    session.transaction()?;
    let lock_timeout = session.settings.lock_timeout();
    let txn = session
        .txn
        .as_mut()
        .ok_or_else(|| SqlError::internal("no transaction"))?;
    Ok(StatementWriter::new(
        &session.engine,
        txn,
        &session.cancel,
        lock_timeout,
    ))
}

/// Collects RETURNING rows.
fn collector<'c>(
    returning: Option<&'c Returning>,
    table: &'c TableInfo,
    fields: &'c [FieldDescription],
    format: &'c SessionFormat,
    rows: &'c mut BytesMut,
) -> impl FnMut(&[Datum]) -> Result<(), SqlError> + Send + 'c {
    let formats: Vec<Format> = fields.iter().map(|f| f.format).collect();
    move |row| match returning {
        Some(returning) => {
            if rows.len() > RETURNING_BYTES_MAX {
                return Err(SqlError::new(
                    state::OUT_OF_MEMORY,
                    "the rows to return take more than 256 MiB",
                )
                .hint("Change fewer rows at a time, or leave RETURNING out."));
            }
            returning.encode(table, row, &formats, format, rows)
        }
        None => Ok(()),
    }
}

/// Encoded RETURNING rows that are kept, in bytes.
const RETURNING_BYTES_MAX: usize = 256 << 20;

fn changed(
    tag: &'static str,
    count: u64,
    returning: bool,
    fields: Vec<FieldDescription>,
    rows: BytesMut,
) -> Outcome {
    if returning {
        Outcome::Rows(RowCursor::ready(fields, rows, tag))
    } else {
        Outcome::Command(format!("{tag} {count}"))
    }
}

/// Result columns with the formats that the client asked for.
///
/// # Errors
/// 08P01 when the number of formats fits neither rule.
pub(super) fn with_formats(
    fields: Option<&[FieldDescription]>,
    formats: &[i16],
) -> Result<Vec<FieldDescription>, SqlError> {
    let mut fields = fields.unwrap_or_default().to_vec();
    if formats.len() > 1 && formats.len() != fields.len() {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!(
                "bind message has {} result formats but query has {} columns",
                formats.len(),
                fields.len()
            ),
        ));
    }
    for (i, field) in fields.iter_mut().enumerate() {
        let format = formats
            .get(i)
            .or_else(|| formats.first().filter(|_| formats.len() == 1));
        field.format = Format::from_code(format.copied().unwrap_or(0))?;
    }
    Ok(fields)
}

/// Reads the parameter values of a Bind message.
///
/// # Errors
/// 08P01 for a wrong count, conversion errors of the values.
pub(super) fn bind_values(
    types: &[PgType],
    bound: &BoundParameters,
    format: &SessionFormat,
) -> Result<Vec<Datum>, SqlError> {
    check_counts(types, bound)?;
    bound
        .values
        .iter()
        .zip(types)
        .enumerate()
        .map(|(i, (value, ty))| {
            let code = bound
                .formats
                .get(i)
                .or_else(|| bound.formats.first().filter(|_| bound.formats.len() == 1));
            read_value(value.as_ref(), *ty, code.copied().unwrap_or(0), format)
        })
        .collect()
}

/// Checks the numbers of values and formats of a Bind message.
pub(super) fn check_counts(types: &[PgType], bound: &BoundParameters) -> Result<(), SqlError> {
    let (values, formats) = (bound.values.len(), bound.formats.len());
    if values != types.len() {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!(
                "bind message supplies {values} parameters, but prepared statement requires {}",
                types.len()
            ),
        ));
    }
    if formats > 1 && formats != values {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!("bind message has {formats} parameter formats but {values} parameters"),
        ));
    }
    Ok(())
}

fn read_value(
    value: Option<&Bytes>,
    ty: PgType,
    code: i16,
    format: &SessionFormat,
) -> Result<Datum, SqlError> {
    let Some(bytes) = value else {
        return Ok(Datum::Null);
    };
    match code {
        0 => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                SqlError::new(
                    state::CHARACTER_NOT_IN_REPERTOIRE,
                    "invalid byte sequence for encoding \"UTF8\" in a parameter",
                )
            })?;
            if text.contains('\0') {
                return Err(SqlError::new(
                    state::CHARACTER_NOT_IN_REPERTOIRE,
                    "invalid byte sequence for encoding \"UTF8\": 0x00",
                ));
            }
            text_in(ty, text, format)
        }
        1 => binary_in(ty, bytes),
        other => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {other}"),
        )),
    }
}

/// What `version()` answers.
pub(crate) fn version() -> String {
    format!(
        "PostgreSQL {} (Kimberlite {}) on {}-{}, 64-bit",
        super::SERVER_VERSION,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}
