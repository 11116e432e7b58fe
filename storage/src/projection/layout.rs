//! Where things are in the projection: column families, keys and values.
//!
//! | Family | Key | Value |
//! |---|---|---|
//! | `rows`, `catalog` | physical key | csn u64 LE ‖ value |
//! | `index` | physical key | value |
//! | `history` | space u8 ‖ physical key ‖ `to` csn u64 BE | `from` csn u64 LE ‖ value |
//! | `merkle` | tenant ‖ `N` ‖ level u8 ‖ index u64 BE | node, 32 bytes; the leaf of event `tenant_seq` is at level 0 (`trees.rs`) |
//! | `merkle` | tenant ‖ `F` | the tenant's [`Frontier`](crate::merkle::Frontier) |
//! | `keys` | tenant ‖ key id u64 BE | the key record, as in the log |
//! | `meta` | `applied`, `bulk` | a position (`meta.rs`) |
//! | `meta` | `control/` ‖ block index u64 BE ‖ ordinal u16 BE | the body of a control event, as in the log |
//!
//! A **physical key** is tenant (16) ‖ stream u64 BE (8) ‖ the change's key. A
//! **csn** (commit sequence number) is block index ≪ 16 | ordinal of the event in
//! the block: it orders versions, and says in which block a version came to be. A
//! version that `history` keeps was visible in `[from, to)`.
//!
//! There is no prefix extractor although every key begins with 24 bytes of
//! tenant and stream: point reads are served by whole-key filters, scans are
//! bounded, and a scan of a whole table would not be excluded by a prefix filter.
//! Without one, every iterator is in total order by construction.

use rocksdb::{ColumnFamily, DB};

use crate::error::{Result, StorageError};
use crate::ids::{KeyId, TenantId};
use crate::txn::Space;

/// Bytes of a csn in front of a value.
pub(super) const CSN_LEN: usize = 8;

/// Bytes of tenant and stream in front of a physical key.
pub const PHYSICAL_PREFIX_LEN: usize = 24;

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Rows,
    History,
    Index,
    Catalog,
    Merkle,
    Keys,
    Meta,
}

impl Family {
    pub(super) const ALL: [Self; 7] = [
        Self::Rows,
        Self::History,
        Self::Index,
        Self::Catalog,
        Self::Merkle,
        Self::Keys,
        Self::Meta,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::History => "history",
            Self::Index => "index",
            Self::Catalog => "catalog",
            Self::Merkle => "merkle",
            Self::Keys => "keys",
            Self::Meta => "meta",
        }
    }

    /// The family that holds the current state of a space.
    pub(super) const fn of(space: Space) -> Self {
        match space {
            Space::Rows => Self::Rows,
            Space::Index => Self::Index,
            Space::Catalog => Self::Catalog,
        }
    }
}

/// The families' handles; looking one up by name costs more than a cached read.
pub(super) struct Families<'e> {
    handles: [&'e ColumnFamily; 7],
}

impl<'e> Families<'e> {
    pub(super) fn of(db: &'e DB) -> Result<Self> {
        let find = |family: Family| {
            db.cf_handle(family.name()).ok_or_else(|| {
                StorageError::Projection(format!("column family {} is missing", family.name()))
            })
        };
        let [a, b, c, d, e, f, g] = Family::ALL;
        let handles = [
            find(a)?,
            find(b)?,
            find(c)?,
            find(d)?,
            find(e)?,
            find(f)?,
            find(g)?,
        ];
        Ok(Self { handles })
    }

    pub(super) const fn get(&self, family: Family) -> &'e ColumnFamily {
        let [rows, history, index, catalog, merkle, keys, meta] = self.handles;
        match family {
            Family::Rows => rows,
            Family::History => history,
            Family::Index => index,
            Family::Catalog => catalog,
            Family::Merkle => merkle,
            Family::Keys => keys,
            Family::Meta => meta,
        }
    }

    pub(super) const fn all(&self) -> &[&'e ColumnFamily] {
        &self.handles
    }
}

/// The commit sequence number of what event `ordinal` of block `index` wrote.
#[must_use]
pub const fn csn(index: u64, ordinal: u16) -> u64 {
    index << 16 | ordinal as u64
}

/// Writes a physical key over `out`.
pub(super) fn physical_key(out: &mut Vec<u8>, tenant: TenantId, stream: u64, key: &[u8]) {
    out.clear();
    out.extend_from_slice(&tenant.0);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(key);
}

