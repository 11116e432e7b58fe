//! Commands about catalog objects other than tables: views and what else has a
//! grammar here that sqlparser lacks or reads incompletely.

mod alter_view;
mod create_view;
mod drop;
mod parse;

use sqlparser::ast::{Ident, ObjectName, Query};

use super::Session;
use crate::catalog::CheckOption;
use crate::error::SqlError;

pub(super) use drop::DroppedKind;
pub(super) use parse::parse;

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
}

impl Session {
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
        }
    }
}
