//! DROP of relations, and what goes along.

use std::sync::Arc;

use sqlparser::ast::{ObjectName, ObjectType};

use super::super::Session;
use crate::catalog::{
    Catalog, CatalogChange, Dependent, ObjectKind, QualifiedName, RelationEntry, SYSTEM_SCHEMAS,
    TableDescriptor, cascade_notice, still_needed,
};
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

/// A kind of relation, as DROP and its messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum DroppedKind {
    Table,
    View,
    MaterializedView,
    Sequence,
}

impl DroppedKind {
    /// The kind that a DROP is about, if it is one of relations.
    pub(in super::super) fn of(object: ObjectType) -> Option<Self> {
        match object {
            ObjectType::Table => Some(Self::Table),
            ObjectType::View => Some(Self::View),
            ObjectType::MaterializedView => Some(Self::MaterializedView),
            ObjectType::Sequence => Some(Self::Sequence),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Sequence => "sequence",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::View => "a view",
            Self::MaterializedView => "a materialized view",
            Self::Sequence => "a sequence",
        }
    }

    /// The kind of a relation; `None` for an index, which has its own DROP.
    fn of_entry(entry: RelationEntry<'_>) -> Option<(Self, u32)> {
        match entry {
            RelationEntry::Table(table) if table.materialized.is_some() => {
                Some((Self::MaterializedView, table.oid))
            }
            RelationEntry::Table(table) => Some((Self::Table, table.oid)),
            RelationEntry::View(view) => Some((Self::View, view.oid)),
            RelationEntry::Sequence(sequence) => Some((Self::Sequence, sequence.oid)),
            RelationEntry::Index(_) => None,
        }
    }
}

impl Session {
    pub(in super::super) async fn drop_relations(
        &mut self,
        kind: DroppedKind,
        names: &[ObjectName],
        if_exists: bool,
        cascade: bool,
    ) -> Result<String, SqlError> {
        let tag = format!("DROP {}", kind.word().to_ascii_uppercase());
        let catalog = self.catalog_to_change(&tag).await?;
        let mut roots = Vec::new();
        for name in names {
            let name = QualifiedName::from_ast(name, &self.database)?;
            if let Some(oid) = self.find_to_drop(kind, &name, if_exists, &catalog)? {
                self.refuse_part(oid, &catalog)?;
                roots.push(ObjectKind::Relation(oid));
            }
        }
        self.drop_with_dependents(catalog, &roots, cascade).await?;
        Ok(tag)
    }

    /// Drops objects and, with CASCADE, what needs them.
    ///
    /// # Errors
    /// 2BP01 when something needs them and CASCADE is missing.
    pub(in super::super) async fn drop_with_dependents(
        &mut self,
        catalog: Catalog,
        roots: &[ObjectKind],
        cascade: bool,
    ) -> Result<(), SqlError> {
        let dependents = catalog.dependents_of(roots, self.settings.search_path());
        self.allow_cascade(&catalog, roots, &dependents, cascade)?;
        let gone: Vec<ObjectKind> = roots
            .iter()
            .copied()
            .chain(dependents.iter().map(|d| d.object))
            .collect();
        let parts = partitions_among(&gone, &catalog);
        let mut catalog = catalog;
        let changes = self.remove_objects(&mut catalog, &gone).await?;
        self.change_catalog(catalog, changes, Layer::default())?;
        for (part, parent) in parts {
            self.check_still_referred_to(&part, &parent)?;
        }
        Ok(())
    }

    /// Locks objects and removes them from the catalog; the changes to keep.
    pub(in super::super) async fn remove_objects(
        &mut self,
        catalog: &mut Catalog,
        objects: &[ObjectKind],
    ) -> Result<Vec<CatalogChange>, SqlError> {
        let mut changes: Vec<CatalogChange> = Vec::new();
        for object in objects {
            if let ObjectKind::Relation(oid)
            | ObjectKind::Constraint(oid, _)
            | ObjectKind::Column(oid, _)
            | ObjectKind::Default(oid, _) = object
            {
                self.lock_table(*oid, LockMode::AccessExclusive).await?;
            }
            if let ObjectKind::Column(oid, attnum) = object
                && let Some(table) = catalog.table_by_oid(*oid)
                && table.primary_key.contains(attnum)
            {
                // The rows would have to be written again.
                return Err(SqlError::unsupported(format!(
                    "dropping {} of a primary key along",
                    catalog.describe(*object, self.settings.search_path())
                )));
            }
            if let ObjectKind::Relation(oid) = object
                && let Some(table) = catalog.table_by_oid(*oid).cloned()
            {
                self.no_pending_checks("DROP TABLE", &table)?;
                for key in &table.foreign_keys {
                    // Whoever changes that table looks at its references.
                    self.lock_table(key.referenced, LockMode::AccessExclusive)
                        .await?;
                }
            }
            if let Some(change) = catalog.removal(*object)
                && !changes.contains(&change)
            {
                if matches!(change, CatalogChange::Put(_)) {
                    catalog.apply(&change);
                }
                changes.push(change);
            }
        }
        Ok(changes)
    }

