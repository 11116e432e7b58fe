//! The tables behind a table that others inherit from, or that is partitioned.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::key_bounds::{KeyRange, key_ranges};
use crate::catalog::{
    BoundKey, Catalog, EdgeKey, PartitionBy, TableDescriptor, attribute_map, value_key,
};
use crate::error::SqlError;
use crate::exec::table::TableInfo;
use crate::txn::prefix_end;
use crate::types::{Datum, PgType};

/// A table that rows of another one are in.
#[derive(Debug)]
pub(super) struct Member {
    /// The table, its columns called as the other table calls them.
    pub(super) info: Arc<TableInfo>,
    /// Position of each attribute of the other table in this one.
    pub(super) positions: Vec<Option<usize>>,
    gates: Vec<Gate>,
}

/// What the rows of a partition have in their key.
#[derive(Debug, Clone)]
struct Gate {
    columns: Vec<(String, PgType)>,
    /// Ranges of the bytes of the key.
    ranges: Vec<KeyRange>,
}

/// The tables with the rows of `root`; nothing when it has them all itself. `root`
/// may call its columns otherwise than the catalog does.
///
/// # Errors
/// XX001 when a descriptor is damaged.
pub(super) fn members_of(
    root: &TableDescriptor,
    catalog: &Catalog,
) -> Result<Option<Vec<Member>>, SqlError> {
    if !root.is_partitioned() && !catalog.has_children(root.oid) {
        return Ok(None);
    }
    let Some(stored) = catalog.table_by_oid(root.oid) else {
        return Ok(None);
    };
    let mut members = Vec::new();
    for table in catalog.members(root.oid) {
        if table.is_partitioned() {
            continue;
        }
        let map = attribute_map(stored, &table);
        let gates = gates_of(&table, root, stored, catalog)?;
        let mut table = table.as_ref().clone();
        for (column, attnum) in root.columns.iter().zip(&map) {
            let place = attnum.and_then(|n| usize::from(n).checked_sub(1));
            if let Some(own) = place.and_then(|at| table.columns.get_mut(at)) {
                own.name.clone_from(&column.name);
            }
        }
        let positions = map
            .iter()
            .map(|attnum| attnum.and_then(|n| usize::from(n).checked_sub(1)))
            .collect();
        members.push(Member {
            info: Arc::new(TableInfo::new(Arc::new(table))?),
            positions,
            gates,
        });
    }
    Ok(Some(members))
}

/// What is known of the rows of a leaf below `root`.
fn gates_of(
    leaf: &TableDescriptor,
    root: &TableDescriptor,
    stored: &TableDescriptor,
    catalog: &Catalog,
) -> Result<Vec<Gate>, SqlError> {
    let mut gates = Vec::new();
    let mut table = leaf;
    for parent in catalog.partitioned_above(leaf.oid) {
        let parent = match catalog.table_by_oid(parent.oid) {
            Some(parent) => parent,
            None => break,
        };
        gates.extend(gate_of(table, parent, root, stored)?);
        if parent.oid == root.oid {
            break;
        }
        table = parent;
    }
    Ok(gates)
}

fn gate_of(
    part: &TableDescriptor,
    parent: &TableDescriptor,
    root: &TableDescriptor,
    stored: &TableDescriptor,
) -> Result<Option<Gate>, SqlError> {
    let (Some(by), Some(bound)) = (&parent.family.partition_by, &part.family.bound) else {
        return Ok(None);
    };
    let Some(columns) = key_columns(by, parent, root, stored) else {
        return Ok(None);
    };
    let ranges = match bound.compared(by)? {
        BoundKey::Default | BoundKey::Hash(..) => return Ok(None),
        BoundKey::Range(from, to) => vec![KeyRange {
            start: edge_bytes(&from).unwrap_or_default(),
            end: edge_bytes(&to),
        }],
        BoundKey::List(values, null) => {
            let null = match null {
                true => Some(value_key(&Datum::Null)?),
                false => None,
            };
            let value = |start: Vec<u8>| KeyRange {
                end: prefix_end(&start),
                start,
            };
            values.into_iter().chain(null).map(value).collect()
        }
    };
    Ok(Some(Gate { columns, ranges }))
}

/// The columns of a partition key as `root` calls them; nothing when an expression
/// is among them.
fn key_columns(
    by: &PartitionBy,
    parent: &TableDescriptor,
    root: &TableDescriptor,
    stored: &TableDescriptor,
) -> Option<Vec<(String, PgType)>> {
    by.keys
        .iter()
        .map(|key| {
            let name = &parent.attribute(key.column?)?.name;
            let attnum = stored.column(name)?.attnum;
            let column = root.attribute(attnum)?;
            Some((column.name.clone(), key.ty))
        })
        .collect()
}

/// Where the keys begin that are not before an edge; nothing when there are none.
fn edge_bytes(edge: &[EdgeKey]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for key in edge {
        match key {
            EdgeKey::Value(value) => bytes.extend_from_slice(value),
            EdgeKey::Least => return Some(bytes),
            EdgeKey::Greatest => return prefix_end(&bytes),
        }
    }
    Some(bytes)
}

impl Member {
    /// Whether rows that satisfy `filters` can be in it.
    ///
    /// # Errors
    /// XX000 when a value has no key form.
    pub(super) fn may_have(&self, filters: &[Expr]) -> Result<bool, SqlError> {
        for gate in &self.gates {
            let columns: Vec<(&str, PgType)> = gate
                .columns
                .iter()
                .map(|(name, ty)| (name.as_str(), *ty))
                .collect();
            let wanted = key_ranges(filters, &columns)?;
            if wanted.fixed == 0 && !wanted.ranged {
                continue;
            }
            let meets = wanted
                .ranges
                .iter()
                .any(|range| gate.ranges.iter().any(|own| overlap(own, range)));
            if !meets {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn overlap(a: &KeyRange, b: &KeyRange) -> bool {
    let before = |end: &Option<Vec<u8>>, start: &[u8]| {
        end.as_ref().is_some_and(|end| end.as_slice() <= start)
    };
    !before(&a.end, &b.start) && !before(&b.end, &a.start)
}
