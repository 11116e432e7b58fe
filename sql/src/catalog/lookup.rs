//! Finding objects in a [`Catalog`]: by identifier, by name, by what refers to them.

use std::sync::Arc;

use super::comment::{CommentDescriptor, Commented};
use super::constraint::ForeignKey;
use super::descriptor::{Column, Database, RoleDescriptor, SchemaDescriptor, TableDescriptor};
use super::index::IndexDescriptor;
use super::names::QualifiedName;
use super::sequence::SequenceDescriptor;
use super::snapshot::{Catalog, RelationEntry};
use super::view::ViewDescriptor;
use crate::error::{SqlError, state};

impl Catalog {
    /// All schemas that are stored.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<SchemaDescriptor>> {
        self.schemas.values()
    }

    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDescriptor>> {
        self.tables.values()
    }

    /// All views.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewDescriptor>> {
        self.views.values()
    }

    /// All comments.
    pub fn comments(&self) -> impl Iterator<Item = &Arc<CommentDescriptor>> {
        self.comments.values()
    }

    /// The comment on an object.
    pub fn comment(&self, about: Commented) -> Option<&Arc<CommentDescriptor>> {
        self.comments.get(self.commented.get(&about)?)
    }

    /// All sequences.
    pub fn sequences(&self) -> impl Iterator<Item = &Arc<SequenceDescriptor>> {
        self.sequences.values()
    }

    /// Finds a sequence by identifier.
    pub fn sequence_by_oid(&self, oid: u32) -> Option<&Arc<SequenceDescriptor>> {
        self.sequences.get(&oid)
    }

    /// Finds a view by identifier.
    pub fn view_by_oid(&self, oid: u32) -> Option<&Arc<ViewDescriptor>> {
        self.views.get(&oid)
    }

    /// All roles.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<RoleDescriptor>> {
        self.roles.values()
    }

    /// All databases (system tenant only).
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values()
    }

    /// Finds a stored schema by name.
    pub fn schema(&self, name: &str) -> Option<&Arc<SchemaDescriptor>> {
        self.schemas.values().find(|s| s.name == name)
    }

    /// Finds a schema by identifier.
    pub fn schema_by_oid(&self, oid: u32) -> Option<&Arc<SchemaDescriptor>> {
        self.schemas.get(&oid)
    }

    /// Finds a table by identifier.
    pub fn table_by_oid(&self, oid: u32) -> Option<&Arc<TableDescriptor>> {
        self.tables.get(&oid)
    }

    /// The tables that inherit from a table directly, by identifier.
    pub(super) fn children_of(&self, parent: u32) -> impl Iterator<Item = &Arc<TableDescriptor>> {
        self.heirs
            .range((parent, 0)..=(parent, u32::MAX))
            .filter_map(|(_, child)| self.tables.get(child))
    }

    /// The foreign keys that refer to a table, with their tables.
    pub fn referencing(
        &self,
        referenced: u32,
    ) -> impl Iterator<Item = (&Arc<TableDescriptor>, &ForeignKey)> {
        self.references
            .range((referenced, 0)..=(referenced, u32::MAX))
            .filter_map(|(_, oid)| self.tables.get(oid))
            .flat_map(move |table| {
                let keys = table.foreign_keys.iter();
                keys.filter(move |key| key.referenced == referenced)
                    .map(move |key| (table, key))
            })
    }

    /// Names the table that an error is about, and its schema.
    pub fn concerning(&self, table: &TableDescriptor, error: SqlError) -> SqlError {
        let error = error.table(table.name.clone());
        match self.schema_by_oid(table.schema) {
            Some(schema) => error.schema(schema.name.clone()),
            None => error,
        }
    }

    /// Finds a role by name.
    pub fn role(&self, name: &str) -> Option<&Arc<RoleDescriptor>> {
        self.roles.values().find(|r| r.name == name)
    }

    /// Finds a database by name.
    pub fn database(&self, name: &str) -> Option<&Arc<Database>> {
        self.databases.values().find(|d| d.name == name)
    }

    /// Finds a table by name along `search_path`; `None` when there is none.
    pub fn find_table(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Option<&Arc<TableDescriptor>> {
        match self.find_relation(name, search_path)? {
            RelationEntry::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Finds whatever relation a name means along `search_path`.
    pub fn find_relation(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Option<RelationEntry<'_>> {
        self.schemas_to_search(name, search_path)
            .find_map(|schema| self.relations.get(&(schema, name.name.clone())))
            .map(|oid| self.relation(*oid))
    }

    fn relation(&self, oid: u32) -> RelationEntry<'_> {
        if let Some(table) = self.tables.get(&oid) {
            return RelationEntry::Table(table);
        }
        if let Some(view) = self.views.get(&oid) {
            return RelationEntry::View(view);
        }
        match self.sequences.get(&oid) {
            Some(sequence) => RelationEntry::Sequence(sequence),
            None => RelationEntry::Index(oid),
        }
    }

    /// Finds an index by name along `search_path`, with its table.
    pub fn find_index(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Option<(&Arc<TableDescriptor>, &IndexDescriptor)> {
        self.schemas_to_search(name, search_path)
            .find_map(|schema| {
                let oid = *self.relations.get(&(schema, name.name.clone()))?;
                self.tables
                    .values()
                    .find_map(|t| t.indexes.iter().find(|i| i.oid == oid).map(|i| (t, i)))
            })
    }

    /// Whether a table of the schema has a constraint of that name.
    pub fn constraint_exists(&self, schema: u32, name: &str) -> bool {
        self.tables
            .values()
            .any(|table| table.schema == schema && table.has_constraint(name))
    }

    /// Whether a relation of that name exists in the schema.
    pub fn relation_exists(&self, schema: u32, name: &str) -> bool {
        self.relations.contains_key(&(schema, name.to_owned()))
    }

    /// The first schema along `search_path` that has a relation of that name.
    pub(super) fn first_schema_with(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Option<u32> {
        self.schemas_to_search(name, search_path)
            .find(|schema| self.relation_exists(*schema, &name.name))
    }

    pub(super) fn schemas_to_search<'a>(
        &'a self,
        name: &'a QualifiedName,
        search_path: &'a [String],
    ) -> impl Iterator<Item = u32> + 'a {
        let own = || search_path.iter().find(|s| s.starts_with("pg_temp_"));
        let explicit = match name.schema.as_deref() {
            Some("pg_temp") => Some(own().map_or("pg_temp", String::as_str)),
            other => other,
        };
        let path = search_path
            .iter()
            .map(String::as_str)
            .filter(move |_| explicit.is_none());
        explicit
            .into_iter()
            .chain(path)
            .filter_map(|schema| self.schema(schema).map(|s| s.oid))
    }

    /// The table of that name, or the error PostgreSQL gives.
    ///
    /// # Errors
    /// 42P01 when there is nothing of that name, 42809 when it is no table.
    pub fn table(
        &self,
        name: &QualifiedName,
        search_path: &[String],
    ) -> Result<&Arc<TableDescriptor>, SqlError> {
        match self.find_relation(name, search_path) {
            Some(RelationEntry::Table(table)) => Ok(table),
            Some(_) => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a table", name.name),
            )),
            None => Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )),
        }
    }

    /// A column of a table, or the error PostgreSQL gives.
    ///
    /// # Errors
    /// 42703 when there is no such column.
    pub fn column<'a>(table: &'a TableDescriptor, name: &str) -> Result<&'a Column, SqlError> {
        table.column(name).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    table.name
                ),
            )
        })
    }
}
