//! The committed catalogs of all tenants, read once and again when they change.
//!
//! A catalog changes when a block is applied, whoever made it: a session of this server,
//! or of the one that leads. The applier tells of each block before it is visible; a
//! catalog read from a snapshot before such a block is read again by the next who asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kimberlite_storage::{AppliedBlock, Space, TenantId, Txn};
use parking_lot::{Mutex, RwLock};

use super::{CATALOG_STREAM, Catalog};
use crate::error::SqlError;

/// A catalog as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The catalog.
    pub(crate) catalog: Arc<Catalog>,
    /// Index of the snapshot it was read from.
    pub(crate) index: u64,
    /// Of its entries: two catalogs with the same are the same.
    pub(crate) digest: u64,
}

/// The newest catalog of each tenant that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Catalogs {
    kept: RwLock<HashMap<TenantId, Kept>>,
    /// The newest block that changed any catalog.
    newest: AtomicU64,
    /// The newest block that changed a tenant's.
    changed: Mutex<HashMap<TenantId, u64>>,
}

impl Catalogs {
    /// The catalog of a tenant; `None` when it has to be read. `visible` gives the index
    /// of the newest snapshot: a block that is applied and not visible yet is no reason.
    pub(crate) fn newest(
        &self,
        tenant: TenantId,
        visible: impl FnOnce() -> u64,
    ) -> Option<Arc<Catalog>> {
        let kept = self.kept.read().get(&tenant).cloned()?;
        if kept.index >= self.newest.load(Ordering::Acquire) {
            return Some(kept.catalog);
        }
        let changed = self.changed.lock().get(&tenant).copied();
        let current = changed.unwrap_or(0) <= kept.index || kept.index >= visible();
        current.then_some(kept.catalog)
    }

    /// Reads the catalog of a tenant with `read`, which gives also the index of the
    /// snapshot. One at a time, so that an older state never replaces a newer one.
    ///
    /// # Errors
    /// What `read` returned.
    pub(crate) fn reload(
        &self,
        tenant: TenantId,
        read: impl FnOnce() -> Result<Kept, SqlError>,
    ) -> Result<Arc<Catalog>, SqlError> {
        let mut kept = self.kept.write();
        let mut read = read()?;
        // A new number for the same would have every statement planned again.
        if let Some(same) = kept.get(&tenant).filter(|k| k.digest == read.digest) {
            read.catalog = Arc::clone(&same.catalog);
        }
        let catalog = Arc::clone(&read.catalog);
        kept.insert(tenant, read);
        Ok(catalog)
    }

    /// Takes note of a block that is applied and not visible yet.
    pub(crate) fn applied(&self, block: &AppliedBlock) {
        for event in &block.events {
            if event.txn.as_ref().is_some_and(changes_catalog) {
                self.changed.lock().insert(event.tenant, block.index);
                self.newest.store(block.index, Ordering::Release);
            }
        }
    }
}

/// Whether a transaction changes the catalog, or may: its parts are not at hand.
fn changes_catalog(txn: &Txn) -> bool {
    let catalog =
        |space: i32, stream: u64| space == Space::Catalog as i32 && stream == CATALOG_STREAM;
    txn.part_count > 0 || txn.streams.iter().any(|s| catalog(s.space, s.stream))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use kimberlite_storage::{EventKind, OpenedEvent, StreamChanges};

    use super::*;

    const TENANT: TenantId = TenantId([7; 16]);

    fn block(index: u64, stream: u64, part_count: u32) -> AppliedBlock {
        let txn = Txn {
            part_count,
            streams: vec![StreamChanges {
                stream,
                space: Space::Catalog as i32,
                changes: Vec::new(),
            }],
            ..Txn::default()
        };
        AppliedBlock {
            index,
            hash: [0; 32],
            timestamp_us: 0,
            events: vec![OpenedEvent {
                ordinal: 0,
                tenant: TENANT,
                tenant_seq: 0,
                kind: EventKind::Txn,
                leaf: [0; 32],
                txn: Some(txn),
                key: None,
                control: None,
            }],
        }
    }

    fn read(version: u64, index: u64) -> Result<Kept, SqlError> {
        Ok(Kept {
            catalog: Arc::new(Catalog::from_entries(Vec::new(), version)),
            index,
            digest: version,
        })
    }

    #[test]
    fn the_same_entries_are_the_same_catalog() {
        let catalogs = Catalogs::default();
        catalogs.reload(TENANT, || read(1, 5)).unwrap();
        let same = || {
            Ok(Kept {
                digest: 1,
                ..read(2, 6)?
            })
        };
        assert_eq!(catalogs.reload(TENANT, same).unwrap().version(), 1);
    }

    #[test]
    fn a_catalog_is_read_again_only_when_a_later_block_changed_it() {
        let catalogs = Catalogs::default();
        let newest = |visible: u64| catalogs.newest(TENANT, || visible);
        assert!(newest(5).is_none());
        catalogs.reload(TENANT, || read(1, 5)).unwrap();
        assert_eq!(newest(5).unwrap().version(), 1);
        catalogs.applied(&block(5, CATALOG_STREAM, 0));
        catalogs.applied(&block(6, CATALOG_STREAM + 1, 0));
        assert!(newest(6).is_some());
        catalogs.applied(&block(7, CATALOG_STREAM, 0));
        assert!(newest(6).is_none());
        // Read before the block is visible: as new as anything that can be seen.
        catalogs.reload(TENANT, || read(2, 6)).unwrap();
        assert!(newest(6).is_some());
        assert!(newest(7).is_none());
        catalogs.reload(TENANT, || read(3, 7)).unwrap();
        assert_eq!(newest(7).unwrap().version(), 3);
        // What came in parts may have changed it.
        catalogs.applied(&block(8, CATALOG_STREAM + 1, 2));
        assert!(newest(8).is_none());
    }

    #[test]
    fn another_tenants_change_is_no_reason() {
        let catalogs = Catalogs::default();
        let other = TenantId([8; 16]);
        catalogs.reload(other, || read(1, 5)).unwrap();
        catalogs.applied(&block(7, CATALOG_STREAM, 0));
        assert!(catalogs.newest(other, || 7).is_some());
    }
}
