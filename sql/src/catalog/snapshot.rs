//! [`Catalog`]: an immutable view of one tenant's objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::comment::{CommentDescriptor, Commented};
use super::descriptor::{
    CatalogEntry, Counters, Database, FIRST_USER_OID, RoleDescriptor, SchemaDescriptor,
    TableDescriptor,
};
use super::function::FunctionDescriptor;
use super::sequence::SequenceDescriptor;
use super::user_type::TypeDescriptor;
use super::view::ViewDescriptor;
use crate::types::PgType;

/// Schemas that exist in every database and hold no stored tables.
pub const SYSTEM_SCHEMAS: [(&str, u32); 2] = [("pg_catalog", 11), ("information_schema", 13_000)];

/// One change of a catalog, in the order in which it was made.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogChange {
    /// The entry is new or replaces the one with the same key.
    Put(CatalogEntry),
    /// The entry is gone.
    Remove(CatalogEntry),
}

/// A relation that a name means.
#[derive(Debug, Clone, Copy)]
pub enum RelationEntry<'a> {
    /// A table.
    Table(&'a Arc<TableDescriptor>),
    /// A view.
    View(&'a Arc<ViewDescriptor>),
    /// A sequence.
    Sequence(&'a Arc<SequenceDescriptor>),
    /// An index, by its object identifier.
    Index(u32),
}

impl RelationEntry<'_> {
    /// Object identifier.
    pub fn oid(&self) -> u32 {
        match self {
            Self::Table(table) => table.oid,
            Self::View(view) => view.oid,
            Self::Sequence(sequence) => sequence.oid,
            Self::Index(oid) => *oid,
        }
    }
}

/// An immutable view of one tenant's objects. Cloning shares the descriptors.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(super) schemas: BTreeMap<u32, Arc<SchemaDescriptor>>,
    pub(super) tables: BTreeMap<u32, Arc<TableDescriptor>>,
    pub(super) views: BTreeMap<u32, Arc<ViewDescriptor>>,
    pub(super) sequences: BTreeMap<u32, Arc<SequenceDescriptor>>,
    pub(super) roles: BTreeMap<u32, Arc<RoleDescriptor>>,
    pub(super) databases: BTreeMap<u32, Arc<Database>>,
    pub(super) types: BTreeMap<u32, Arc<TypeDescriptor>>,
    pub(super) functions: BTreeMap<u32, Arc<FunctionDescriptor>>,
    /// The types of users and of their arrays, by object identifier.
    pub(super) defined: BTreeMap<u32, PgType>,
    /// (schema, name) of the types of users and of their arrays.
    pub(super) type_names: BTreeMap<(u32, String), u32>,
    pub(super) comments: BTreeMap<u32, Arc<CommentDescriptor>>,
    /// The comment on each object.
    pub(super) commented: BTreeMap<Commented, u32>,
    counters: Counters,
    /// (schema, name) of every relation: tables and indexes share one name space.
    pub(super) relations: BTreeMap<(u32, String), u32>,
    /// Referenced and referencing table of every foreign key.
    pub(super) references: BTreeSet<(u32, u32)>,
    /// Parent and child of every inheritance.
    pub(super) heirs: BTreeSet<(u32, u32)>,
    version: u64,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            schemas: BTreeMap::new(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            sequences: BTreeMap::new(),
            roles: BTreeMap::new(),
            databases: BTreeMap::new(),
            types: BTreeMap::new(),
            functions: BTreeMap::new(),
            defined: BTreeMap::new(),
            type_names: BTreeMap::new(),
            comments: BTreeMap::new(),
            commented: BTreeMap::new(),
            counters: Counters {
                next_oid: FIRST_USER_OID,
                next_stream: 1,
            },
            relations: BTreeMap::new(),
            references: BTreeSet::new(),
            heirs: BTreeSet::new(),
            version: 0,
        }
    }
}

impl Catalog {
    /// Builds a view from stored entries; `version` identifies it in caches.
    pub fn from_entries(entries: impl IntoIterator<Item = CatalogEntry>, version: u64) -> Self {
        let mut catalog = Self::default();
        for entry in entries {
            catalog.put(entry);
        }
        catalog.settle_all();
        catalog.version = version;
        catalog
    }

