//! Which objects need which: what DROP has to refuse, or to take along.

use super::snapshot::{Catalog, CatalogChange};
use super::{CatalogEntry, ForeignKey, QualifiedName, is_of};
use crate::error::{SqlError, state};

/// Lines of a detail that clients get; the rest is counted.
const LISTED_MAX: usize = 100;

/// Something that others may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A table, a view or another relation with an identifier of its own.
    Relation(u32),
    /// A column of a table, by attribute number.
    Column(u32, u16),
    /// An index of a table, of its primary key too: the table, and the index.
    Index(u32, u32),
    /// A foreign key: the table that has it, and its identifier.
    Constraint(u32, u32),
    /// The default of a column.
    Default(u32, u16),
    /// A schema.
    Schema(u32),
    /// A type.
    Type(u32),
    /// A function.
    Function(u32),
}

/// An object that goes along with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// The object.
    pub object: ObjectKind,
    /// What it is called: `view v`.
    pub name: String,
    /// What it needs: `table t`.
    pub needs: String,
    /// Whether it belongs to what it needs, and goes without a word.
    pub silent: bool,
}

/// What a search for dependents has found.
struct Search<'a> {
    catalog: &'a Catalog,
    roots: &'a [ObjectKind],
    search_path: &'a [String],
    found: Vec<Dependent>,
}

impl Search<'_> {
    fn knows(&self, object: ObjectKind) -> bool {
        let goes = |object: &ObjectKind| {
            self.roots.contains(object) || self.found.iter().any(|d| d.object == *object)
        };
        // A default goes with its column and its table.
        let whole = match object {
            ObjectKind::Default(table, attnum) => {
                goes(&ObjectKind::Relation(table)) || goes(&ObjectKind::Column(table, attnum))
            }
            _ => false,
        };
        whole || goes(&object)
    }

    /// Collects what needs `object`, those that nothing else needs first.
    fn below(&mut self, object: ObjectKind, silent: bool) {
        let needs = self.catalog.describe(object, self.search_path);
        let mut direct = self.catalog.direct_dependents(object);
        direct.sort_unstable();
        for (dependent, belongs) in direct.into_iter().rev() {
            if dependent == object || self.knows(dependent) {
                continue;
            }
            let silent = silent && belongs;
            self.below(dependent, silent);
            if !self.knows(dependent) {
                self.found.push(Dependent {
                    object: dependent,
                    name: self.catalog.describe(dependent, self.search_path),
                    needs: needs.clone(),
                    silent,
                });
            }
        }
    }
}

impl Catalog {
    /// Everything that goes when `roots` go, apart from them, in the order in
    /// which PostgreSQL lists it.
    pub fn dependents_of(&self, roots: &[ObjectKind], search_path: &[String]) -> Vec<Dependent> {
        let mut search = Search {
            catalog: self,
            roots,
            search_path,
            found: Vec::new(),
        };
        for root in roots.iter().rev() {
            search.below(*root, true);
        }
        search.found.reverse();
        let found = search.found;
        // A part of a table goes silently with it.
        let gone = |table| {
            let table = ObjectKind::Relation(table);
            roots.contains(&table) || found.iter().any(|d| d.object == table)
        };
        let part = |object| match object {
            ObjectKind::Constraint(table, _)
            | ObjectKind::Default(table, _)
            | ObjectKind::Column(table, _) => gone(table),
            _ => false,
        };
        let said: Vec<Dependent> = found.iter().filter(|d| !part(d.object)).cloned().collect();
        said
    }

