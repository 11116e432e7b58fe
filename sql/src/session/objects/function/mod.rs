//! Commands about functions.

mod create;
mod manage;

use sqlparser::ast::{DataType, Expr, Ident, ObjectName};

use super::super::Session;
use crate::catalog::{FunctionBody, FunctionVolatility, ParameterMode};
use crate::error::SqlError;

/// A command about functions.
#[derive(Debug, Clone)]
pub(crate) enum FunctionCommand {
    /// CREATE FUNCTION.
    Create(Box<CreateFunction>),
    /// ALTER FUNCTION.
    Alter(Box<(FunctionName, FunctionChange)>),
    /// DROP FUNCTION.
    Drop {
        names: Vec<FunctionName>,
        if_exists: bool,
        cascade: bool,
    },
}

/// CREATE FUNCTION as it is written.
#[derive(Debug, Clone)]
pub(crate) struct CreateFunction {
    pub(super) or_replace: bool,
    pub(super) name: ObjectName,
    pub(super) parameters: Vec<WrittenParameter>,
    pub(super) returns: Option<Returns>,
    pub(super) language: Option<String>,
    pub(super) body: Option<FunctionBody>,
    pub(super) options: Vec<FunctionOption>,
}

/// A parameter as it is written.
#[derive(Debug, Clone)]
pub(crate) struct WrittenParameter {
    pub(super) name: Option<Ident>,
    pub(super) mode: ParameterMode,
    pub(super) data_type: DataType,
    pub(super) default: Option<Expr>,
}

/// What RETURNS says.
#[derive(Debug, Clone)]
pub(crate) enum Returns {
    /// A type, or a set of it.
    Type(DataType, bool),
    /// TABLE: names and types of the columns.
    Table(Vec<(Ident, DataType)>),
}

/// What else is said about a function.
#[derive(Debug, Clone)]
pub(crate) enum FunctionOption {
    Volatility(FunctionVolatility),
    Strict(bool),
    Leakproof(bool),
    Invoker,
    Parallel(String),
    Cost(String),
    Rows(String),
}

/// A function as it is named: with the types of its arguments, or without.
#[derive(Debug, Clone)]
pub(crate) struct FunctionName {
    pub(super) name: ObjectName,
    pub(super) arguments: Option<Vec<WrittenParameter>>,
}

/// What ALTER FUNCTION changes.
#[derive(Debug, Clone)]
pub(crate) enum FunctionChange {
    /// RENAME TO.
    Rename(Ident),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// OWNER TO.
    Owner(Ident),
    /// Anything that CREATE FUNCTION may say too.
    Options(Vec<FunctionOption>),
}

impl Session {
    pub(super) async fn function_command(
        &mut self,
        command: &FunctionCommand,
    ) -> Result<String, SqlError> {
        match command {
            FunctionCommand::Create(create) => self.create_function(create).await,
            FunctionCommand::Alter(alter) => self.alter_function(&alter.0, &alter.1).await,
            FunctionCommand::Drop {
                names,
                if_exists,
                cascade,
            } => self.drop_functions(names, *if_exists, *cascade).await,
        }
    }
}
