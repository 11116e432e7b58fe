//! Statements that are interpreted from their AST: transaction control, SET and
//! SHOW, PREPARE and EXECUTE, EXPLAIN, COPY, DDL.

use bytes::BytesMut;
use sqlparser::ast::{DiscardObject, ObjectName, Reset, Statement};

use super::execute::Execution;
use super::fields::FieldDescription;
use super::parse::{Command, ParsedStatement};
use super::{Outcome, Session};
use crate::error::SqlError;
use crate::types::wire_encode::encode_row_from_datums;
use crate::types::{Datum, Format, OutputColumn, PgType, SessionFormat};

/// Whether a statement may run in a failed transaction, because it ends it or
/// goes back in it.
pub(super) fn ends_transaction(command: &Command) -> bool {
    match command {
        Command::Abort => true,
        Command::Sql(statement) => matches!(
            statement.as_ref(),
            Statement::Commit { .. } | Statement::Rollback { .. }
        ),
        _ => false,
    }
}

/// The result columns of a utility statement, known without running it.
pub(super) fn fields(command: &Command) -> Option<Vec<FieldDescription>> {
    let Command::Sql(statement) = command else {
        return None;
    };
    match statement.as_ref() {
        Statement::ShowVariable { variable } => Some(super::show::fields(variable)),
        Statement::Explain { .. } => Some(vec![FieldDescription::new(
            "QUERY PLAN".to_owned(),
            PgType::Text,
            0,
            0,
        )]),
        _ => None,
    }
}

impl Session {
    pub(super) async fn utility(
        &mut self,
        stmt: &ParsedStatement,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let tag = match &stmt.command {
            Command::Abort => self.rollback(false)?,
            Command::Maintenance(command) => self.maintenance(command)?,
            Command::Object(command) => self.object_command(command).await?,
            Command::Set(set) => self.set_parameter(set)?,
            Command::Channel(command) => self.channel_command(command)?.to_owned(),
            Command::Cursor(command) => {
                return self.cursor_command(command, execution).await;
            }
            Command::CurrentOf(..) => return Err(SqlError::internal("a change that is no plan")),
            Command::SetConstraints(names, deferred) => {
                self.set_constraints(names, *deferred).await?
            }
            Command::Deferrable(statement, deferrable) => {
                return self
                    .with_deferrable(statement, *deferrable, execution)
                    .await;
            }
            Command::SetTableSchema(name, if_exists, schema) => {
                self.set_table_schema(name, *if_exists, schema).await?
            }
            Command::AlterFamily(alter) => self.alter_family(alter).await?,
            Command::Authorization(wanted) => self.authorize(wanted)?,
            Command::AlterConstraint(wanted) => self.alter_constraint(wanted).await?,
            Command::Absent(absent) => {
                let (tag, notice) = absent.answer()?;
                self.notice(notice);
                tag
            }
            Command::Unsupported(name) => return Err(SqlError::unsupported(name)),
            Command::Sql(statement) => return self.utility_sql(statement, execution).await,
        };
        Ok(Outcome::Command(tag))
    }

    pub(super) async fn utility_sql(
        &mut self,
        statement: &Statement,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let tag = match statement {
            Statement::StartTransaction {
                modes,
                begin,
                modifier: None,
                statements,
                ..
            } if statements.is_empty() => {
                let tag = self.begin(modes)?;
                if *begin {
                    tag
                } else {
                    "START TRANSACTION".to_owned()
                }
            }
            Statement::Commit {
                chain,
                modifier: None,
                ..
            } => self.commit(*chain).await?,
            Statement::Rollback {
                chain,
                savepoint: None,
            } => self.rollback(*chain)?,
            Statement::Rollback {
                savepoint: Some(name),
                ..
            } => self.rollback_to(name)?,
            Statement::Savepoint { name } => self.savepoint(name)?,
            Statement::ReleaseSavepoint { name } => self.release(name)?,
            Statement::Set(set) => self.set(set)?,
            Statement::Reset(reset) => self.reset(&reset.reset)?,
            Statement::ShowVariable { variable } => return self.show(variable, execution),
            Statement::Discard { object_type } => self.discard(object_type).await?,
            Statement::Prepare {
                name,
                data_types,
                statement,
            } => self.sql_prepare(name, data_types, statement, &execution.source)?,
            Statement::Execute {
                name: Some(name),
                parameters,
                ..
            } => {
                return self.sql_execute(name, parameters, execution).await;
            }
            Statement::Deallocate { name, .. } => self.deallocate(name)?,
            Statement::Explain { .. } => return self.explain(statement, execution).await,
            Statement::Lock(lock) => self.lock_statement(lock).await?,
            Statement::Copy { .. } => return self.copy(statement).await,
            other => self.ddl(other).await?,
        };
        Ok(Outcome::Command(tag))
    }

    fn reset(&mut self, reset: &Reset) -> Result<String, SqlError> {
        self.remember_settings();
        match reset {
            Reset::ALL => self.settings_mut().reset_all(),
            Reset::ConfigurationParameter(name) => {
                self.settings_mut().reset(&setting_name(name))?;
            }
        }
        Ok("RESET".to_owned())
    }

    async fn discard(&mut self, object: &DiscardObject) -> Result<String, SqlError> {
        match object {
            DiscardObject::ALL => {
                self.not_in_block("DISCARD ALL")?;
                self.cursors.clear();
                self.unlisten_all();
                self.link().advisory_unlock_all();
                self.forget_statements();
                self.settings_mut().reset_all();
                self.sequences.discard();
                self.discard_temporary().await?;
            }
            DiscardObject::PLANS => {}
            DiscardObject::SEQUENCES => self.sequences.discard(),
            DiscardObject::TEMP => self.discard_temporary().await?,
        }
        Ok(format!("DISCARD {object}"))
    }
}

fn setting_name(name: &ObjectName) -> String {
    name.0
        .iter()
        .filter_map(|part| part.as_ident().map(|i| i.value.clone()))
        .collect::<Vec<_>>()
        .join(".")
}

/// A row of text columns.
pub(super) fn text_cells(cells: &[&str], out: &mut BytesMut) -> Result<(), SqlError> {
    let column = OutputColumn {
        pg_type: PgType::Text,
        format: Format::Text,
    };
    let values: Vec<Datum> = cells.iter().map(|cell| Datum::text(*cell)).collect();
    let columns = vec![column; cells.len()];
    encode_row_from_datums(&values, &columns, &SessionFormat::default(), out)
}

/// A row of one text column.
pub(super) fn text_row(text: &str, out: &mut BytesMut) -> Result<(), SqlError> {
    text_cells(&[text], out)
}