    /// What needs an object directly, and whether it belongs to it.
    fn direct_dependents(&self, object: ObjectKind) -> Vec<(ObjectKind, bool)> {
        let mut direct = Vec::new();
        let mut on_query = |needs: &dyn Fn(&super::BoundQuery) -> bool| {
            let views = self.views().filter(|view| needs(&view.query));
            direct.extend(views.map(|view| (ObjectKind::Relation(view.oid), false)));
            let materialized = self.tables().filter(|table| {
                let query = table.materialized.as_ref().map(|view| &view.query);
                query.is_some_and(needs)
            });
            direct.extend(materialized.map(|table| (ObjectKind::Relation(table.oid), false)));
        };
        let references = |oid, needs: &dyn Fn(&ForeignKey) -> bool| {
            let keys = self.referencing(oid).filter(|(_, key)| needs(key));
            keys.map(|(table, key)| (ObjectKind::Constraint(table.oid, key.oid), false))
                .collect::<Vec<_>>()
        };
        match object {
            ObjectKind::Relation(oid) => on_query(&|query| query.reads(oid)),
            ObjectKind::Column(oid, attnum) => on_query(&|query| query.needs_column(oid, attnum)),
            _ => {}
        }
        let owned = |owner: &dyn Fn((u32, u16)) -> bool| {
            self.sequences()
                .filter(|s| s.owned_by.is_some_and(owner))
                .map(|s| (ObjectKind::Relation(s.oid), true))
                .collect::<Vec<_>>()
        };
        match object {
            ObjectKind::Relation(oid) => {
                let heirs = self.children_of(oid);
                direct.extend(heirs.map(|t| (ObjectKind::Relation(t.oid), t.is_partition())));
                direct.extend(references(oid, &|_| true));
                direct.extend(owned(&|(table, _)| table == oid));
                direct.extend(self.defaults_using(oid));
            }
            ObjectKind::Column(oid, attnum) => {
                let needs = |key: &ForeignKey| key.referenced_columns.contains(&attnum);
                let mut constraints = references(oid, &needs);
                // Of the constraints of its own table, those with the column in
                // them go silently.
                constraints.retain(|(dependent, _)| match dependent {
                    ObjectKind::Constraint(table, key) if *table == oid => {
                        let table = self.table_by_oid(oid);
                        let key = table.and_then(|t| t.foreign_key(*key));
                        key.is_none_or(|key| !key.columns.contains(&attnum))
                    }
                    _ => true,
                });
                direct.extend(constraints);
                direct.extend(owned(&|by| by == (oid, attnum)));
            }
            ObjectKind::Index(oid, index) => {
                direct.extend(references(oid, &|key| key.index == index));
            }
            ObjectKind::Constraint(..) | ObjectKind::Default(..) | ObjectKind::Function(_) => {}
            ObjectKind::Type(oid) => direct.extend(self.made_of_type(oid)),
            ObjectKind::Schema(oid) => {
                let tables = self.tables().filter(|t| t.schema == oid).map(|t| t.oid);
                let views = self.views().filter(|v| v.schema == oid).map(|v| v.oid);
                let sequences = self.sequences().filter(|s| s.schema == oid).map(|s| s.oid);
                let inside = tables.chain(views).chain(sequences);
                direct.extend(inside.map(|oid| (ObjectKind::Relation(oid), false)));
                let types = self.user_types().filter(|t| t.schema == oid);
                direct.extend(types.map(|t| (ObjectKind::Type(t.oid), false)));
                let functions = self.functions().filter(|f| f.schema == oid);
                direct.extend(functions.map(|f| (ObjectKind::Function(f.oid), false)));
            }
        }
        direct
    }

    /// Columns, views and other types that have a type in them.
    fn made_of_type(&self, oid: u32) -> Vec<(ObjectKind, bool)> {
        let mut found = Vec::new();
        for table in self.tables() {
            let columns = table.live_columns().filter(|c| is_of(c.ty, oid));
            found.extend(columns.map(|c| (ObjectKind::Column(table.oid, c.attnum), false)));
        }
        let views = self
            .views()
            .filter(|v| v.columns.iter().any(|c| is_of(c.ty, oid)));
        found.extend(views.map(|v| (ObjectKind::Relation(v.oid), false)));
        let types = self.user_types().filter(|t| {
            t.parts()
                .into_iter()
                .any(|part| is_of(self.settled(part), oid))
        });
        found.extend(types.map(|t| (ObjectKind::Type(t.oid), false)));
        let functions = self.functions_with(oid).into_iter();
        found.extend(functions.map(|oid| (ObjectKind::Function(oid), false)));
        found
    }

