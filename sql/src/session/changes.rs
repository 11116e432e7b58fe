//! INSERT, UPDATE and DELETE of a session.

use bytes::BytesMut;

use super::cursor::RowCursor;
use super::execute::Execution;
use super::fields::FieldDescription;
use super::locked_rows::LockedRows;
use super::{Outcome, Session};
use crate::error::SqlError;
use crate::exec::expr::Values;
use crate::exec::fast::FastPlan;
use crate::exec::returned::Returned;
use crate::exec::returning::Returning;
use crate::exec::rules::Writing;
use crate::exec::table::TableInfo;
use crate::exec::with::{Main, Step, WithPlan, Work};
use crate::exec::write::StatementWriter;
use crate::exec::write_plan::WritePlan;
use crate::query::{RowOverride, Run};

impl Session {
    pub(super) async fn fast_change(
        &mut self,
        plan: &FastPlan,
        returning: Option<&Returning>,
        tag: &'static str,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.may_change(&plan.table, tag)?;
        self.transaction()?;
        let format = self.format();
        let sequences = self.sequence_source()?;
        let values = self.values(execution, &format, &sequences);
        let mut returned = Returned::new(returning, &fields, &format, None)?;
        let mut writer = writer(self)?;
        let count = plan.run_change(&mut writer, &values, &mut returned).await?;
        writer.finish().await?;
        let rows = returned.finish().await?;
        Ok(changed(tag, count, returning.is_some(), fields, rows))
    }

    pub(super) async fn write(
        &mut self,
        plan: &WritePlan,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.may_change(plan.table(), plan.verb())?;
        self.write_rows(plan, None, fields, execution).await
    }

    /// Refuses a change in a transaction that only reads; temporary tables may be
    /// changed there too.
    pub(super) fn may_change(&mut self, table: &TableInfo, what: &str) -> Result<(), SqlError> {
        let catalog = self.catalog()?;
        let own = self.settings.temporary_schema();
        let own = own.and_then(|name| catalog.schema(name));
        if own.is_some_and(|schema| schema.oid == table.desc.schema) {
            return Ok(());
        }
        self.writable(what)
    }

    /// Carries a change out, on `rows` of its table if they are given.
    pub(super) async fn write_rows(
        &mut self,
        plan: &WritePlan,
        rows: Option<RowOverride>,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let mut run = match plan.needs_run() {
            true => Some(self.new_run(execution)?),
            false => None,
        };
        if let Some(run) = &mut run {
            run.replace = rows;
        }
        self.transaction()?;
        let format = self.format();
        let sequences = self.sequence_source()?;
        let values = self.values(execution, &format, &sequences);
        let returning = plan.returning();
        let mut returned = Returned::new(returning, &fields, &format, run.as_ref())?;
        let mut writer = writer(self)?;
        let count = plan
            .run(&mut writer, &values, run.as_ref(), &mut returned)
            .await?;
        writer.finish().await?;
        let rows = returned.finish().await?;
        Ok(changed(
            plan.tag(),
            count,
            returning.is_some(),
            fields,
            rows,
        ))
    }

    /// Carries out a statement with parts that write: all on one snapshot, all in one
    /// layer.
    pub(super) async fn with_writes(
        &mut self,
        plan: &WithPlan,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        for write in plan.write_plans() {
            self.may_change(write.table(), write.verb())?;
        }
        for locking in plan.locking_plans() {
            self.may_lock_rows(locking)?;
        }
        let mut run = self.new_run(execution)?;
        let format = self.format();
        let sequences = self.sequence_source()?;
        let values = self.values(execution, &format, &sequences);
        let mut writer = writer(self)?;
        for step in &plan.before {
            step.carry_out(&mut writer, &values, &mut run).await?;
        }
        let mut main = None;
        if let Main::Write(write) = &plan.main {
            let run = run.clone();
            let mut returned = Returned::new(plan.returning(), &fields, &format, Some(&run))?;
            let count = write
                .run(&mut writer, &values, Some(&run), &mut returned)
                .await?;
            main = Some((write.tag(), count, returned.finish().await?));
        }
        for step in &plan.after {
            step.carry_out(&mut writer, &values, &mut run).await?;
        }
        writer.finish().await?;
        match (&plan.main, main) {
            (Main::Locking(locking), _) => {
                self.start_locking(locking, run, fields, execution).await
            }
            (Main::Query(query), _) => {
                let stream = query.execute(run).await?;
                let cursor = RowCursor::stream(fields, stream, self.format());
                Ok(Outcome::Rows(cursor))
            }
            (Main::Write(_), Some((tag, count, rows))) => {
                let returning = plan.returning().is_some();
                Ok(changed(tag, count, returning, fields, rows))
            }
            (Main::Write(_), None) => Err(SqlError::internal("nothing was carried out")),
        }
    }
}

impl Step {
    /// Carries a part out, and binds what it returns to `run`.
    async fn carry_out(
        &self,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        run: &mut Run,
    ) -> Result<(), SqlError> {
        let now = run.clone();
        let rows = match &self.work {
            Work::Write(plan) => {
                let mut returned = Returned::kept(plan.returning(), values.format, &now)?;
                plan.run(writer, values, Some(&now), &mut returned).await?;
                returned.finish_kept().await?
            }
            Work::Lock(plan) => {
                let window = plan.window(values)?;
                let mut rows = LockedRows::start(plan.clone(), now, window).await?;
                rows.all(writer).await?
            }
        };
        if let Some(result) = &self.result {
            let mut bound = run.bound.as_ref().clone();
            bound.push((result.name().to_owned(), result.batch(&rows)?));
            run.bound = std::sync::Arc::new(bound);
        }
        Ok(())
    }
}

/// A writer for a statement of the session's transaction.
pub(super) fn writer(session: &mut Session) -> Result<StatementWriter<'_>, SqlError> {
    session.transaction()?;
    let patience = session.settings.patience();
    let link = session.link();
    let read_only = session.txn.as_ref().is_some_and(|txn| txn.read_only());
    let modes = session.modes();
    let txn = session
        .txn
        .as_mut()
        .ok_or_else(|| SqlError::internal("no transaction"))?;
    Ok(StatementWriter::new(
        &session.engine,
        txn,
        &session.cancel,
        patience,
        Writing {
            user: &session.user,
            database: &session.database,
            settings: &session.settings,
            modes,
            backend_pid: session.backend_pid,
            link: Some(link),
            info: session.info.clone(),
            read_only,
            sequences: &session.sequences,
        },
    ))
}

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
