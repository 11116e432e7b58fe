//! Partitioned tables and inheritance: making them, putting them together and taking
//! them apart.

mod attach;
mod bound;
mod create;
mod fits;
mod indexes;
mod inherit;
mod key;
mod recurse;
mod refuse;

pub(super) use recurse::Spreading;
pub(super) use refuse::{index_above, refuse as refuse_in_family};

use super::Session;
use super::partition_clauses::{AlterFamily, FamilyChange};
use crate::catalog::QualifiedName;
use crate::error::SqlError;

impl Session {
    /// ALTER TABLE that attaches, detaches or inherits.
    pub(super) async fn alter_family(&mut self, alter: &AlterFamily) -> Result<String, SqlError> {
        const TAG: &str = "ALTER TABLE";
        let catalog = self.catalog_to_change(TAG).await?;
        let name = QualifiedName::from_ast(&alter.table, &self.database)?;
        let path = self.settings.search_path();
        if alter.if_exists && catalog.find_relation(&name, path).is_none() {
            self.notice(format!(
                "relation \"{}\" does not exist, skipping",
                name.name
            ));
            return Ok(TAG.to_owned());
        }
        let table = self.table_to_change(&alter.table, &catalog)?;
        match &alter.change {
            FamilyChange::Attach(part, bound) => {
                self.attach_partition(table.oid, part, bound).await?;
            }
            FamilyChange::Detach(_, true) => {
                return Err(SqlError::unsupported("DETACH PARTITION CONCURRENTLY"));
            }
            FamilyChange::Detach(part, false) => self.detach_partition(table.oid, part).await?,
            FamilyChange::Inherit(parent) => self.add_parent(table.oid, parent).await?,
            FamilyChange::NoInherit(parent) => self.remove_parent(table.oid, parent).await?,
        }
        Ok(TAG.to_owned())
    }
}
