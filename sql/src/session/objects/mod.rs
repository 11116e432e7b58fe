//! Commands about catalog objects other than tables: views and what else has a
//! grammar here that sqlparser lacks or reads incompletely.

mod alter_view;
mod comment;
mod create_as;
mod create_view;
mod drop;
mod function;
mod materialized;
mod parse;
mod schema;
mod sequence;
mod sequence_options;
mod temporary;
mod user_type;

use sqlparser::ast::{Ident, ObjectName, Query};

use super::Session;
use crate::catalog::CheckOption;
use crate::error::{SqlError, state};
use crate::query::PlannedQuery;
use comment::Comment;
use create_as::CreateTableAs;
use function::FunctionCommand;
use materialized::Refresh;
use schema::{CreateSchema, SchemaChange};
use sequence::CreateSequence;
pub(super) use sequence::SequenceChange;
use user_type::TypeCommand;

pub(super) use create_as::select_into;
pub(super) use drop::DroppedKind;
pub(super) use materialized::check_alteration;
pub(super) use parse::{ColumnChange, column_change, parse};
pub(super) use sequence::new_state;
pub(crate) use sequence_options::{SequenceOption, resolve as resolve_sequence};
pub(crate) use temporary::TEMPORARY;

/// A command about an object.
#[derive(Debug, Clone)]
pub(crate) enum ObjectCommand {
    /// CREATE VIEW.
    CreateView(CreateView),
    /// ALTER VIEW.
    AlterView {
        name: ObjectName,
        if_exists: bool,
        change: ViewChange,
    },
    /// REFRESH MATERIALIZED VIEW.
    Refresh(Refresh),
    /// ALTER MATERIALIZED VIEW, as an ALTER TABLE.
    AlterMaterialized(Box<super::parse::ParsedStatement>),
    /// COMMENT ON.
    Comment(Comment),
    /// CREATE SCHEMA.
    CreateSchema(CreateSchema),
    /// ALTER SCHEMA.
    AlterSchema { name: Ident, change: SchemaChange },
    /// CREATE TABLE AS, or SELECT INTO.
    CreateTableAs(CreateTableAs),
    /// CREATE SEQUENCE.
    CreateSequence(CreateSequence),
    /// ALTER SEQUENCE.
    AlterSequence {
        name: ObjectName,
        if_exists: bool,
        change: SequenceChange,
    },
    /// CREATE, ALTER and DROP FUNCTION.
    Function(FunctionCommand),
    /// CREATE, ALTER and DROP of types and domains.
    Type(TypeCommand),
}

/// CREATE VIEW as it is written.
#[derive(Debug, Clone)]
pub(crate) struct CreateView {
    pub(super) or_replace: bool,
    pub(super) temporary: bool,
    pub(super) name: ObjectName,
    pub(super) columns: Vec<Ident>,
    pub(super) query: Box<Query>,
    /// The text of the query.
    pub(super) text: String,
    pub(super) check: Option<CheckOption>,
}

/// What ALTER VIEW changes.
#[derive(Debug, Clone)]
pub(crate) enum ViewChange {
    /// RENAME TO.
    Rename(Ident),
    /// RENAME COLUMN.
    RenameColumn(Ident, Ident),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// OWNER TO.
    Owner(Ident),
    /// ALTER COLUMN … SET DEFAULT, or DROP DEFAULT.
    Default(Ident, Option<Box<sqlparser::ast::Expr>>),
}

impl Session {
    /// Plans a query that becomes part of an object: one without parameters and row
    /// locks. `place` says in what, for the error.
    ///
    /// # Errors
    /// What planning reports, 42P02, 0A000.
    fn plan_stored_query(&mut self, query: &Query, place: &str) -> Result<PlannedQuery, SqlError> {
        let planned = self.plan_query(query)?;
        if !planned.parameter_types().is_empty() {
            return Err(SqlError::new(
                state::UNDEFINED_PARAMETER,
                "there is no parameter $1",
            ));
        }
        match planned.lock_clauses().first() {
            Some(lock) => Err(SqlError::unsupported(format!(
                "{} in {place}",
                super::lock_clause_name(lock)
            ))),
            None => Ok(planned),
        }
    }

    /// Carries out a command about an object; the command tag.
    pub(super) async fn object_command(
        &mut self,
        command: &ObjectCommand,
    ) -> Result<String, SqlError> {
        match command {
            ObjectCommand::CreateView(create) => self.create_view(create).await,
            ObjectCommand::AlterView {
                name,
                if_exists,
                change,
            } => self.alter_view(name, *if_exists, change).await,
            ObjectCommand::Refresh(refresh) => self.refresh(refresh).await,
            ObjectCommand::AlterMaterialized(statement) => self.alter_materialized(statement).await,
            ObjectCommand::Comment(comment) => self.comment(comment).await,
            ObjectCommand::CreateSchema(create) => self.create_schema(create).await,
            ObjectCommand::AlterSchema { name, change } => self.alter_schema(name, change).await,
            ObjectCommand::CreateTableAs(create) => self.create_table_as(create).await,
            ObjectCommand::CreateSequence(create) => self.create_sequence(create).await,
            ObjectCommand::AlterSequence {
                name,
                if_exists,
                change,
            } => self.alter_sequence(name, *if_exists, change).await,
            ObjectCommand::Function(command) => self.function_command(command).await,
            ObjectCommand::Type(command) => self.type_command(command).await,
        }
    }
}
