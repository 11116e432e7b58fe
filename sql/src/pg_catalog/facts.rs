//! What the rows of system relations are computed from.

use std::sync::Arc;

use super::relation::{self, Relation};
use crate::catalog::{
    Catalog, IndexDescriptor, IndexExpression, KeyOrder, SYSTEM_SCHEMAS, SequenceDescriptor,
    TableDescriptor, ViewDescriptor,
};
use crate::query::SessionInfo;
use crate::types::PgType;

/// Object identifier of a database's first role, which owns what has no owner.
pub(super) const FIRST_ROLE: u32 = 10;

/// The catalog and the session of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The objects of the database.
    pub(crate) catalog: &'a Catalog,
    /// The session.
    pub(crate) session: &'a SessionInfo,
}

/// An index: of the primary key, of a UNIQUE constraint or of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index<'a> {
    pub(crate) table: &'a Arc<TableDescriptor>,
    pub(crate) oid: u32,
    pub(crate) name: &'a str,
    /// Attribute numbers of the key.
    pub(crate) columns: &'a [u16],
    /// What only an index of its own can have.
    pub(crate) own: Option<&'a IndexDescriptor>,
    pub(crate) unique: bool,
    pub(crate) primary: bool,
    /// Whether a constraint of the same name and object identifier exists.
    pub(crate) constraint: bool,
    /// The index of the partitioned table that it is a part of.
    pub(crate) parent: Option<u32>,
}

impl<'a> Index<'a> {
    /// Names of the columns of the key.
    pub(crate) fn column_names(&self) -> Vec<&str> {
        self.columns
            .iter()
            .filter_map(|n| self.table.attribute(*n))
            .map(|c| c.name.as_str())
            .collect()
    }

    /// Attribute numbers of the columns that INCLUDE names.
    pub(crate) fn include(&self) -> &'a [u16] {
        self.own.map_or(&[], |own| &own.include)
    }

    /// Attribute numbers of all columns.
    pub(crate) fn all_columns(&self) -> Vec<u16> {
        [self.columns, self.include()].concat()
    }

    /// The declared order of a column of the key, counted from 0.
    pub(crate) fn order(&self, position: usize) -> KeyOrder {
        self.own
            .map_or_else(KeyOrder::default, |own| own.order(position))
    }

    /// The expressions of the key, one for each 0 among its columns.
    pub(crate) fn expressions(&self) -> &'a [IndexExpression] {
        self.own.map_or(&[], |own| &own.expressions)
    }

    /// The condition that rows of the index fulfil.
    pub(crate) fn predicate(&self) -> Option<&'a IndexExpression> {
        self.own.and_then(|own| own.predicate.as_ref())
    }

    /// Whether it belongs to a deferrable constraint, and to one that is deferred to
    /// begin with.
    pub(crate) fn timing(&self) -> (bool, bool) {
        self.own
            .map_or((false, false), |own| (own.deferrable, own.deferred))
    }

    /// Names and types of all its columns, as `pg_attribute` lists them.
    pub(crate) fn attributes(&self) -> Vec<(&'a str, PgType)> {
        let mut expressions = self.expressions().iter();
        let all = self.all_columns();
        all.iter()
            .filter_map(|attnum| match attnum {
                0 => expressions.next().map(|e| (e.name.as_str(), e.ty)),
                attnum => {
                    let column = self.table.attribute(*attnum)?;
                    Some((column.name.as_str(), column.ty))
                }
            })
            .collect()
    }

    /// Whether two NULLs in the key are equal.
    pub(crate) fn nulls_not_distinct(&self) -> bool {
        self.own.is_some_and(|own| own.nulls_not_distinct)
    }
}

