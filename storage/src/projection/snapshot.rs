//! What readers see: the state after one block, unchanging.

use std::sync::Arc;

use rocksdb::{DBRawIterator, Range, ReadOptions};
use self_cell::self_cell;

use super::engine::{Engine, failed};
use super::layout::{self, CSN_LEN, Families, Family, space_code, split_version};
use super::meta::Position;
use super::scan::{OwnedScan, Scan, ScanOptions};
use crate::error::Result;
use crate::ids::{Hash32, TenantId};
use crate::txn::Space;

/// What reading takes, prepared once a snapshot: making read options and looking
/// up families costs as much as a cached read.
pub(super) struct Pinned<'e> {
    pub(super) engine: &'e Engine,
    pub(super) families: Families<'e>,
    pub(super) pin: rocksdb::Snapshot<'e>,
    /// Reads at `pin`. Holds a bare pointer to it, so it must not leave here.
    point: ReadOptions,
}

self_cell!(
    /// The database and a pin of it, in one. The pin is released before the
    /// database can be closed.
    struct View {
        owner: Arc<Engine>,

        #[covariant]
        dependent: Pinned,
    }
);

/// The state after a block. Cheap to share ([`Arc`]), safe to keep: only the old
/// versions that it can still see stay on disk longer.
pub struct Snapshot {
    applied: Option<Position>,
    view: View,
}

/// A superseded version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastVersion<'a> {
    /// The csn of the change that wrote it.
    pub from: u64,
    /// The csn of the change that replaced or deleted it.
    pub to: u64,
    /// The value, without a csn in front.
    pub value: &'a [u8],
}

impl Snapshot {
    /// Pins the newest state of the database, which is that after `applied`.
    pub(super) fn take(engine: Arc<Engine>, applied: Option<Position>) -> Result<Self> {
        let view = View::try_new(engine, |engine| {
            let pin = engine.db.snapshot();
            let mut point = ReadOptions::default();
            point.set_snapshot(&pin);
            Ok::<_, crate::StorageError>(Pinned {
                engine,
                families: engine.families()?,
                pin,
                point,
            })
        })?;
        Ok(Self { applied, view })
    }

