//! INSERT, UPDATE and DELETE of a session.

use bytes::BytesMut;

use super::cursor::RowCursor;
use super::execute::Execution;
use super::fields::FieldDescription;
use super::{Outcome, Session};
use crate::error::{SqlError, state};
use crate::exec::change::ChangePlan;
use crate::exec::fast::FastPlan;
use crate::exec::insert::{InsertPlan, Source};
use crate::exec::returning::Returning;
use crate::exec::table::TableInfo;
use crate::exec::write::StatementWriter;
use crate::types::{Datum, Format, SessionFormat};

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
        let mut rows = BytesMut::new();
        let mut collect = collector(returning, &plan.table, &fields, &format, &mut rows);
        let mut writer = writer(self)?;
        let count = plan.run_change(&mut writer, &values, &mut collect).await?;
        writer.finish()?;
        drop(collect);
        Ok(changed(tag, count, returning.is_some(), fields, rows))
    }

    pub(super) async fn insert(
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
