//! A table that rows of a statement's target are in.

use std::sync::Arc;

use crate::catalog::{TableDescriptor, attribute_map};
use crate::error::SqlError;
use crate::exec::table::{TableInfo, datum_at};
use crate::types::Datum;

/// A member of a target.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) table: Arc<TableInfo>,
    /// For each attribute of the target the one that it is here; none when all are
    /// the same.
    map: Option<Vec<Option<u16>>>,
}

impl Member {
    /// A member of `target`.
    pub(crate) fn new(target: &TableDescriptor, table: Arc<TableInfo>) -> Self {
        let map = attribute_map(target, &table.desc);
        let same = target.columns.len() == table.desc.columns.len()
            && map
                .iter()
                .zip(&target.columns)
                .all(|(own, column)| column.dropped || *own == Some(column.attnum));
        Self {
            table,
            map: (!same).then_some(map),
        }
    }

    /// A row of the member as one of the target; the table it is in comes last.
    pub(crate) fn as_target(&self, own: &[Datum]) -> Vec<Datum> {
        let mut row: Vec<Datum> = match &self.map {
            None => own.to_vec(),
            Some(map) => map
                .iter()
                .map(|attnum| attnum.map_or(Datum::Null, |n| datum_at(own, n).clone()))
                .collect(),
        };
        row.push(Datum::Oid(self.table.desc.oid));
        row
    }

    /// A complete row of the target as one of the member.
    pub(crate) fn as_own(&self, target: &[Datum]) -> Vec<Datum> {
        let width = self.table.desc.columns.len();
        match &self.map {
            None => target.iter().take(width).cloned().collect(),
            Some(map) => {
                let mut own = vec![Datum::Null; width];
                for (value, attnum) in target.iter().zip(map) {
                    if let Some(slot) = attnum.and_then(|n| slot(&mut own, n)) {
                        slot.clone_from(value);
                    }
                }
                own
            }
        }
    }

    /// Columns of the target as those of the member.
    ///
    /// # Errors
    /// XX001 when one is missing.
    pub(crate) fn own_columns(&self, columns: &[u16]) -> Result<Vec<u16>, SqlError> {
        let Some(map) = &self.map else {
            return Ok(columns.to_vec());
        };
        crate::catalog::mapped(map, columns).ok_or_else(|| {
            SqlError::corrupted(format!(
                "table \"{}\" lacks a column that it inherits",
                self.table.desc.name
            ))
        })
    }

    /// The row of the member after `columns` of the target have changed to what they
    /// are in `new`.
    ///
    /// # Errors
    /// XX001 when a column is missing.
    pub(crate) fn changed(
        &self,
        own: &[Datum],
        new: &[Datum],
        columns: &[u16],
    ) -> Result<Vec<Datum>, SqlError> {
        let mut row = own.to_vec();
        for (own, attnum) in self.own_columns(columns)?.iter().zip(columns) {
            if let Some(slot) = slot(&mut row, *own) {
                slot.clone_from(datum_at(new, *attnum));
            }
        }
        Ok(row)
    }
}

fn slot(row: &mut [Datum], attnum: u16) -> Option<&mut Datum> {
    row.get_mut(usize::from(attnum).checked_sub(1)?)
}