    /// Identifies this state of the catalog in statement caches.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Sets the identity of this state.
    pub fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &CatalogChange) {
        match change {
            CatalogChange::Put(entry) => self.put(entry.clone()),
            CatalogChange::Remove(entry) => self.remove(entry),
        }
    }

    fn put(&mut self, entry: CatalogEntry) {
        match entry {
            CatalogEntry::Counters(c) => self.counters = c,
            CatalogEntry::Schema(s) => {
                self.schemas.insert(s.oid, Arc::new(s));
            }
            CatalogEntry::Role(r) => {
                self.roles.insert(r.oid, Arc::new(r));
            }
            CatalogEntry::Database(d) => {
                self.databases.insert(d.oid, Arc::new(d));
            }
            CatalogEntry::Type(t) => self.put_type(*t),
            CatalogEntry::Function(f) => {
                self.functions.insert(f.oid, Arc::new(*f));
            }
            CatalogEntry::Comment(c) => {
                self.commented.insert(c.about(), c.oid);
                self.comments.insert(c.oid, Arc::new(c));
            }
            CatalogEntry::Table(mut t) => {
                self.forget_names(t.oid);
                self.settle_table(&mut t);
                self.relations.insert((t.schema, t.name.clone()), t.oid);
                for (name, oid) in relation_names(&t) {
                    self.relations.insert((t.schema, name), oid);
                }
                for key in &t.foreign_keys {
                    self.references.insert((key.referenced, t.oid));
                }
                for parent in &t.family.parents {
                    self.heirs.insert((*parent, t.oid));
                }
                self.tables.insert(t.oid, Arc::new(*t));
            }
            CatalogEntry::View(mut v) => {
                self.forget_view_name(v.oid);
                for column in &mut v.columns {
                    column.ty = self.settled(column.ty);
                }
                self.relations.insert((v.schema, v.name.clone()), v.oid);
                self.views.insert(v.oid, Arc::new(*v));
            }
            CatalogEntry::Sequence(s) => {
                self.forget_sequence_name(s.oid);
                self.relations.insert((s.schema, s.name.clone()), s.oid);
                self.sequences.insert(s.oid, Arc::new(*s));
            }
        }
    }

    fn remove(&mut self, entry: &CatalogEntry) {
        match entry {
            CatalogEntry::Counters(_) => {}
            CatalogEntry::Schema(s) => {
                self.schemas.remove(&s.oid);
            }
            CatalogEntry::Role(r) => {
                self.roles.remove(&r.oid);
            }
            CatalogEntry::Database(d) => {
                self.databases.remove(&d.oid);
            }
            CatalogEntry::Type(t) => self.remove_type(t.oid),
            CatalogEntry::Function(f) => {
                self.functions.remove(&f.oid);
            }
            CatalogEntry::Comment(c) => {
                self.commented.remove(&c.about());
                self.comments.remove(&c.oid);
            }
            CatalogEntry::Table(t) => {
                self.forget_names(t.oid);
                self.tables.remove(&t.oid);
            }
            CatalogEntry::View(v) => {
                self.forget_view_name(v.oid);
                self.views.remove(&v.oid);
            }
            CatalogEntry::Sequence(s) => {
                self.forget_sequence_name(s.oid);
                self.sequences.remove(&s.oid);
            }
        }
    }

    fn put_type(&mut self, entry: TypeDescriptor) {
        let replaces = self.types.contains_key(&entry.oid);
        self.remove_type(entry.oid);
        let (schema, oid, array) = (entry.schema, entry.oid, entry.array_oid);
        self.type_names.insert((schema, entry.name.clone()), oid);
        self.type_names
            .insert((schema, entry.array_name.clone()), array);
        self.types.insert(oid, Arc::new(entry));
        self.define(oid);
        if replaces {
            self.settle_all();
        }
    }

    fn define(&mut self, oid: u32) {
        let Some(entry) = self.types.get(&oid) else {
            return;
        };
        let user = entry.define(self);
        let array = entry.array_oid;
        self.defined.insert(oid, user.ty());
        if array != 0 {
            self.defined.insert(array, PgType::Array(user.element()));
        }
    }

    fn remove_type(&mut self, oid: u32) {
        if let Some(old) = self.types.remove(&oid) {
            self.type_names.remove(&(old.schema, old.name.clone()));
            self.type_names
                .remove(&(old.schema, old.array_name.clone()));
            self.defined.remove(&oid);
            self.defined.remove(&old.array_oid);
        }
    }

    /// Looks up again what each use of a type means, after one was changed.
    fn settle_all(&mut self) {
        // A type may be made of types with a later identifier; each round settles at
        // least one level.
        for _ in 0..self.types.len() {
            let before: Vec<Option<u32>> = self.definitions();
            let oids: Vec<u32> = self.types.keys().copied().collect();
            for oid in oids {
                self.define(oid);
            }
            if self.definitions() == before {
                break;
            }
        }
        let user = |ty: PgType| ty.user().is_some() || matches!(ty, PgType::Stored(_));
        let tables: Vec<Arc<TableDescriptor>> = self.tables.values().cloned().collect();
        for mut table in tables {
            if table.columns.iter().any(|c| user(c.ty)) {
                self.settle_table(Arc::make_mut(&mut table));
                self.tables.insert(table.oid, table);
            }
        }
        let views: Vec<Arc<ViewDescriptor>> = self.views.values().cloned().collect();
        for mut view in views {
            if view.columns.iter().any(|c| user(c.ty)) {
                for column in &mut Arc::make_mut(&mut view).columns {
                    column.ty = self.settled(column.ty);
                }
                self.views.insert(view.oid, view);
            }
        }
    }

    fn settle_table(&self, table: &mut TableDescriptor) {
        for column in &mut table.columns {
            column.ty = self.settled(column.ty);
        }
        for key in table
            .family
            .partition_by
            .iter_mut()
            .flat_map(|by| &mut by.keys)
        {
            key.ty = self.settled(key.ty);
        }
        for part in table.indexes.iter_mut().flat_map(|i| i.computed_mut()) {
            part.ty = self.settled(part.ty);
        }
    }

    fn definitions(&self) -> Vec<Option<u32>> {
        let types = self.defined.values();
        types.map(|ty| ty.user().map(|u| u.number())).collect()
    }

    fn forget_sequence_name(&mut self, sequence: u32) {
        if let Some(old) = self.sequences.get(&sequence) {
            self.relations.remove(&(old.schema, old.name.clone()));
        }
    }

    fn forget_view_name(&mut self, view: u32) {
        if let Some(old) = self.views.get(&view) {
            self.relations.remove(&(old.schema, old.name.clone()));
        }
    }

    fn forget_names(&mut self, table: u32) {
        if let Some(old) = self.tables.get(&table) {
            self.relations.remove(&(old.schema, old.name.clone()));
            for (name, _) in relation_names(old) {
                self.relations.remove(&(old.schema, name));
            }
            for key in &old.foreign_keys {
                self.references.remove(&(key.referenced, old.oid));
            }
            for parent in &old.family.parents {
                self.heirs.remove(&(*parent, old.oid));
            }
        }
    }

    /// Whether an entry with the same key is there.
    pub fn contains(&self, entry: &CatalogEntry) -> bool {
        match entry {
            // Present as soon as anything else is.
            CatalogEntry::Counters(_) => !self.schemas.is_empty(),
            CatalogEntry::Schema(s) => self.schemas.contains_key(&s.oid),
            CatalogEntry::Role(r) => self.roles.contains_key(&r.oid),
            CatalogEntry::Comment(c) => self.comments.contains_key(&c.oid),
            CatalogEntry::Database(d) => self.databases.contains_key(&d.oid),
            CatalogEntry::Type(t) => self.types.contains_key(&t.oid),
            CatalogEntry::Function(f) => self.functions.contains_key(&f.oid),
            CatalogEntry::Table(t) => self.tables.contains_key(&t.oid),
            CatalogEntry::View(v) => self.views.contains_key(&v.oid),
            CatalogEntry::Sequence(s) => self.sequences.contains_key(&s.oid),
        }
    }

    /// Hands out the next object identifier.
    pub fn allocate_oid(&mut self) -> u32 {
        let oid = self.counters.next_oid;
        self.counters.next_oid += 1;
        oid
    }

    /// Hands out the next stream identifier.
    pub fn allocate_stream(&mut self) -> u64 {
        let stream = self.counters.next_stream;
        self.counters.next_stream += 1;
        stream
    }

    /// The identifier counters, to be stored with the change that used them.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// Names that a table puts into its schema besides its own.
fn relation_names(table: &TableDescriptor) -> impl Iterator<Item = (String, u32)> + '_ {
    table
        .primary_key_name
        .iter()
        .map(|(name, oid)| (name.clone(), *oid))
        .chain(table.indexes.iter().map(|i| (i.name.clone(), i.oid)))
}