    /// Says what CASCADE takes along, or refuses without it.
    ///
    /// # Errors
    /// 2BP01.
    pub(in super::super) fn allow_cascade(
        &mut self,
        catalog: &Catalog,
        roots: &[ObjectKind],
        dependents: &[Dependent],
        cascade: bool,
    ) -> Result<(), SqlError> {
        if !cascade && dependents.iter().any(|d| !d.silent) {
            let what = match roots {
                [one] => catalog.describe(*one, self.settings.search_path()),
                _ => "desired object(s)".to_owned(),
            };
            return Err(still_needed(&what, dependents));
        }
        self.notices.extend(cascade_notice(dependents));
        Ok(())
    }

    /// The sequence of an identity column goes with it only.
    fn refuse_part(&self, oid: u32, catalog: &Catalog) -> Result<(), SqlError> {
        let Some(sequence) = catalog.sequence_by_oid(oid).filter(|s| s.identity) else {
            return Ok(());
        };
        let Some((table, attnum)) = sequence.owned_by else {
            return Ok(());
        };
        let path = self.settings.search_path();
        let column = catalog.describe(ObjectKind::Column(table, attnum), path);
        Err(SqlError::new(
            state::DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "cannot drop sequence {} because {column} requires it",
                sequence.name
            ),
        )
        .hint(format!("You can drop {column} instead.")))
    }

    fn find_to_drop(
        &mut self,
        kind: DroppedKind,
        name: &QualifiedName,
        if_exists: bool,
        catalog: &Catalog,
    ) -> Result<Option<u32>, SqlError> {
        let missing = match catalog.find_relation(name, self.settings.search_path()) {
            Some(entry) => return right_kind(kind, name, entry).map(Some),
            None => missing(kind, name, catalog),
        };
        if if_exists {
            self.notice(format!("{}, skipping", missing.message()));
            return Ok(None);
        }
        Err(missing)
    }
}

type Part = (Arc<TableDescriptor>, Arc<TableDescriptor>);

/// Partitions that go without their parents, with those.
fn partitions_among(gone: &[ObjectKind], catalog: &Catalog) -> Vec<Part> {
    let part = |object: &ObjectKind| {
        let ObjectKind::Relation(oid) = object else {
            return None;
        };
        let table = catalog.table_by_oid(*oid).filter(|t| t.is_partition())?;
        let parent = catalog.table_by_oid(*table.family.parents.first()?)?;
        let stays = !gone.contains(&ObjectKind::Relation(parent.oid));
        stays.then(|| (Arc::clone(table), Arc::clone(parent)))
    };
    gone.iter().filter_map(part).collect()
}

/// The relation, if it is of the kind that is to be dropped.
fn right_kind(
    kind: DroppedKind,
    name: &QualifiedName,
    entry: RelationEntry<'_>,
) -> Result<u32, SqlError> {
    let found = DroppedKind::of_entry(entry);
    if let Some((found, oid)) = found
        && found == kind
    {
        return Ok(oid);
    }
    let (command, article) = match found {
        Some((found, _)) => (found.word().to_ascii_uppercase(), found.with_article()),
        None => ("INDEX".to_owned(), "an index"),
    };
    Err(SqlError::new(
        state::WRONG_OBJECT_TYPE,
        format!("\"{}\" is not {}", name.name, kind.with_article()),
    )
    .hint(format!("Use DROP {command} to remove {article}.")))
}

fn missing(kind: DroppedKind, name: &QualifiedName, catalog: &Catalog) -> SqlError {
    if let Some(schema) = &name.schema
        && catalog.schema(schema).is_none()
        && !SYSTEM_SCHEMAS.iter().any(|(s, _)| s == schema)
    {
        return SqlError::new(
            state::INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
        );
    }
    SqlError::new(
        state::UNDEFINED_TABLE,
        format!("{} \"{}\" does not exist", kind.word(), name.name),
    )
}
