//! Which objects need which: what DROP has to refuse, or to take along.

use super::snapshot::{Catalog, CatalogChange};
use super::{CatalogEntry, ForeignKey, QualifiedName};
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
    /// A schema.
    Schema(u32),
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
}

impl Catalog {
    /// Everything that goes when `roots` go, apart from them, in the order in
    /// which PostgreSQL lists it.
    pub fn dependents_of(&self, roots: &[ObjectKind], search_path: &[String]) -> Vec<Dependent> {
        let mut found = Vec::new();
        for root in roots.iter().rev() {
            self.collect(*root, None, roots, search_path, &mut found);
        }
        found.reverse();
        // A constraint goes silently with its own table.
        let gone = |table| {
            let table = ObjectKind::Relation(table);
            roots.contains(&table) || found.iter().any(|d| d.object == table)
        };
        let silent = |object| matches!(object, ObjectKind::Constraint(table, _) if gone(table));
        let said: Vec<Dependent> = found
            .iter()
            .filter(|d| !silent(d.object))
            .cloned()
            .collect();
        said
    }

    fn collect(
        &self,
        object: ObjectKind,
        needs: Option<String>,
        roots: &[ObjectKind],
        search_path: &[String],
        found: &mut Vec<Dependent>,
    ) {
        let name = self.describe(object, search_path);
        let mut direct = self.direct_dependents(object);
        direct.sort_unstable();
        for dependent in direct.into_iter().rev() {
            let known = roots.contains(&dependent)
                || found.iter().any(|d| d.object == dependent)
                || dependent == object;
            if !known {
                self.collect(dependent, Some(name.clone()), roots, search_path, found);
            }
        }
        if let Some(needs) = needs
            && found.iter().all(|d| d.object != object)
        {
            found.push(Dependent {
                object,
                name,
                needs,
            });
        }
    }

    fn direct_dependents(&self, object: ObjectKind) -> Vec<ObjectKind> {
        let on_query = |needs: &dyn Fn(&super::BoundQuery) -> bool| {
            self.views()
                .filter(|view| needs(&view.query))
                .map(|view| ObjectKind::Relation(view.oid))
                .collect()
        };
        let references = |oid, needs: &dyn Fn(&ForeignKey) -> bool| {
            let keys = self.referencing(oid).filter(|(_, key)| needs(key));
            keys.map(|(table, key)| ObjectKind::Constraint(table.oid, key.oid))
                .collect::<Vec<_>>()
        };
        match object {
            ObjectKind::Relation(oid) => {
                let mut dependents: Vec<ObjectKind> = on_query(&|query| query.reads(oid));
                dependents.extend(references(oid, &|_| true));
                dependents
            }
            ObjectKind::Column(oid, attnum) => {
                let mut dependents = on_query(&|query| query.needs_column(oid, attnum));
                let needs = |key: &ForeignKey| key.referenced_columns.contains(&attnum);
                dependents.extend(references(oid, &needs));
                // Of the constraints of its own table, those with the column in
                // them go silently.
                dependents.retain(|dependent| match dependent {
                    ObjectKind::Constraint(table, key) if *table == oid => {
                        let table = self.table_by_oid(oid);
                        let key = table.and_then(|t| t.foreign_key(*key));
                        key.is_none_or(|key| !key.columns.contains(&attnum))
                    }
                    _ => true,
                });
                dependents
            }
            ObjectKind::Index(oid, index) => references(oid, &|key| key.index == index),
            ObjectKind::Constraint(..) => Vec::new(),
            ObjectKind::Schema(oid) => {
                let tables = self.tables().filter(|t| t.schema == oid).map(|t| t.oid);
                let views = self.views().filter(|v| v.schema == oid).map(|v| v.oid);
                tables.chain(views).map(ObjectKind::Relation).collect()
            }
        }
    }

    /// What messages call an object: its kind, and its name with the schema where
    /// the name alone means something else.
    pub fn describe(&self, object: ObjectKind, search_path: &[String]) -> String {
        match object {
            ObjectKind::Relation(oid) => {
                let (kind, schema, name) = if let Some(table) = self.table_by_oid(oid) {
                    ("table", table.schema, table.name.as_str())
                } else if let Some(view) = self.view_by_oid(oid) {
                    ("view", view.schema, view.name.as_str())
                } else {
                    return format!("relation {oid}");
                };
                format!("{kind} {}", self.shown_name(schema, name, search_path))
            }
            ObjectKind::Column(oid, attnum) => {
                let column = self
                    .table_by_oid(oid)
                    .and_then(|t| t.attribute(attnum))
                    .map_or("", |c| c.name.as_str());
                let table = self.describe(ObjectKind::Relation(oid), search_path);
                format!("column {column} of {table}")
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
        let oid = match object {
            ObjectKind::Relation(oid) => oid,
            ObjectKind::Schema(oid) => {
                let schema = self.schema_by_oid(oid)?.as_ref().clone();
                return Some(CatalogChange::Remove(CatalogEntry::Schema(schema)));
            }
            ObjectKind::Constraint(oid, key) => {
                let mut table = self.table_by_oid(oid)?.as_ref().clone();
                table.foreign_keys.retain(|k| k.oid != key);
                return Some(CatalogChange::Put(CatalogEntry::Table(Box::new(table))));
            }
            ObjectKind::Column(..) | ObjectKind::Index(..) => return None,
        };
        let entry = match (self.table_by_oid(oid), self.view_by_oid(oid)) {
            (Some(table), _) => CatalogEntry::Table(Box::new(table.as_ref().clone())),
            (None, Some(view)) => CatalogEntry::View(Box::new(view.as_ref().clone())),
            (None, None) => return None,
        };
        Some(CatalogChange::Remove(entry))
    }
}

/// The error for an object that others need; `what` is its name with its kind.
pub(crate) fn still_needed(what: &str, dependents: &[Dependent]) -> SqlError {
    let lines = dependents
        .iter()
        .map(|d| format!("{} depends on {}", d.name, d.needs));
    SqlError::new(
        state::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .detail(listed(lines))
    .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// What CASCADE says it drops too; `None` when that is nothing.
pub(crate) fn cascade_notice(dependents: &[Dependent]) -> Option<SqlError> {
    match dependents {
        [] => None,
        [one] => Some(SqlError::notice(format!("drop cascades to {}", one.name))),
        many => {
            let lines = many.iter().map(|d| format!("drop cascades to {}", d.name));
            let text = format!("drop cascades to {} other objects", many.len());
            Some(SqlError::notice(text).detail(listed(lines)))
        }
    }
}

fn listed(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(LISTED_MAX);
    let mut text: Vec<String> = lines.take(LISTED_MAX).collect();
    if more > 0 {
        text.push(format!("and {more} other objects"));
    }
    text.join("\n")
}
