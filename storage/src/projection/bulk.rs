//! Applying transactions that are too large for one batch.
//!
//! Their changes are sorted in chunks of bounded size, written to table files
//! and ingested, past the memtables. That makes them reach the disk before the
//! block counts as applied, so two things must hold:
//!
//! - **A crash between chunks is harmless.** Before the first chunk everything
//!   applied so far is flushed and the block is noted under `bulk` in `meta`. In a
//!   chunk, history is ingested before the versions that replace it. Applying the
//!   block again then finds each key either old, or new with its history written,
//!   which is what [`Batch`](super::batch::Batch) expects.
//! - **Nobody sees half of it.** Readers have only published snapshots, and the
//!   applier publishes after blocks. After a crash the projection is not
//!   published before the block was applied again; should the log not have the
//!   block that `bulk` notes (which durable-before-applied excludes), then
//!   [`Projection::pending_bulk`](super::Projection::pending_bulk) tells, and the
//!   projection must be discarded.

use std::path::PathBuf;

use rocksdb::{IngestExternalFileOptions, SstFileWriter};

use super::batch::{op_of, space_of};
use super::engine::{Engine, failed};
use super::layout::{self, Families, Family};
use super::vacant::vacant;
use crate::error::{Result, StorageError};
use crate::ids::TenantId;
use crate::txn::{Op, Space, StreamChanges, Txn};

/// The families that a chunk reaches, in the order they are ingested: history
/// before what it is the history of.
const SPACES: [Space; 3] = [Space::Index, Space::Catalog, Space::Rows];

/// A key and its new value in the chunk's buffer; no value is a deletion.
#[derive(Clone, Copy)]
struct Slot {
    start: u32,
    key_len: u32,
    value_len: Option<u32>,
}

/// Keys and values, one after the other in one buffer.
#[derive(Default)]
struct Slots {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Slots {
    fn push(&mut self, key: &[&[u8]], value: Option<&[&[u8]]>) -> Result<()> {
        let too_large = |_| StorageError::TooLarge {
            what: "a chunk of a large transaction",
            len: self.bytes.len() as u64,
            max: u64::from(u32::MAX),
        };
        let start = u32::try_from(self.bytes.len()).map_err(too_large)?;
        let len =
            |parts: &[&[u8]]| u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>());
        let key_len = len(key).map_err(too_large)?;
        let value_len = value.map(len).transpose().map_err(too_large)?;
        self.slots.push(Slot {
            start,
            key_len,
            value_len,
        });
        let parts = key.iter().chain(value.unwrap_or_default());
        parts.for_each(|part| self.bytes.extend_from_slice(part));
        Ok(())
    }

    fn key(&self, slot: Slot) -> &[u8] {
        let start = slot.start as usize;
        self.bytes
            .get(start..start + slot.key_len as usize)
            .unwrap_or_default()
    }

    fn value(&self, slot: Slot) -> Option<&[u8]> {
        let start = slot.start as usize + slot.key_len as usize;
        Some(
            self.bytes
                .get(start..start + slot.value_len? as usize)
                .unwrap_or_default(),
        )
    }

    /// Sorts by key; of several changes of a key the last remains.
    fn sort(&mut self) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_by(|a, b| self.key(*a).cmp(self.key(*b)));
        // `dedup_by` keeps the first of equals and visits in order: hand the
        // later value to it.
        slots.dedup_by(|later, kept| {
            let same = self.key(*later) == self.key(*kept);
            if same {
                *kept = *later;
            }
            same
        });
        self.slots = slots;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }
}

/// Collects the changes of one large transaction and ingests them.
pub(super) struct BulkLoader<'e> {
    engine: &'e Engine,
    families: Families<'e>,
    tenant: TenantId,
    csn: u64,
    chunk_bytes: usize,
    chunk: [Slots; SPACES.len()],
    files: u64,
}