/// Anything `pg_class` has a row for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Object<'a> {
    /// A stored table.
    Table(&'a Arc<TableDescriptor>),
    /// An index of a stored table.
    Index(Index<'a>),
    /// A view.
    View(&'a Arc<ViewDescriptor>),
    /// A sequence.
    Sequence(&'a Arc<SequenceDescriptor>),
    /// A system table or view.
    System(&'static Relation),
}

impl<'a> Object<'a> {
    /// Object identifier.
    pub(crate) fn oid(&self) -> u32 {
        match self {
            Self::Table(table) => table.oid,
            Self::Index(index) => index.oid,
            Self::View(view) => view.oid,
            Self::Sequence(sequence) => sequence.oid,
            Self::System(relation) => relation.oid,
        }
    }

    /// Name.
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::Table(table) => &table.name,
            Self::Index(index) => index.name,
            Self::View(view) => &view.name,
            Self::Sequence(sequence) => &sequence.name,
            Self::System(relation) => relation.name,
        }
    }

    /// Object identifier of the schema.
    pub(crate) fn schema(&self) -> u32 {
        match self {
            Self::Table(table) => table.schema,
            Self::Index(index) => index.table.schema,
            Self::View(view) => view.schema,
            Self::Sequence(sequence) => sequence.schema,
            Self::System(relation) => system_schema(relation.schema),
        }
    }
}

/// The object identifier of a system schema.
pub(super) fn system_schema(name: &str) -> u32 {
    SYSTEM_SCHEMAS
        .iter()
        .find(|(schema, _)| *schema == name)
        .map_or(0, |(_, oid)| *oid)
}

impl<'a> Facts<'a> {
    /// All relations.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object<'a>> + use<'a> {
        relation::all()
            .iter()
            .map(Object::System)
            .chain(self.catalog.tables().flat_map(|table| {
                std::iter::once(Object::Table(table))
                    .chain(indexes_of(table).into_iter().map(Object::Index))
            }))
            .chain(self.catalog.views().map(Object::View))
            .chain(self.catalog.sequences().map(Object::Sequence))
    }

    /// All indexes.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = Index<'a>> + use<'a> {
        self.catalog.tables().flat_map(indexes_of)
    }

    /// Indexes that belong to constraints.
    pub(crate) fn constraints(&self) -> impl Iterator<Item = Index<'a>> + use<'a> {
        self.indexes().filter(|index| index.constraint)
    }

    /// The relation with this object identifier.
    pub(crate) fn object(&self, oid: u32) -> Option<Object<'a>> {
        self.objects().find(|object| object.oid() == oid)
    }

    /// The relation of that name in a schema.
    pub(crate) fn object_in(&self, schema: u32, name: &str) -> Option<Object<'a>> {
        self.objects()
            .find(|object| object.schema() == schema && object.name() == name)
    }

    /// The name of a schema.
    pub(crate) fn schema_name(&self, oid: u32) -> &'a str {
        match self.catalog.schema_by_oid(oid) {
            Some(schema) => &schema.name,
            None => SYSTEM_SCHEMAS
                .iter()
                .find(|(_, system)| *system == oid)
                .map_or("", |(name, _)| *name),
        }
    }

    /// The object identifier of a role; the first role's for an unknown one.
    pub(crate) fn owner(&self, role: &str) -> u32 {
        self.catalog.role(role).map_or(FIRST_ROLE, |r| r.oid)
    }

    /// The name of the role that owns the database.
    pub(crate) fn first_role(&self) -> &'a str {
        self.catalog
            .roles()
            .min_by_key(|role| role.oid)
            .map_or("", |role| role.name.as_str())
    }

    /// The schemas that names without one are looked up in.
    pub(crate) fn search_path(&self) -> impl Iterator<Item = u32> + '_ {
        let named = |name: &str| self.session.search_path.iter().any(|s| s == name);
        let implicit = (!named("pg_catalog")).then(|| system_schema("pg_catalog"));
        implicit
            .into_iter()
            .chain(self.session.search_path.iter().filter_map(
                |name| match self.catalog.schema(name) {
                    Some(schema) => Some(schema.oid),
                    None => Some(system_schema(name)).filter(|oid| *oid != 0),
                },
            ))
    }
}

/// The indexes of a table, the primary key's first.
pub(crate) fn indexes_of(table: &Arc<TableDescriptor>) -> Vec<Index<'_>> {
    let primary = table.primary_key_name.iter().map(|(name, oid)| Index {
        table,
        oid: *oid,
        name,
        columns: &table.primary_key,
        own: None,
        unique: true,
        primary: true,
        constraint: true,
        parent: table.family.key_parent,
    });
    let others = table.indexes.iter().map(|index| Index {
        table,
        oid: index.oid,
        name: &index.name,
        columns: &index.columns,
        own: Some(index),
        unique: index.unique,
        primary: index.primary,
        constraint: index.constraint,
        parent: index.parent,
    });
    primary.chain(others).collect()
}
