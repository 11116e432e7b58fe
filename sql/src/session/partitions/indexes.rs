//! Keys, indexes and foreign keys of partitioned tables: every partition has its part.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::super::Session;
use super::super::alter::Alteration;
use crate::catalog::{
    Catalog, ForeignKey, IndexDescriptor, TableDescriptor, attribute_map, mapped,
};
use crate::error::{SqlError, state};
use crate::exec::foreign_key;
use crate::exec::keys::{KeyKind, KeyPart, KeyRequest, add_key};
use crate::exec::object_name::free_name;
use crate::txn::LockMode;

/// A future that refers to itself.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, SqlError>> + Send + 'a>>;

/// Each unique key of a partitioned table must have the columns it is partitioned by:
/// only then can every partition look after its own rows.
///
/// # Errors
/// 0A000 with PostgreSQL's words.
pub(in super::super) fn check_unique(table: &TableDescriptor) -> Result<(), SqlError> {
    let Some(by) = &table.family.partition_by else {
        return Ok(());
    };
    let unique = table.indexes.iter().filter(|i| i.unique);
    let mut keys: Vec<(&str, &[u16])> = unique.map(|i| ("UNIQUE", &*i.columns)).collect();
    if table.primary_key_name.is_some() {
        keys.insert(0, ("PRIMARY KEY", &table.primary_key));
    }
    for (word, columns) in keys {
        for key in &by.keys {
            let Some(attnum) = key.column else {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    format!("unsupported {word} constraint with partition key definition"),
                )
                .detail(format!(
                    "{word} constraints cannot be used when partition keys include expressions."
                )));
            };
            if columns.contains(&attnum) {
                continue;
            }
            let column = table.attribute(attnum).map_or("", |c| c.name.as_str());
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "unique constraint on partitioned table must include all partitioning columns",
            )
            .detail(format!(
                "{word} constraint on table \"{}\" lacks column \"{column}\" which is part of the partition key.",
                table.name
            )));
        }
    }
    Ok(())
}

fn names(table: &TableDescriptor, attnums: &[u16]) -> Vec<String> {
    let columns = attnums.iter().filter_map(|n| table.attribute(*n));
    columns.map(|c| c.name.clone()).collect()
}

/// Columns as parts of a key. Indexes of partitioned tables have no others.
fn parts(table: &TableDescriptor, columns: &[u16]) -> Vec<KeyPart> {
    let names = names(table, columns).into_iter();
    names.map(KeyPart::Column).collect()
}

/// What a partition's part of the primary key is made from.
fn primary_request(parent: &TableDescriptor) -> KeyRequest {
    KeyRequest {
        columns: parts(parent, &parent.primary_key),
        ..KeyRequest::new(KeyKind::PrimaryKey)
    }
}

/// What a partition's part of an index is made from.
fn index_request(parent: &TableDescriptor, index: &IndexDescriptor) -> KeyRequest {
    let kind = match (index.unique, index.constraint) {
        (true, true) if index.primary => KeyKind::PrimaryKey,
        (true, true) => KeyKind::UniqueConstraint,
        (true, false) => KeyKind::UniqueIndex,
        (false, _) => KeyKind::Index,
    };
    KeyRequest {
        columns: parts(parent, &index.columns),
        orders: (0..index.columns.len()).map(|at| index.order(at)).collect(),
        include: names(parent, &index.include),
        nulls_not_distinct: index.nulls_not_distinct,
        deferrable: index.deferrable,
        deferred: index.deferred,
        ..KeyRequest::new(kind)
    }
}

/// Makes an index of a table a part of its parent's, if one is like it.
fn adopt(parent: &TableDescriptor, index: &IndexDescriptor, table: &mut TableDescriptor) -> bool {
    if table.indexes.iter().any(|i| i.parent == Some(index.oid)) {
        return true;
    }
    let map = attribute_map(parent, table);
    let columns = mapped(&map, &index.columns);
    let like = |own: &&mut IndexDescriptor| {
        own.parent.is_none()
            && Some(&own.columns) == columns.as_ref()
            && own.unique == index.unique
            && own.is_plain()
            && own.deferrable == index.deferrable
            && own.orders == index.orders
            && own.nulls_not_distinct == index.nulls_not_distinct
            && (own.constraint || !index.constraint)
    };
    match table.indexes.iter_mut().find(like) {
        Some(own) => {
            own.parent = Some(index.oid);
            true
        }
        None => false,
    }
}

fn check_primary(parent: &TableDescriptor, table: &TableDescriptor) -> Result<(), SqlError> {
    let map = attribute_map(parent, table);
    if table.primary_key.is_empty()
        || mapped(&map, &parent.primary_key).as_ref() == Some(&table.primary_key)
    {
        return Ok(());
    }
    Err(SqlError::new(
        state::INVALID_TABLE_DEFINITION,
        format!(
            "multiple primary keys for table \"{}\" are not allowed",
            table.name
        ),
    ))
}

