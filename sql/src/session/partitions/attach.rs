//! ATTACH and DETACH PARTITION.

use std::sync::Arc;

use sqlparser::ast::{ForValues, ObjectName};

use super::super::Session;
use super::super::alter::Alteration;
use super::bound::{Reading, check_overlap};
use super::create::refuse_deep;
use crate::catalog::{Catalog, CatalogChange, CatalogEntry, ForeignKey, Heritage, TableDescriptor};
use crate::error::{SqlError, state};
use crate::exec::foreign_key;
use crate::txn::{Layer, LockMode};

fn wrong_kind(message: impl Into<String>) -> SqlError {
    SqlError::new(state::WRONG_OBJECT_TYPE, message)
}

impl Session {
    /// The changed descriptor of a table becomes the transaction's.
    pub(super) fn keep_table(&mut self, table: TableDescriptor) -> Result<(), SqlError> {
        let catalog = self.catalog()?.as_ref().clone();
        let change = CatalogChange::Put(CatalogEntry::Table(Box::new(table)));
        self.change_catalog(catalog, vec![change], Layer::default())
    }

    /// A table as it is now.
    pub(super) fn table_now(&self, oid: u32) -> Result<Arc<TableDescriptor>, SqlError> {
        let found = self.catalog()?.table_by_oid(oid).cloned();
        found.ok_or_else(|| SqlError::internal(format!("no table {oid}")))
    }

    pub(super) async fn attach_partition(
        &mut self,
        parent: u32,
        part: &ObjectName,
        said: &ForValues,
    ) -> Result<(), SqlError> {
        let parent = self.table_now(parent)?;
        let Some(by) = parent.family.partition_by.clone() else {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                format!("table \"{}\" is not partitioned", parent.name),
            ));
        };
        let catalog = self.catalog()?.as_ref().clone();
        let table = self.parent_named(part, &catalog)?;
        self.lock_table(parent.oid, LockMode::ShareUpdateExclusive)
            .await?;
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        self.no_pending_checks("ALTER TABLE", &table)?;
        check_attachable(&parent, &table, &catalog)?;
        self.refuse_temporary(&parent, table.schema, "partition", &catalog)?;
        refuse_deep(parent.oid, Some(table.oid), &catalog)?;
        let (planning, session) = (self.planning()?, self.session_info()?);
        let reading = Reading {
            planning: &planning,
            session: &session,
        };
        let bound = reading.bound(said, &parent, &by)?;
        check_overlap(&table.name, &bound, &parent, &by, &catalog)?;
        let mut child = table.as_ref().clone();
        super::inherit::merge_into(&parent, &mut child, true)?;
        child.family.parents = vec![parent.oid];
        child.family.bound = Some(bound);
        let identity = child.live_columns().any(|c| c.identity.is_some());
        if identity {
            return Err(SqlError::unsupported("a partition with an identity column"));
        }
        self.keep_table(child)?;
        self.spread_keys(parent.oid).await?;
        let catalog = self.catalog()?.as_ref().clone();
        self.check_attached(&parent, table.oid, &catalog).await?;
        self.check_default_contents(&parent, &table, &catalog).await
    }

    pub(super) async fn detach_partition(
        &mut self,
        parent: u32,
        part: &ObjectName,
    ) -> Result<(), SqlError> {
        let parent = self.table_now(parent)?;
        if !parent.is_partitioned() {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                format!("table \"{}\" is not partitioned", parent.name),
            ));
        }
        let catalog = self.catalog()?.as_ref().clone();
        let table = self.parent_named(part, &catalog)?;
        if !table.is_partition() || !table.family.parents.contains(&parent.oid) {
            return Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!(
                    "relation \"{}\" is not a partition of relation \"{}\"",
                    table.name, parent.name
                ),
            ));
        }
        self.lock_table(parent.oid, LockMode::ShareUpdateExclusive)
            .await?;
        for member in catalog.members(table.oid) {
            self.lock_table(member.oid, LockMode::AccessExclusive)
                .await?;
        }
        if let Some(default) = catalog.default_partition(parent.oid).map(|t| t.oid) {
            self.lock_table(default, LockMode::AccessExclusive).await?;
        }
        self.no_pending_checks("ALTER TABLE", &table)?;
        let mut child = table.as_ref().clone();
        child.family.parents.clear();
        child.family.bound = None;
        child.family.key_parent = None;
        for column in &mut child.columns {
            column.heritage = Heritage::default();
        }
        for check in &mut child.checks {
            check.heritage = Heritage::default();
        }
        for index in &mut child.indexes {
            index.parent = None;
        }
        for key in &mut child.foreign_keys {
            key.parent = None;
        }
        self.keep_table(child)?;
        self.check_still_referred_to(&table, &parent)
    }

    /// Rows that refer to `parent` must not refer to rows of a partition that is gone
    /// from it.
    ///
    /// # Errors
    /// 23503.
    pub(in super::super) fn check_still_referred_to(
        &mut self,
        part: &TableDescriptor,
        parent: &Arc<TableDescriptor>,
    ) -> Result<(), SqlError> {
        let catalog = self.catalog()?;
        let above =
            std::iter::once(Arc::clone(parent)).chain(catalog.partitioned_above(parent.oid));
        let mut keys: Vec<(u32, ForeignKey)> = Vec::new();
        for table in above {
            let users = catalog.referencing(table.oid);
            keys.extend(users.map(|(user, key)| (user.oid, key.clone())));
        }
        for (user, key) in keys.into_iter().filter(|(_, key)| key.validated) {
            let view = self.current_rows()?;
            let checked = foreign_key::validate(&key, &catalog, user, &view, &self.cancel);
            if let Err(error) = checked {
                if error.sqlstate() != state::FOREIGN_KEY_VIOLATION {
                    return Err(error);
                }
                return Err(SqlError::new(
                    state::FOREIGN_KEY_VIOLATION,
                    format!(
                        "removing partition \"{}\" violates foreign key constraint \"{}\"",
                        part.name, key.name
                    ),
                )
                .constraint(key.name));
            }
        }
        Ok(())
    }
}

