//! Changing rows that may have to move to another partition.

use super::member::Member;
use crate::error::{SqlError, state};
use crate::exec::table::TableInfo;
use crate::exec::write::StatementWriter;
use crate::txn::LockMode;
use crate::types::Datum;

/// A row of a member and what becomes of it.
pub(crate) struct Replaced<'a> {
    /// Its key.
    pub(crate) key: &'a [u8],
    /// As it is in the member.
    pub(crate) old: &'a [Datum],
    /// As it will be, in the order of the target.
    pub(crate) new: &'a [Datum],
    /// The columns of the target that change.
    pub(crate) columns: &'a [u16],
}

impl StatementWriter<'_> {
    /// Replaces a locked row of a member of `target`; gives the table it is in now.
    /// It moves when it belongs into another partition of the target.
    ///
    /// # Errors
    /// 23514 when no partition takes it; whatever the row may violate, lock and
    /// storage errors.
    pub(crate) async fn replace(
        &mut self,
        target: &TableInfo,
        member: &Member,
        row: Replaced<'_>,
    ) -> Result<u32, SqlError> {
        let mut own = member.changed(row.old, row.new, row.columns)?;
        let columns = member.own_columns(row.columns)?;
        let table = &member.table;
        if !table.desc.is_partition() || self.fits(&table.desc, &own)? {
            self.update_in_place(table, row.key, row.old, &mut own, &columns)
                .await?;
            return Ok(table.desc.oid);
        }
        if !target.desc.is_partitioned() {
            self.check_row(table, &own)?;
            return Err(self.does_not_fit(table, &own));
        }
        self.refuse_referenced_parts(target, table)?;
        // The whole row, as the target has it.
        let moved = member.as_target(&own);
        let (place, mut inserted) = self.place_of(target, &moved)?;
        self.lock_again(table, row.key, LockMode::RowUpdate).await?;
        self.remove(table, row.key, row.old).await?;
        self.insert_into(&place.table, &mut inserted).await?;
        let all: Vec<u16> = target.desc.columns.iter().map(|c| c.attnum).collect();
        let before = member.as_target(row.old);
        self.note_gone(&target.desc, &before, Some((&moved, &all)))?;
        Ok(place.table.desc.oid)
    }

    /// Rows that refer to a part of the target would not follow to another one.
    fn refuse_referenced_parts(
        &self,
        target: &TableInfo,
        table: &TableInfo,
    ) -> Result<(), SqlError> {
        let catalog = self.catalog()?;
        let above = catalog.partitioned_above(table.desc.oid);
        let root = above.last().map_or("", |table| table.name.as_str());
        let parts = std::iter::once(&table.desc).chain(&above);
        for part in parts.take_while(|part| part.oid != target.desc.oid) {
            if catalog.referencing(part.oid).next().is_none() {
                continue;
            }
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "cannot move tuple across partitions when a non-root ancestor of the source partition is directly referenced in a foreign key",
            )
            .detail(format!(
                "A foreign key points to ancestor \"{}\" but not the root ancestor \"{root}\".",
                part.name
            )));
        }
        Ok(())
    }

    /// As [`Self::replace`], for ON CONFLICT DO UPDATE, which moves no rows.
    ///
    /// # Errors
    /// 0A000 when the row belongs into another partition.
    pub(crate) async fn replace_in_place(
        &mut self,
        member: &Member,
        row: Replaced<'_>,
    ) -> Result<(), SqlError> {
        let mut own = member.changed(row.old, row.new, row.columns)?;
        let table = &member.table;
        if table.desc.is_partition() && !self.fits(&table.desc, &own)? {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "invalid ON UPDATE specification",
            )
            .detail(
                "The result tuple would appear in a different partition than the original tuple.",
            ));
        }
        let columns = member.own_columns(row.columns)?;
        self.update_in_place(table, row.key, row.old, &mut own, &columns)
            .await
    }
}
