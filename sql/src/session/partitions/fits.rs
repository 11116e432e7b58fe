//! Whether the rows that are there fit the bounds that are new.

use std::sync::Arc;

use super::super::Session;
use super::super::rewrite::for_each_row;
use crate::catalog::{Catalog, TableDescriptor};
use crate::error::{SqlError, state};
use crate::exec::family::{Member, Router};
use crate::exec::table::TableInfo;
use crate::txn::LockMode;
use crate::types::Datum;

impl Session {
    /// Looks at the rows of all leaves of `part`, a partition of `parent`: each must be
    /// one that `catalog` has in `part`.
    ///
    /// # Errors
    /// 23514 with the message that `refused` gives for the leaf.
    async fn check_contents(
        &mut self,
        parent: &Arc<TableDescriptor>,
        part: u32,
        catalog: &Catalog,
        refused: impl Fn(&TableDescriptor) -> String,
    ) -> Result<(), SqlError> {
        let mut planning = self.planning()?;
        planning.catalog = Arc::new(catalog.clone());
        let session = self.session_info()?;
        let mut routers = Vec::new();
        let mut child = part;
        let above =
            std::iter::once(Arc::clone(parent)).chain(catalog.partitioned_above(parent.oid));
        for table in above {
            if let Some(router) = Router::new(&table, &planning, &session)? {
                routers.push((router, Arc::clone(&table), child));
            }
            child = table.oid;
        }
        for leaf in catalog.members(part) {
            self.lock_table(leaf.oid, LockMode::AccessExclusive).await?;
            if leaf.is_partitioned() {
                continue;
            }
            let info = Arc::new(TableInfo::new(Arc::clone(&leaf))?);
            let members: Vec<Member> = routers
                .iter()
                .map(|(_, table, _)| Member::new(table, Arc::clone(&info)))
                .collect();
            let snapshot = self.engine.snapshot();
            let view = self.transaction()?.newest_view(snapshot);
            for_each_row(&info, &view, &self.cancel, |_, _, row: Vec<Datum>| {
                for ((router, _, child), member) in routers.iter().zip(&members) {
                    if router.partition_of(&member.as_target(&row))? != Some(*child) {
                        let error = SqlError::new(state::CHECK_VIOLATION, refused(&leaf));
                        return Err(catalog.concerning(&leaf, error));
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Rows of the default partition must not be those of a new one, `table`, which
    /// `catalog` has.
    ///
    /// # Errors
    /// 23514.
    pub(super) async fn check_default_contents(
        &mut self,
        parent: &Arc<TableDescriptor>,
        table: &TableDescriptor,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let default = catalog.default_partition(parent.oid).map(|t| t.oid);
        let Some(default) = default.filter(|oid| *oid != table.oid) else {
            return Ok(());
        };
        self.check_contents(parent, default, catalog, |leaf| {
            format!(
                "updated partition constraint for default partition \"{}\" would be violated by some row",
                leaf.name
            )
        })
        .await
    }

    /// The rows of a table that becomes a partition must be those that it takes.
    ///
    /// # Errors
    /// 23514.
    pub(super) async fn check_attached(
        &mut self,
        parent: &Arc<TableDescriptor>,
        part: u32,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let default = catalog.default_partition(parent.oid).map(|t| t.oid);
        self.check_contents(parent, part, catalog, |leaf| match default == Some(part) {
            true => format!(
                "updated partition constraint for default partition \"{}\" would be violated by some row",
                leaf.name
            ),
            false => format!(
                "partition constraint of relation \"{}\" is violated by some row",
                leaf.name
            ),
        })
        .await
    }
}