    /// The defaults that take values of a sequence.
    fn defaults_using(&self, sequence: u32) -> Vec<(ObjectKind, bool)> {
        let mut found = Vec::new();
        if self.sequence_by_oid(sequence).is_none() {
            return found;
        }
        let mention = super::sequence_mention(sequence);
        for table in self.tables() {
            for column in table.live_columns() {
                if column
                    .default
                    .as_ref()
                    .is_some_and(|d| d.contains(&mention))
                {
                    found.push((ObjectKind::Default(table.oid, column.attnum), false));
                }
            }
        }
        found
    }

    /// What messages call an object: its kind, and its name with the schema where
    /// the name alone means something else.
    pub fn describe(&self, object: ObjectKind, search_path: &[String]) -> String {
        let column = |table: u32, attnum: u16| {
            let name = self
                .table_by_oid(table)
                .and_then(|t| t.attribute(attnum))
                .map_or("", |c| c.name.as_str());
            let table = self.describe(ObjectKind::Relation(table), search_path);
            format!("column {name} of {table}")
        };
        match object {
            ObjectKind::Relation(oid) => {
                let (kind, schema, name) = if let Some(table) = self.table_by_oid(oid) {
                    let kind = match table.materialized {
                        Some(_) => "materialized view",
                        None => "table",
                    };
                    (kind, table.schema, table.name.as_str())
                } else if let Some(view) = self.view_by_oid(oid) {
                    ("view", view.schema, view.name.as_str())
                } else if let Some(sequence) = self.sequence_by_oid(oid) {
                    ("sequence", sequence.schema, sequence.name.as_str())
                } else {
                    return format!("relation {oid}");
                };
                format!("{kind} {}", self.shown_name(schema, name, search_path))
            }
            ObjectKind::Column(oid, attnum) => column(oid, attnum),
            ObjectKind::Default(oid, attnum) => {
                format!("default value for {}", column(oid, attnum))
            }
            ObjectKind::Index(oid, index) => {
                let table = self.table_by_oid(oid);
                let name = table.and_then(|t| t.index_name(index)).unwrap_or_default();
                format!("index {name}")
            }
            ObjectKind::Constraint(oid, key) => {
                let table = self.table_by_oid(oid);
                let key = table.and_then(|t| t.foreign_key(key));
                let name = key.map_or("", |key| key.name.as_str());
                let table = self.describe(ObjectKind::Relation(oid), search_path);
                format!("constraint {name} on {table}")
            }
            ObjectKind::Schema(oid) => {
                let name = self.schema_by_oid(oid).map_or("", |s| s.name.as_str());
                format!("schema {name}")
            }
            ObjectKind::Type(oid) => match self.user_type(oid) {
                Some(ty) => {
                    let name = self.shown_type_name(ty.schema, &ty.name, search_path);
                    format!("type {name}")
                }
                None => format!("type {oid}"),
            },
            ObjectKind::Function(oid) => match self.function(oid) {
                Some(function) => format!("function {}", function.shown()),
                None => format!("function {oid}"),
            },
        }
    }

    /// A type's name, with its schema unless the bare name finds it.
    pub fn shown_type_name(&self, schema: u32, name: &str, search_path: &[String]) -> String {
        let bare = QualifiedName {
            schema: None,
            name: name.to_owned(),
        };
        let mut schemas = self.schemas_to_search(&bare, search_path);
        let first = schemas.find(|schema| self.type_exists(*schema, name));
        match self.schema_by_oid(schema) {
            Some(s) if first != Some(schema) => format!("{}.{name}", s.name),
            _ => name.to_owned(),
        }
    }