impl<'e> BulkLoader<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        tenant: TenantId,
        csn: u64,
        chunk_bytes: usize,
    ) -> Result<Self> {
        let families = engine.families()?;
        let chunk = std::array::from_fn(|_| Slots::default());
        Ok(Self {
            engine,
            families,
            tenant,
            csn,
            chunk_bytes,
            chunk,
            files: 0,
        })
    }

    /// Adds the changes of a part, or of the close.
    pub(super) fn add(&mut self, txn: &Txn) -> Result<()> {
        for stream in &txn.streams {
            self.stream(stream)?;
            if self
                .chunk
                .iter()
                .map(|slots| slots.bytes.len())
                .sum::<usize>()
                >= self.chunk_bytes
            {
                self.ingest()?;
            }
        }
        Ok(())
    }

    fn stream(&mut self, stream: &StreamChanges) -> Result<()> {
        let space = space_of(stream)?;
        let id = stream.stream.to_be_bytes();
        let csn = self.csn.to_le_bytes();
        let at = SPACES
            .iter()
            .position(|of| *of == space)
            .unwrap_or_default();
        let Some(slots) = self.chunk.get_mut(at) else {
            return Ok(());
        };
        for change in &stream.changes {
            let key = [self.tenant.0.as_slice(), &id, &change.key];
            match (op_of(change)?, space) {
                (Op::Delete, _) => slots.push(&key, None)?,
                (_, Space::Index) => slots.push(&key, Some(&[&change.value]))?,
                _ => slots.push(&key, Some(&[&csn, &change.value]))?,
            }
        }
        Ok(())
    }

    /// Ingests what is left.
    pub(super) fn finish(mut self) -> Result<()> {
        self.ingest()
    }

    fn ingest(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.iter_mut().for_each(Slots::sort);
        let mut history = Slots::default();
        for (space, slots) in SPACES.into_iter().zip(&chunk) {
            if space != Space::Index {
                self.retire(space, slots, &mut history)?;
            }
        }
        history.sort();
        self.ingest_family(Family::History, &history)?;
        for (space, slots) in SPACES.into_iter().zip(&chunk) {
            self.ingest_family(Family::of(space), slots)?;
        }
        chunk.iter_mut().for_each(Slots::clear);
        self.chunk = chunk;
        Ok(())
    }

    /// Collects the versions that `slots` supersedes.
    fn retire(&self, space: Space, slots: &Slots, history: &mut Slots) -> Result<()> {
        let (Some(first), Some(last)) = (slots.slots.first(), slots.slots.last()) else {
            return Ok(());
        };
        let family = self.families.get(Family::of(space));
        if vacant(self.engine, family, slots.key(*first), slots.key(*last))? {
            return Ok(());
        }
        let code = [layout::space_code(space)];
        let to = self.csn.to_be_bytes();
        for slot in &slots.slots {
            let key = slots.key(*slot);
            let stored = self
                .engine
                .db
                .get_pinned_cf_opt(family, key, &self.engine.newest);
            let Some(stored) = stored.map_err(|error| failed("read", &error))? else {
                continue;
            };
            let (from, _) = layout::split_version(&stored)?;
            // Equal: an earlier chunk, or this one before a crash, wrote it and
            // has moved its predecessor.
            if from < self.csn {
                history.push(&[&code, key, &to], Some(&[&stored]))?;
            }
        }
        Ok(())
    }

    fn ingest_family(&mut self, family: Family, slots: &Slots) -> Result<()> {
        if slots.slots.is_empty() {
            return Ok(());
        }
        let path = self.write_file(family, slots)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.engine
            .db
            .ingest_external_file_cf_opts(self.families.get(family), &options, vec![path])
            .map_err(|error| failed("ingest", &error))
    }

    fn write_file(&mut self, family: Family, slots: &Slots) -> Result<PathBuf> {
        self.files += 1;
        let name = format!("{:016x}-{}-{}.sst", self.csn, self.files, family.name());
        let path = self.engine.ingest_dir.join(name);
        let failed = |error: rocksdb::Error| failed("write a table file", &error);
        let mut writer = SstFileWriter::create(self.engine.table_options(family)?);
        writer.open(&path).map_err(failed)?;
        for slot in &slots.slots {
            let key = slots.key(*slot);
            match slots.value(*slot) {
                Some(value) => writer.put(key, value).map_err(failed)?,
                None => writer.delete(key).map_err(failed)?,
            }
        }
        writer.finish().map_err(failed)?;
        Ok(path)
    }
}