/// Gives a new, empty partition its parts of the parent's keys and indexes.
///
/// # Errors
/// 42P16 for another primary key; what adding a key may fail with.
pub(super) fn add_parts(
    parent: &TableDescriptor,
    table: &mut TableDescriptor,
    catalog: &mut Catalog,
) -> Result<(), SqlError> {
    if let Some((_, oid)) = &parent.primary_key_name {
        check_primary(parent, table)?;
        if table.primary_key.is_empty() {
            add_key(table, &primary_request(parent), catalog, None)?;
        }
        table.family.key_parent = Some(*oid);
    }
    for index in &parent.indexes {
        if adopt(parent, index, table) {
            continue;
        }
        add_key(table, &index_request(parent, index), catalog, None)?;
        if let Some(own) = table.indexes.last_mut() {
            own.parent = Some(index.oid);
        }
    }
    check_unique(table)
}

/// Gives a partition its parts of the parent's foreign keys; those that are new.
///
/// # Errors
/// XX001 when a column is missing.
pub(super) fn add_foreign_keys(
    parent: &TableDescriptor,
    table: &mut TableDescriptor,
    catalog: &mut Catalog,
) -> Result<Vec<ForeignKey>, SqlError> {
    let map = attribute_map(parent, table);
    let mut added = Vec::new();
    for key in &parent.foreign_keys {
        if table
            .foreign_keys
            .iter()
            .any(|own| own.parent == Some(key.oid))
        {
            continue;
        }
        let columns = mapped(&map, &key.columns);
        let set_columns = mapped(&map, &key.set_columns);
        let (Some(columns), Some(set_columns)) = (columns, set_columns) else {
            return Err(SqlError::corrupted(
                "a partition without a column of its parent",
            ));
        };
        let like = |own: &&mut ForeignKey| {
            own.parent.is_none()
                && own.columns == columns
                && own.referenced == key.referenced
                && own.referenced_columns == key.referenced_columns
                && own.on_update == key.on_update
                && own.on_delete == key.on_delete
                && own.match_full == key.match_full
                && own.deferrable == key.deferrable
                && own.deferred == key.deferred
                && own.validated
        };
        if let Some(own) = table.foreign_keys.iter_mut().find(like) {
            own.parent = Some(key.oid);
            continue;
        }
        let name = match table.has_constraint(&key.name) {
            false => key.name.clone(),
            true => {
                let joined = names(table, &columns).join("_");
                free_name(&table.name, &joined, "fkey", |name| {
                    !table.has_constraint(name)
                })
            }
        };
        let part = ForeignKey {
            oid: catalog.allocate_oid(),
            name,
            columns,
            set_columns,
            parent: Some(key.oid),
            ..key.clone()
        };
        table.foreign_keys.push(part.clone());
        added.push(part);
    }
    Ok(added)
}

impl Session {
    /// Gives all partitions of a table their parts of its keys, indexes and foreign
    /// keys, built over the rows that are there.
    ///
    /// # Errors
    /// 23505, 23503 for rows that do not comply.
    pub(in super::super) fn spread_keys(&mut self, parent: u32) -> Boxed<'_, ()> {
        Box::pin(async move {
            let catalog = self.catalog()?;
            let Some(parent) = catalog.table_by_oid(parent).cloned() else {
                return Ok(());
            };
            if !parent.is_partitioned() {
                return Ok(());
            }
            check_unique(&parent)?;
            for child in catalog.children(parent.oid) {
                self.spread_to(&parent, child.oid).await?;
                self.spread_keys(child.oid).await?;
            }
            Ok(())
        })
    }

    async fn spread_to(
        &mut self,
        parent: &Arc<TableDescriptor>,
        child: u32,
    ) -> Result<(), SqlError> {
        self.lock_table(child, LockMode::AccessExclusive).await?;
        let catalog = self.catalog()?.as_ref().clone();
        let Some(table) = catalog.table_by_oid(child).cloned() else {
            return Ok(());
        };
        let mut a = Alteration::new(catalog, table.as_ref().clone());
        if let Some((_, oid)) = &parent.primary_key_name
            && a.table.family.key_parent != Some(*oid)
        {
            check_primary(parent, &a.table)?;
            if a.table.primary_key.is_empty() {
                self.add_key(&primary_request(parent), &mut a)?;
            }
            a.table.family.key_parent = Some(*oid);
            self.keep(&mut a)?;
        }
        for index in &parent.indexes {
            if !adopt(parent, index, &mut a.table) {
                self.add_key(&index_request(parent, index), &mut a)?;
                if let Some(own) = a.table.indexes.last_mut() {
                    own.parent = Some(index.oid);
                }
            }
            self.keep(&mut a)?;
        }
        let keys = add_foreign_keys(parent, &mut a.table, &mut a.catalog)?;
        self.keep(&mut a)?;
        for key in keys.iter().filter(|key| key.validated) {
            let view = self.current_rows()?;
            foreign_key::validate(key, &a.catalog, child, &view, &self.cancel)?;
        }
        Ok(())
    }
}
