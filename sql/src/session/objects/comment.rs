//! COMMENT ON.

use sqlparser::ast::{Ident, ObjectName};

use super::super::Session;
use crate::catalog::{
    Catalog, Commented, PG_AUTHID, PG_CLASS, PG_CONSTRAINT, PG_DATABASE, PG_NAMESPACE,
    QualifiedName, RelationEntry, SYSTEM_SCHEMAS, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::txn::Layer;

/// COMMENT ON as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(super) on: CommentOn,
    pub(super) text: Option<String>,
}

/// What a comment is about.
#[derive(Debug, Clone)]
pub(crate) enum CommentOn {
    Relation(RelationKind, ObjectName),
    /// A column, its name last.
    Column(ObjectName),
    /// A constraint of a table.
    Constraint(Ident, ObjectName),
    Schema(Ident),
    Database(Ident),
    Role(Ident),
}

/// Which sort of relation a statement says it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelationKind {
    Table,
    View,
    MaterializedView,
    Index,
    Sequence,
}

impl RelationKind {
    fn with_article(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::View => "a view",
            Self::MaterializedView => "a materialized view",
            Self::Index => "an index",
            Self::Sequence => "a sequence",
        }
    }

    fn is(self, entry: RelationEntry<'_>) -> bool {
        match entry {
            RelationEntry::Table(table) => match self {
                Self::Table => table.materialized.is_none(),
                Self::MaterializedView => table.materialized.is_some(),
                _ => false,
            },
            RelationEntry::View(_) => self == Self::View,
            RelationEntry::Sequence(_) => self == Self::Sequence,
            RelationEntry::Index(_) => self == Self::Index,
        }
    }
}

fn undefined(message: String) -> SqlError {
    SqlError::new(state::UNDEFINED_OBJECT, message)
}

impl Session {
    pub(super) async fn comment(&mut self, comment: &Comment) -> Result<String, SqlError> {
        let tag = "COMMENT".to_owned();
        let mut catalog = self.catalog_to_change("COMMENT").await?;
        let about = self.commented(&comment.on, &catalog)?;
        // An empty comment is none.
        let text = comment.text.as_deref().filter(|text| !text.is_empty());
        let changes = catalog.commented(about, text);
        self.change_catalog(catalog, changes, Layer::default())?;
        Ok(tag)
    }

    /// Finds what a comment is about.
    fn commented(&self, on: &CommentOn, catalog: &Catalog) -> Result<Commented, SqlError> {
        match on {
            CommentOn::Relation(kind, name) => {
                let name = QualifiedName::from_ast(name, &self.database)?;
                let found = self.relation_entry(&name, catalog)?;
                if !kind.is(found) {
                    return Err(SqlError::new(
                        state::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is not {}", name.name, kind.with_article()),
                    ));
                }
                Ok((PG_CLASS, found.oid(), 0))
            }
            CommentOn::Column(path) => self.commented_column(path, catalog),
            CommentOn::Constraint(constraint, table) => {
                let name = QualifiedName::from_ast(table, &self.database)?;
                let table = catalog.table(&name, self.settings.search_path())?;
                let constraint = fold_identifier(constraint);
                let oid = table.constraint_oid(&constraint).ok_or_else(|| {
                    undefined(format!(
                        "constraint \"{constraint}\" for table \"{}\" does not exist",
                        table.name
                    ))
                })?;
                Ok((PG_CONSTRAINT, oid, 0))
            }
            CommentOn::Schema(name) => {
                let name = fold_identifier(name);
                let system = SYSTEM_SCHEMAS.iter().find(|(s, _)| *s == name);
                let oid = catalog.schema(&name).map(|s| s.oid);
                let oid = oid.or(system.map(|(_, oid)| *oid)).ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_SCHEMA_NAME,
                        format!("schema \"{name}\" does not exist"),
                    )
                })?;
                Ok((PG_NAMESPACE, oid, 0))
            }
            CommentOn::Database(name) => {
                let name = fold_identifier(name);
                if name == self.database {
                    return Ok((PG_DATABASE, crate::pg_catalog::OWN_DATABASE, 0));
                }
                match self.engine.tenant(&name) {
                    Ok(_) => Err(SqlError::unsupported("COMMENT ON another DATABASE")),
                    Err(error) => Err(error),
                }
            }
            CommentOn::Role(name) => {
                let name = fold_identifier(name);
                match catalog.role(&name) {
                    Some(role) => Ok((PG_AUTHID, role.oid, 0)),
                    None => Err(undefined(format!("role \"{name}\" does not exist"))),
                }
            }
        }
    }

    fn relation_entry<'c>(
        &self,
        name: &QualifiedName,
        catalog: &'c Catalog,
    ) -> Result<RelationEntry<'c>, SqlError> {
        catalog
            .find_relation(name, self.settings.search_path())
            .ok_or_else(|| match &name.schema {
                Some(schema) if catalog.schema(schema).is_none() => SqlError::new(
                    state::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                ),
                _ => SqlError::new(
                    state::UNDEFINED_TABLE,
                    format!("relation \"{name}\" does not exist"),
                ),
            })
    }

    fn commented_column(
        &self,
        path: &ObjectName,
        catalog: &Catalog,
    ) -> Result<Commented, SqlError> {
        let mut path = path.clone();
        let column = path.0.pop();
        let column = column.as_ref().and_then(|part| part.as_ident());
        let (Some(column), false) = (column, path.0.is_empty()) else {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "column name must be qualified",
            ));
        };
        let column = fold_identifier(column);
        let name = QualifiedName::from_ast(&path, &self.database)?;
        let found = self.relation_entry(&name, catalog)?;
        let position = match found {
            RelationEntry::Table(table) => table.column(&column).map(|c| c.attnum),
            RelationEntry::View(view) => view.position(&column),
            RelationEntry::Sequence(_) | RelationEntry::Index(_) => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("cannot set comment on relation \"{}\"", name.name),
                ));
            }
        };
        let position = position.ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    name.name
                ),
            )
        })?;
        Ok((PG_CLASS, found.oid(), position))
    }
}
