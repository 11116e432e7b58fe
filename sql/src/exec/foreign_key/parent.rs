//! Where a referenced key is looked up: in the table itself, or in the partition that
//! would have it.

use std::sync::Arc;

use crate::catalog::{BoundKey, Catalog, EdgeKey, TableDescriptor, value_key};
use crate::error::SqlError;
use crate::exec::index_entry;
use crate::exec::table::TableInfo;
use crate::txn::{ReadView, StreamKey};
use crate::types::{Datum, key};

/// A table that referenced rows are in.
#[derive(Debug)]
pub(super) struct ParentPart {
    pub(super) info: Arc<TableInfo>,
    /// The index of the key; none for the rows themselves.
    index: Option<StreamKey>,
    /// Positions in the foreign key of the columns of that index, in its order.
    order: Vec<usize>,
    gates: Vec<Gate>,
}

/// What the keys of a partition have in common.
#[derive(Debug, Clone)]
struct Gate {
    /// Positions in the foreign key of the columns the table is partitioned by.
    positions: Vec<usize>,
    bound: BoundKey,
}

impl Gate {
    /// Whether a key may be in the partition.
    fn may_have(&self, wanted: &[Datum]) -> Result<bool, SqlError> {
        let value = |position: &usize| value_key(wanted.get(*position).unwrap_or(&Datum::Null));
        Ok(match &self.bound {
            BoundKey::Default | BoundKey::Hash(..) => true,
            BoundKey::List(values, _) => match self.positions.first() {
                Some(position) => values.binary_search(&value(position)?).is_ok(),
                None => true,
            },
            BoundKey::Range(from, to) => {
                let values = self.positions.iter().map(value);
                let edge = values
                    .map(|value| value.map(EdgeKey::Value))
                    .collect::<Result<Vec<_>, _>>()?;
                *from <= edge && edge < *to
            }
        })
    }
}

/// The position in `of` of each of `columns`, as far as they are in it.
pub(super) fn leading(columns: &[u16], of: &[u16]) -> Vec<usize> {
    columns
        .iter()
        .map_while(|column| of.iter().position(|c| c == column))
        .collect()
}

/// The tables with the rows that a foreign key to `columns` of `table` refers to, by
/// its unique index; nothing when that is not there.
///
/// # Errors
/// XX001 for damaged descriptors.
pub(super) fn parts(
    table: &Arc<TableInfo>,
    index: u32,
    columns: &[u16],
    catalog: &Catalog,
) -> Result<Option<Vec<ParentPart>>, SqlError> {
    let mut found = Vec::new();
    let whole = Some((index, columns.to_vec(), Vec::new()));
    let mut next: Vec<(Arc<TableInfo>, _)> = vec![(Arc::clone(table), whole)];
    while let Some((info, place)) = next.pop() {
        let Some((index, columns, gates)) = place else {
            return Ok(None);
        };
        if info.desc.is_partitioned() {
            for child in catalog.children(info.desc.oid) {
                let place = below(&info.desc, child, index, &columns, &gates)?;
                next.push((Arc::new(TableInfo::new(Arc::clone(child))?), place));
            }
            continue;
        }
        let primary = info.desc.primary_key_name.as_ref();
        let own = info.desc.indexes.iter().find(|i| i.oid == index);
        let (stream, key) = match (primary.is_some_and(|(_, oid)| *oid == index), own) {
            (true, _) => (None, &info.desc.primary_key),
            (false, Some(own)) => (Some(TableInfo::index_stream(own)), &own.columns),
            (false, None) => return Ok(None),
        };
        let order = leading(key, &columns);
        found.push(ParentPart {
            index: stream,
            order,
            gates,
            info,
        });
    }
    Ok(Some(found))
}

type Below = Option<(u32, Vec<u16>, Vec<Gate>)>;

/// The same in a partition: its part of the index, and the columns there.
fn below(
    table: &TableDescriptor,
    child: &TableDescriptor,
    index: u32,
    columns: &[u16],
    gates: &[Gate],
) -> Result<Below, SqlError> {
    let own = match child.family.key_parent {
        Some(parent) if parent == index => child.primary_key_name.as_ref().map(|(_, oid)| *oid),
        _ => {
            let part = child.indexes.iter().find(|i| i.parent == Some(index));
            part.map(|i| i.oid)
        }
    };
    let map = crate::catalog::attribute_map(table, child);
    let (Some(own), Some(mapped)) = (own, crate::catalog::mapped(&map, columns)) else {
        return Ok(None);
    };
    let mut gates = gates.to_vec();
    if let (Some(by), Some(bound)) = (&table.family.partition_by, &child.family.bound) {
        let keys: Option<Vec<u16>> = by.keys.iter().map(|key| key.column).collect();
        let positions = keys.map(|keys| (leading(&keys, columns), keys.len()));
        if let Some((positions, count)) = positions
            && positions.len() == count
        {
            let bound = bound.compared(by)?;
            gates.push(Gate { positions, bound });
        }
    }
    Ok(Some((own, mapped, gates)))
}

impl ParentPart {
    /// The row that has a key.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) fn find(&self, key: &[Datum], view: &ReadView) -> Result<Option<Vec<u8>>, SqlError> {
        for gate in &self.gates {
            if !gate.may_have(key)? {
                return Ok(None);
            }
        }
        let mut encoded = Vec::with_capacity(16);
        for position in &self.order {
            let value = key.get(*position).unwrap_or(&Datum::Null);
            key::encode(value, &mut encoded)?;
        }
        let mut scratch = Vec::new();
        let Some(stream) = self.index else {
            let there = view.get(self.info.rows, &encoded, &mut scratch, |_| ())?;
            return Ok(there.map(|()| encoded));
        };
        let found = view.get(stream, &encoded, &mut scratch, |entry| {
            index_entry::row_key(&encoded, entry.value).map(<[u8]>::to_vec)
        })?;
        found.transpose()
    }
}