/// Writes a versioned value over `out`.
pub(super) fn versioned(out: &mut Vec<u8>, csn: u64, value: &[u8]) {
    out.clear();
    out.extend_from_slice(&csn.to_le_bytes());
    out.extend_from_slice(value);
}

/// Splits a versioned value.
pub(super) fn split_version(stored: &[u8]) -> Result<(u64, &[u8])> {
    let (csn, value) = stored.split_first_chunk::<CSN_LEN>().ok_or_else(|| {
        StorageError::Projection("a stored version is shorter than its header".into())
    })?;
    Ok((u64::from_le_bytes(*csn), value))
}

/// Writes the history key of a version that was superseded at `to`.
pub(super) fn history_key(out: &mut Vec<u8>, space: Space, physical: &[u8], to: u64) {
    out.clear();
    out.push(space_code(space));
    out.extend_from_slice(physical);
    out.extend_from_slice(&to.to_be_bytes());
}

/// The byte that stands for a space in history keys.
pub(super) const fn space_code(space: Space) -> u8 {
    match space {
        Space::Rows => 1,
        Space::Index => 2,
        Space::Catalog => 3,
    }
}

/// The key of a node of a tenant's tree; level 0 is the leaves.
pub(super) fn tree_node_key(tenant: TenantId, level: u32, index: u64) -> [u8; 26] {
    let mut key = [0; 26];
    // A tree of 2⁶⁴ leaves has 64 levels.
    let level = u8::try_from(level).unwrap_or(u8::MAX);
    let parts = tenant
        .0
        .into_iter()
        .chain([b'N', level])
        .chain(index.to_be_bytes());
    key.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    key
}

/// The key of a tenant's frontier.
pub(super) fn frontier_key(tenant: TenantId) -> [u8; 17] {
    let mut key = [b'F'; 17];
    key.iter_mut()
        .zip(tenant.0)
        .for_each(|(to, from)| *to = from);
    key
}

/// The key of a key record.
pub(super) fn key_record_key(tenant: TenantId, key_id: KeyId) -> [u8; 24] {
    let mut key = [0; 24];
    let parts = tenant.0.into_iter().chain(key_id.0.to_be_bytes());
    key.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    key
}

/// What the keys of control events begin with.
pub(super) const CONTROL_PREFIX: &[u8] = b"control/";

/// The key of a control event's body.
pub(super) fn control_key(index: u64, ordinal: u16) -> Vec<u8> {
    let place = [&index.to_be_bytes()[..], &ordinal.to_be_bytes()].concat();
    [CONTROL_PREFIX, &place].concat()
}

/// The place of the control event with this key.
pub(super) fn control_place(key: &[u8]) -> Result<(u64, u16)> {
    let place = || {
        let rest = key.strip_prefix(CONTROL_PREFIX)?;
        let (index, rest) = rest.split_first_chunk()?;
        let ordinal = <[u8; 2]>::try_from(rest).ok()?;
        Some((u64::from_be_bytes(*index), u16::from_be_bytes(ordinal)))
    };
    place().ok_or_else(|| StorageError::Projection("the key of a control event is odd".into()))
}

/// The first key after all keys that begin with `prefix`; empty, which scans
/// take as "to the end", when there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if let Some(next) = last.checked_add(1) {
            *last = next;
            break;
        }
        end.pop();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_prefix() {
        assert_eq!(prefix_end(b"ab"), b"ac");
        assert_eq!(prefix_end(b"a\xFF\xFF"), b"b");
        assert_eq!(prefix_end(b"\xFF"), b"");
    }

    #[test]
    fn versions_order_by_block_then_event() {
        assert_eq!(csn(1, 2), 0x1_0002);
        assert!(csn(7, u16::MAX) < csn(8, 0));
    }

    #[test]
    fn keys_of_control_events_order_by_place_and_read_back() {
        let places = [(1, 2), (1, 300), (256, 0), (u64::MAX, u16::MAX)];
        let keys = places.map(|(index, ordinal)| control_key(index, ordinal));
        assert!(keys.is_sorted());
        for (key, place) in keys.iter().zip(places) {
            assert_eq!(control_place(key).ok(), Some(place));
            assert!(control_place(&key[1..]).is_err());
            assert!(control_place(&key[..key.len() - 1]).is_err());
        }
    }

    #[test]
    fn a_short_version_is_an_error() {
        assert!(split_version(&[1, 2, 3]).is_err());
    }
}
