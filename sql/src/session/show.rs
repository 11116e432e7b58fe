//! SHOW and EXPLAIN.

use bytes::BytesMut;
use sqlparser::ast::{Ident, Statement};

use super::binding::with_formats;
use super::cursor::RowCursor;
use super::execute::Execution;
use super::fields::FieldDescription;
use super::parse::Command;
use super::plan::PlanKind;
use super::row_locks::LockingPlan;
use super::utility::{text_cells, text_row};
use super::{Outcome, Session};
use crate::error::SqlError;
use crate::exec::with::Main;
use crate::exec::write_plan::WritePlan;
use crate::types::PgType;

/// The setting that `SHOW …` names; `SHOW TIME ZONE` and `SHOW TRANSACTION
/// ISOLATION LEVEL` have names of their own.
fn setting(variable: &[Ident]) -> String {
    let words: Vec<String> = variable
        .iter()
        .map(|i| i.value.to_ascii_lowercase())
        .collect();
    match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        _ => words.join("."),
    }
}

/// A switch as it is shown.
fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// The columns of SHOW.
pub(super) fn fields(variable: &[Ident]) -> Vec<FieldDescription> {
    let column = |name: &str| FieldDescription::new(name.to_owned(), PgType::Text, 0, 0);
    match setting(variable).as_str() {
        "all" => vec![column("name"), column("setting"), column("description")],
        name => vec![column(name)],
    }
}

impl Session {
    pub(super) fn show(
        &mut self,
        variable: &[Ident],
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let mut rows = BytesMut::new();
        let name = setting(variable);
        let mut described = fields(variable);
        if name == "all" {
            for name in self.settings.names() {
                text_cells(&[&name, &self.shown(&name)?, ""], &mut rows)?;
            }
        } else {
            let value = self.shown(&name)?;
            if let Some(field) = described.first_mut()
                && let Ok((proper, _)) = self.settings.show(&name)
            {
                field.name = proper;
            }
            text_row(&value, &mut rows)?;
        }
        let described = with_formats(Some(&described), &execution.result_formats)?;
        Ok(Outcome::Rows(RowCursor::ready(described, rows, "SHOW")))
    }

    fn shown(&self, name: &str) -> Result<String, SqlError> {
        match (name, &self.txn) {
            ("transaction_isolation", _) => Ok(self.modes().0.to_owned()),
            ("transaction_deferrable", _) => Ok(on_off(self.modes().1)),
            ("transaction_read_only", Some(txn)) => Ok(on_off(txn.read_only())),
            ("transaction_read_only", None) => Ok(on_off(self.settings.transaction().read_only)),
            _ => Ok(self.settings.show(name)?.1),
        }
    }

    pub(super) async fn explain(
        &mut self,
        statement: &Statement,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let Statement::Explain {
            analyze,
            statement: inner,
            ..
        } = statement
        else {
            return Err(SqlError::internal("no EXPLAIN"));
        };
        if *analyze {
            return Err(SqlError::unsupported("EXPLAIN ANALYZE"));
        }
        let command = Command::Sql(inner.clone());
        let plan = self.plan_command(&command, &[])?;
        let lines = match &plan.kind {
            PlanKind::Fast(fast) => vec![format!("Key lookup on {}", fast.table.desc.name)],
            PlanKind::Query(query) => query.explain()?,
            PlanKind::Locking(locking) => explain_locking(locking)?,
            PlanKind::Write(write) | PlanKind::CurrentOf(write, _) => explain_write(write)?,
            PlanKind::With(with) => {
                let mut lines = Vec::new();
                for locking in with.locking_plans() {
                    lines.extend(explain_locking(locking)?);
                }
                for write in with.write_plans() {
                    lines.extend(explain_write(write)?);
                }
                if let Main::Query(query) = &with.main {
                    lines.extend(query.explain()?);
                }
                lines
            }
            PlanKind::Utility => return Err(SqlError::unsupported(format!("EXPLAIN {inner}"))),
        };
        let mut rows = BytesMut::new();
        for line in lines {
            text_row(&line, &mut rows)?;
        }
        let described = super::utility::fields(&Command::Sql(Box::new(statement.clone())));
        let described = with_formats(described.as_deref(), &execution.result_formats)?;
        Ok(Outcome::Rows(RowCursor::ready(described, rows, "EXPLAIN")))
    }
}

/// What EXPLAIN says about a query that locks rows.
fn explain_locking(locking: &LockingPlan) -> Result<Vec<String>, SqlError> {
    let below = locking.query.explain()?.into_iter();
    let lines = std::iter::once("LockRows".to_owned());
    Ok(lines.chain(below.map(|l| format!("  {l}"))).collect())
}

/// What EXPLAIN says about a change of rows.
fn explain_write(write: &WritePlan) -> Result<Vec<String>, SqlError> {
    let mut verb = write.verb().to_ascii_lowercase();
    if let Some(first) = verb.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let head = format!("{verb} on {}", write.table().desc.name);
    let below = match write.query() {
        Some(query) => query.explain()?,
        None => Vec::new(),
    };
    let below = below.into_iter().map(|line| format!("  {line}"));
    Ok(std::iter::once(head).chain(below).collect())
}