/// Whether a table can become a partition at all.
fn check_attachable(
    parent: &TableDescriptor,
    table: &TableDescriptor,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    if table.is_partition() {
        return Err(wrong_kind(format!(
            "\"{}\" is already a partition",
            table.name
        )));
    }
    if !table.family.parents.is_empty() {
        return Err(wrong_kind("cannot attach inheritance child as partition"));
    }
    if !table.is_partitioned() && catalog.has_children(table.oid) {
        return Err(wrong_kind("cannot attach inheritance parent as partition"));
    }
    let whole = std::iter::once(parent.oid)
        .chain(catalog.partitioned_above(parent.oid).iter().map(|t| t.oid))
        .collect::<Vec<_>>();
    if let Some(key) = table
        .foreign_keys
        .iter()
        .find(|key| whole.contains(&key.referenced))
    {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!(
                "cannot attach table \"{}\" as a partition because it is referenced by foreign key \"{}\"",
                table.name, key.name
            ),
        ));
    }
    let below = catalog.members(table.oid);
    if below.iter().any(|t| t.oid == parent.oid) {
        return Err(
            SqlError::new(state::DUPLICATE_TABLE, "circular inheritance not allowed").detail(
                format!(
                    "\"{}\" is already a child of \"{}\".",
                    parent.name, table.name
                ),
            ),
        );
    }
    Ok(())
}

impl Alteration {
    /// A table that is about to change.
    pub(in super::super) fn new(catalog: Catalog, table: TableDescriptor) -> Self {
        Self {
            catalog,
            table,
            layer: Layer::default(),
            sequences: Vec::new(),
        }
    }
}
