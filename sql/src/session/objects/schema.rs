//! CREATE SCHEMA with what is to be in it, and ALTER SCHEMA.

use sqlparser::ast::{Ident, ObjectName, Statement};

use super::super::execute::Execution;
use super::super::parse::{Command, ParsedStatement};
use super::super::{Outcome, Session};
use super::ObjectCommand;
use crate::catalog::{
    CatalogChange, CatalogEntry, QualifiedName, SYSTEM_SCHEMAS, SchemaDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::txn::Layer;

/// CREATE SCHEMA as it is written.
#[derive(Debug, Clone)]
pub(crate) struct CreateSchema {
    /// None: it is called as its owner.
    pub(super) name: Option<Ident>,
    pub(super) owner: Option<Ident>,
    pub(super) if_not_exists: bool,
    pub(super) elements: Vec<ParsedStatement>,
}

/// What ALTER SCHEMA changes.
#[derive(Debug, Clone)]
pub(crate) enum SchemaChange {
    /// RENAME TO.
    Rename(Ident),
    /// OWNER TO.
    Owner(Ident),
}

/// In which order elements are made: what others need comes first.
fn pass(command: &Command) -> u8 {
    match command {
        Command::Object(object) => match object.as_ref() {
            ObjectCommand::CreateSequence(_) => 0,
            ObjectCommand::CreateView(_) => 2,
            _ => 1,
        },
        Command::Sql(statement) => match statement.as_ref() {
            Statement::CreateIndex(_) => 3,
            _ => 1,
        },
        _ => 4,
    }
}

/// The name that an element gives to what it makes.
///
/// # Errors
/// 0A000 for what a schema cannot be made with.
fn made(command: &Command) -> Result<&ObjectName, SqlError> {
    let refused = |what: &str| SqlError::unsupported(format!("CREATE SCHEMA with {what} in it"));
    match command {
        Command::Object(object) => match object.as_ref() {
            ObjectCommand::CreateSequence(create) => Ok(&create.name),
            ObjectCommand::CreateView(create) => Ok(&create.name),
            _ => Err(refused("such a statement")),
        },
        Command::Sql(statement) => match statement.as_ref() {
            Statement::CreateTable(create) => Ok(&create.name),
            Statement::CreateIndex(create) => Ok(&create.table_name),
            other => Err(refused(&other.to_string())),
        },
        _ => Err(refused("such a statement")),
    }
}

fn refuse_system_name(name: &str) -> Result<(), SqlError> {
    if name.starts_with("pg_") {
        return Err(SqlError::new(
            state::RESERVED_NAME,
            format!("unacceptable schema name \"{name}\""),
        )
        .detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    Ok(())
}

fn duplicate(name: &str) -> SqlError {
    SqlError::new(
        state::DUPLICATE_SCHEMA,
        format!("schema \"{name}\" already exists"),
    )
}

impl Session {
    pub(super) async fn create_schema(
        &mut self,
        create: &CreateSchema,
    ) -> Result<String, SqlError> {
        let tag = "CREATE SCHEMA".to_owned();
        if create.if_not_exists && !create.elements.is_empty() {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "CREATE SCHEMA IF NOT EXISTS cannot include schema elements",
            ));
        }
        let mut catalog = self.catalog_to_change("CREATE SCHEMA").await?;
        let owner = match &create.owner {
            None => self.user.clone(),
            Some(role) => self.role_named(role, &catalog)?,
        };
        let name = create.name.as_ref().map_or(owner.clone(), fold_identifier);
        refuse_system_name(&name)?;
        let system = SYSTEM_SCHEMAS.iter().any(|(s, _)| *s == name);
        if system || catalog.schema(&name).is_some() {
            if create.if_not_exists {
                self.skipping(state::DUPLICATE_SCHEMA, &format!("schema \"{name}\""));
                return Ok(tag);
            }
            return Err(duplicate(&name));
        }
        let mut elements: Vec<&ParsedStatement> = create.elements.iter().collect();
        for element in &elements {
            let made = QualifiedName::from_ast(made(&element.command)?, &self.database)?;
            if let Some(other) = made.schema.filter(|other| *other != name) {
                return Err(SqlError::new(
                    state::INVALID_SCHEMA_DEFINITION,
                    format!(
                        "CREATE specifies a schema ({other}) different from the one being created ({name})"
                    ),
                ));
            }
        }
        elements.sort_by_key(|element| pass(&element.command));
        let schema = SchemaDescriptor {
            oid: catalog.allocate_oid(),
            name: name.clone(),
            owner,
        };
        let change = CatalogChange::Put(CatalogEntry::Schema(schema));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        if !elements.is_empty() {
            let before = self.settings_mut().look_first_in(&name);
            self.info = None;
            let made = self.make_elements(&elements).await;
            self.settings_mut().look_again_in(before);
            self.info = None;
            made?;
        }
        Ok(tag)
    }

    async fn make_elements(&mut self, elements: &[&ParsedStatement]) -> Result<(), SqlError> {
        let execution = Execution::default();
        for element in elements {
            match Box::pin(self.utility(element, &execution)).await? {
                Outcome::Command(_) => {}
                _ => return Err(SqlError::internal("an element of a schema with a result")),
            }
        }
        Ok(())
    }

    fn role_named(
        &self,
        role: &Ident,
        catalog: &crate::catalog::Catalog,
    ) -> Result<String, SqlError> {
        let word = role.value.to_ascii_lowercase();
        let own = matches!(
            word.as_str(),
            "current_user" | "session_user" | "current_role"
        );
        if own && role.quote_style.is_none() {
            return Ok(self.user.clone());
        }
        super::alter_view::known_role(catalog, role)
    }

    pub(super) async fn alter_schema(
        &mut self,
        name: &Ident,
        change: &SchemaChange,
    ) -> Result<String, SqlError> {
        let catalog = self.catalog_to_change("ALTER SCHEMA").await?;
        let name = fold_identifier(name);
        let Some(schema) = catalog.schema(&name) else {
            return Err(SqlError::new(
                state::INVALID_SCHEMA_NAME,
                format!("schema \"{name}\" does not exist"),
            ));
        };
        let mut schema = schema.as_ref().clone();
        match change {
            SchemaChange::Rename(to) => {
                let to = fold_identifier(to);
                if catalog.schema(&to).is_some() || SYSTEM_SCHEMAS.iter().any(|(s, _)| *s == to) {
                    return Err(duplicate(&to));
                }
                refuse_system_name(&to)?;
                schema.name = to;
            }
            SchemaChange::Owner(role) => schema.owner = self.role_named(role, &catalog)?,
        }
        let change = CatalogChange::Put(CatalogEntry::Schema(schema));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("ALTER SCHEMA".to_owned())
    }
}
