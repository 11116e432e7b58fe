//! Everything a projection says, in order: for comparing and for statistics.

use sha2::{Digest, Sha256};

use super::engine::{Engine, failed};
use super::layout::{self, CONTROL_PREFIX, Family};
use super::scan::{Scan, ScanOptions};
use super::snapshot::Snapshot;
use crate::apply::Control;
use crate::crypto::KeyRecord;
use crate::error::Result;
use crate::ids::Hash32;

/// The families that follow from the log; `meta` is covered by the position and the
/// control events.
const DERIVED: [Family; 6] = [
    Family::Rows,
    Family::History,
    Family::Index,
    Family::Catalog,
    Family::Merkle,
    Family::Keys,
];

/// Long scans that nothing will read again.
const WHOLE: ScanOptions = ScanOptions {
    reverse: false,
    fill_cache: false,
    readahead: 2 << 20,
};

/// How much a column family holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyStats {
    /// Its name.
    pub name: &'static str,
    /// Estimated number of keys.
    pub keys: u64,
    /// Bytes of table files.
    pub table_bytes: u64,
    /// Bytes of memtables.
    pub memtable_bytes: u64,
    /// Files in the first level; many mean that compaction is behind.
    pub level0_files: u64,
}

/// How much the projection holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionStats {
    /// The column families.
    pub families: Vec<FamilyStats>,
    /// Bytes in the block cache.
    pub block_cache_bytes: u64,
    /// Bytes applied since the last flush began; a crash would replay them.
    pub unflushed_bytes: u64,
}

impl ProjectionStats {
    pub(super) fn of(engine: &Engine, unflushed_bytes: u64) -> Result<Self> {
        let families = engine.families()?;
        let property = |family: Family, name: &str| -> Result<u64> {
            let value = engine.db.property_int_value_cf(families.get(family), name);
            Ok(value
                .map_err(|error| failed("read statistics", &error))?
                .unwrap_or_default())
        };
        let stats = |family: Family| -> Result<FamilyStats> {
            Ok(FamilyStats {
                name: family.name(),
                keys: property(family, "rocksdb.estimate-num-keys")?,
                table_bytes: property(family, "rocksdb.total-sst-files-size")?,
                memtable_bytes: property(family, "rocksdb.cur-size-all-mem-tables")?,
                level0_files: property(family, "rocksdb.num-files-at-level0")?,
            })
        };
        Ok(Self {
            families: Family::ALL.into_iter().map(stats).collect::<Result<_>>()?,
            block_cache_bytes: engine.block_cache.get_usage() as u64,
            unflushed_bytes,
        })
    }
}

impl Snapshot {
    fn whole(&self, family: Family) -> Scan<'_> {
        Scan::new(self.iterator(family, &[], &[], WHOLE), WHOLE)
    }

    /// Calls `each` with every key of a space, of all tenants, and what is stored
    /// there; in key order.
    ///
    /// # Errors
    /// When the database cannot be read, or what `each` returned.
    pub fn iterate_all(
        &self,
        space: crate::txn::Space,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut scan = self.whole(Family::of(space));
        while let Some((key, stored)) = scan.next()? {
            each(key, stored)?;
        }
        Ok(())
    }

    /// The records of all keys of all tenants.
    ///
    /// # Errors
    /// When the database cannot be read or holds something else.
    pub fn key_records(&self) -> Result<Vec<KeyRecord>> {
        let mut records = Vec::new();
        let mut scan = self.whole(Family::Keys);
        while let Some((_, stored)) = scan.next()? {
            records.push(KeyRecord::from_bytes(stored)?);
        }
        Ok(records)
    }

    /// The bodies of all control events, in the order of the log.
    ///
    /// # Errors
    /// When the database cannot be read or holds something else.
    pub fn controls(&self) -> Result<Vec<Control>> {
        let mut controls = Vec::new();
        let mut scan = self.control_events();
        while let Some((key, body)) = scan.next()? {
            let (index, ordinal) = layout::control_place(key)?;
            controls.push((index, ordinal, body.to_vec()));
        }
        Ok(controls)
    }

    fn control_events(&self) -> Scan<'_> {
        let (start, end) = (CONTROL_PREFIX, layout::prefix_end(CONTROL_PREFIX));
        Scan::new(self.iterator(Family::Meta, start, &end, WHOLE), WHOLE)
    }

    /// SHA-256 over the position and [`Self::derived_hash`]: equal for projections of the
    /// same log, however
    /// they came about.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn content_hash(&self) -> Result<Hash32> {
        let mut hasher = Sha256::new();
        hasher.update(self.index().to_le_bytes());
        hasher.update(self.block_hash().unwrap_or_default());
        hasher.update(self.derived_hash()?);
        Ok(hasher.finalize().into())
    }

    /// SHA-256 over every key and value of all families, each with its length in front.
    /// Blocks that change nothing, such as the first of a leader, do not change it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn derived_hash(&self) -> Result<Hash32> {
        let mut hasher = Sha256::new();
        let derived = DERIVED.map(|family| (family.name(), self.whole(family)));
        let controls = ("control", self.control_events());
        for (name, mut scan) in derived.into_iter().chain([controls]) {
            hasher.update(name);
            while let Some((key, stored)) = scan.next()? {
                for part in [key, stored] {
                    hasher.update((part.len() as u64).to_le_bytes());
                    hasher.update(part);
                }
            }
        }
        Ok(hasher.finalize().into())
    }
}