    /// A relation's name, with its schema unless the bare name finds it.
    pub fn shown_name(&self, schema: u32, name: &str, search_path: &[String]) -> String {
        let bare = QualifiedName {
            schema: None,
            name: name.to_owned(),
        };
        let first = self.first_schema_with(&bare, search_path);
        match self.schema_by_oid(schema) {
            Some(s) if first != Some(schema) => format!("{}.{name}", s.name),
            _ => name.to_owned(),
        }
    }

    /// The change that removes an object; `None` for a part of another object that
    /// does not go alone.
    pub fn removal(&self, object: ObjectKind) -> Option<CatalogChange> {
        match object {
            ObjectKind::Relation(oid) => self.relation_removal(oid),
            ObjectKind::Schema(oid) => {
                let schema = self.schema_by_oid(oid)?.as_ref().clone();
                Some(CatalogChange::Remove(CatalogEntry::Schema(schema)))
            }
            ObjectKind::Constraint(oid, key) => {
                let mut table = self.table_by_oid(oid)?.as_ref().clone();
                table.foreign_keys.retain(|k| k.oid != key);
                Some(CatalogChange::Put(CatalogEntry::Table(Box::new(table))))
            }
            ObjectKind::Default(oid, attnum) => {
                let mut table = self.table_by_oid(oid)?.as_ref().clone();
                let column = table.columns.iter_mut().find(|c| c.attnum == attnum)?;
                column.default = None;
                Some(CatalogChange::Put(CatalogEntry::Table(Box::new(table))))
            }
            ObjectKind::Column(oid, attnum) => {
                let mut table = self.table_by_oid(oid)?.as_ref().clone();
                table.drop_column(attnum);
                Some(CatalogChange::Put(CatalogEntry::Table(Box::new(table))))
            }
            ObjectKind::Type(oid) => {
                let entry = self.user_type(oid)?.as_ref().clone();
                Some(CatalogChange::Remove(CatalogEntry::Type(Box::new(entry))))
            }
            ObjectKind::Function(oid) => {
                let entry = self.function(oid)?.as_ref().clone();
                Some(CatalogChange::Remove(CatalogEntry::Function(Box::new(
                    entry,
                ))))
            }
            ObjectKind::Index(..) => None,
        }
    }

    fn relation_removal(&self, oid: u32) -> Option<CatalogChange> {
        let entry = if let Some(table) = self.table_by_oid(oid) {
            CatalogEntry::Table(Box::new(table.as_ref().clone()))
        } else if let Some(view) = self.view_by_oid(oid) {
            CatalogEntry::View(Box::new(view.as_ref().clone()))
        } else {
            CatalogEntry::Sequence(Box::new(self.sequence_by_oid(oid)?.as_ref().clone()))
        };
        Some(CatalogChange::Remove(entry))
    }
}

/// The error for an object that others need; `what` is its name with its kind.
pub(crate) fn still_needed(what: &str, dependents: &[Dependent]) -> SqlError {
    let lines: Vec<String> = dependents
        .iter()
        .filter(|d| !d.silent)
        .map(|d| format!("{} depends on {}", d.name, d.needs))
        .collect();
    SqlError::new(
        state::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .detail(listed(&lines))
    .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// What CASCADE says it drops too; `None` when that is nothing.
pub(crate) fn cascade_notice(dependents: &[Dependent]) -> Option<SqlError> {
    let lines: Vec<String> = dependents
        .iter()
        .filter(|d| !d.silent)
        .map(|d| format!("drop cascades to {}", d.name))
        .collect();
    match lines.as_slice() {
        [] => None,
        [one] => Some(SqlError::notice(one.as_str())),
        many => {
            let text = format!("drop cascades to {} other objects", many.len());
            Some(SqlError::notice(text).detail(listed(many)))
        }
    }
}

fn listed(lines: &[String]) -> String {
    let more = lines.len().saturating_sub(LISTED_MAX);
    let mut text: Vec<String> = lines.iter().take(LISTED_MAX).cloned().collect();
    if more > 0 {
        text.push(format!("and {more} other objects"));
    }
    text.join("\n")
}