    pub(super) fn pinned(&self) -> &Pinned<'_> {
        self.view.borrow_dependent()
    }

    /// Index of the last block whose changes are visible; 0 when there is none.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.applied.map_or(0, |(index, _)| index)
    }

    /// Hash of that block.
    #[must_use]
    pub fn block_hash(&self) -> Option<Hash32> {
        self.applied.map(|(_, hash)| hash)
    }

    /// Calls `read` with what is stored at a physical key, if anything: in
    /// `rows` and `catalog` a csn (u64 LE) and the value, in `index` the value.
    /// The bytes are not copied, unless they are still in a memtable.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get<R>(
        &self,
        space: Space,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        self.get_in(Family::of(space), key, read)
    }

    #[inline]
    pub(super) fn get_in<R>(
        &self,
        family: Family,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let pinned = self.pinned();
        let family = pinned.families.get(family);
        let found = pinned
            .engine
            .db
            .get_pinned_cf_opt(family, key, &pinned.point);
        Ok(found
            .map_err(|error| failed("read", &error))?
            .map(|stored| read(&stored)))
    }

    /// Calls `each` with the position of every one of `keys` and what is stored
    /// there, as [`Self::get`] gives it. Set `sorted` when the keys ascend.
    ///
    /// # Errors
    /// When the database cannot be read, or what `each` returned.
    pub fn multi_get<'k>(
        &self,
        space: Space,
        keys: impl IntoIterator<Item = &'k [u8]>,
        sorted: bool,
        mut each: impl FnMut(usize, Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        let pinned = self.pinned();
        let family = pinned.families.get(Family::of(space));
        let db = &pinned.engine.db;
        let found = db.batched_multi_get_cf_opt(family, keys, sorted, &pinned.point);
        found.into_iter().enumerate().try_for_each(|(at, stored)| {
            let stored = stored.map_err(|error| failed("read", &error))?;
            each(at, stored.as_deref())
        })
    }

    /// Bytes of blocks that may be kept in memory, of all tenants together.
    #[must_use]
    pub fn block_cache_bytes(&self) -> u64 {
        self.pinned().engine.block_cache_bytes as u64
    }

    /// Reads the keys from `start` (included) to `end` (excluded; empty means to
    /// the end of the space), physical keys both, in key order or against it.
    #[must_use]
    pub fn scan(&self, space: Space, start: &[u8], end: &[u8], options: ScanOptions) -> Scan<'_> {
        Scan::new(
            self.iterator(Family::of(space), start, end, options),
            options,
        )
    }

    /// A scan that keeps the snapshot alive, for readers that outlive a call.
    #[must_use]
    pub fn scan_owned(
        self: &Arc<Self>,
        space: Space,
        start: &[u8],
        end: &[u8],
        options: ScanOptions,
    ) -> OwnedScan {
        OwnedScan::start(Arc::clone(self), |snapshot| {
            snapshot.scan(space, start, end, options)
        })
    }

    pub(super) fn iterator(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        options: ScanOptions,
    ) -> DBRawIterator<'_> {
        let pinned = self.pinned();
        let mut read = ReadOptions::default();
        read.set_snapshot(&pinned.pin);
        read.fill_cache(options.fill_cache);
        if options.readahead > 0 {
            read.set_readahead_size(options.readahead);
        }
        read.set_iterate_lower_bound(start);
        if !end.is_empty() {
            read.set_iterate_upper_bound(end);
        }
        pinned
            .engine
            .db
            .raw_iterator_cf_opt(pinned.families.get(family), read)
    }

    /// Calls `each` with the catalog entries of a tenant in key order: physical
    /// key, and what is stored as [`Self::get`] gives it.
    ///
    /// # Errors
    /// When the database cannot be read, or what `each` returned.
    pub fn catalog_scan(
        &self,
        tenant: TenantId,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let end = layout::prefix_end(&tenant.0);
        let mut scan = self.scan(Space::Catalog, &tenant.0, &end, ScanOptions::default());
        while let Some((key, stored)) = scan.next()? {
            each(key, stored)?;
        }
        Ok(())
    }

    /// Calls `each` with the superseded versions of a physical key, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read, or what `each` returned.
    pub fn history(
        &self,
        space: Space,
        key: &[u8],
        mut each: impl FnMut(PastVersion<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut prefix = Vec::with_capacity(1 + key.len());
        prefix.push(space_code(space));
        prefix.extend_from_slice(key);
        let end = layout::prefix_end(&prefix);
        let options = ScanOptions::default();
        let mut scan = Scan::new(
            self.iterator(Family::History, &prefix, &end, options),
            options,
        );
        while let Some((stored_key, stored)) = scan.next()? {
            // A longer key that begins with this one is another key.
            let suffix = stored_key.get(prefix.len()..).unwrap_or_default();
            let Ok(to) = <[u8; CSN_LEN]>::try_from(suffix) else {
                continue;
            };
            let (from, value) = split_version(stored)?;
            each(PastVersion {
                from,
                to: u64::from_be_bytes(to),
                value,
            })?;
        }
        Ok(())
    }

    /// About how many bytes the table files hold between two physical keys.
    /// Compressed, and without what was applied since the last flush.
    #[must_use]
    pub fn approximate_size(&self, space: Space, start: &[u8], end: &[u8]) -> u64 {
        let pinned = self.pinned();
        let family = pinned.families.get(Family::of(space));
        let range = [Range::new(start, end)];
        pinned
            .engine
            .db
            .get_approximate_sizes_cf(family, &range)
            .into_iter()
            .sum()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("index", &self.index())
            .finish_non_exhaustive()
    }
}
