//! INSERT, UPDATE and DELETE of a session.

use bytes::BytesMut;

use super::cursor::RowCursor;
use super::execute::Execution;
use super::fields::FieldDescription;
use super::{Outcome, Session};
use crate::error::SqlError;
use crate::exec::change::ChangePlan;
use crate::exec::fast::FastPlan;
use crate::exec::insert::InsertPlan;
use crate::exec::returned::Returned;
use crate::exec::returning::Returning;
use crate::exec::rules::Writing;
use crate::exec::write::StatementWriter;

impl Session {
    pub(super) async fn fast_change(
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
        let mut returned = Returned::new(returning, &fields, &format, None)?;
        let mut writer = writer(self)?;
        let count = plan.run_change(&mut writer, &values, &mut returned).await?;
        writer.finish().await?;
        let rows = returned.finish().await?;
        Ok(changed(tag, count, returning.is_some(), fields, rows))
    }

    pub(super) async fn insert(
        &mut self,
        plan: &InsertPlan,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.writable("INSERT")?;
        let run = match plan.needs_run() {
            true => Some(self.new_run(execution)?),
            false => None,
        };
        self.transaction()?;
        let format = self.format();
        let values = self.values(execution, &format);
        let returning = plan.returning.as_ref();
        let mut returned = Returned::new(returning, &fields, &format, run.as_ref())?;
        let mut writer = writer(self)?;
        let count = plan
            .run(&mut writer, &values, run.as_ref(), &mut returned)
            .await?;
        writer.finish().await?;
        let rows = returned.finish().await?;
        Ok(changed(
            "INSERT 0",
            count,
            returning.is_some(),
            fields,
            rows,
        ))
    }

    pub(super) async fn change(
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
        let mut returned = Returned::new(returning, &fields, &format, Some(&run))?;
        let mut writer = writer(self)?;
        let count = plan.run(&run, &mut writer, &format, &mut returned).await?;
        writer.finish().await?;
        let rows = returned.finish().await?;
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
        Writing {
            user: &session.user,
            database: &session.database,
            settings: &session.settings,
            backend_pid: session.backend_pid,
            info: session.info.clone(),
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
