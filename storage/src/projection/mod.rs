//! The projection: the current state, derived from the log, in RocksDB.
//!
//! It is not an authority. It has no write-ahead log of its own (the log is it),
//! its files may vanish at any moment, and the same log gives the same content
//! again ([`Snapshot::content_hash`]).
//!
//! - [`Projection::apply`] takes durable blocks in order, each in one atomic batch
//!   with the fact that it is applied; [`Projection::apply_bulk`] takes blocks
//!   that close a transaction in parts, which may be of any size.
//! - [`Projection::publish`] makes the state after a block visible, and
//!   [`Projection::snapshot`] gives the newest published one.
//!
//! Every file is encrypted (`cipher.rs`), under a key of this replica
//! ([`load_replica_key`]).

mod batch;
mod block;
mod bulk;
mod cipher;
mod content;
mod encrypted_env;
mod engine;
mod layout;
mod meta;
mod options;
mod replica_key;
mod scan;
mod snapshot;
mod trees;
mod vacant;
mod watch;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use batch::Batch;
use bulk::BulkLoader;
use engine::{Access, Engine, failed};
use layout::Family;
use meta::Position;

pub use block::{AppliedBlock, OpenedEvent, PartSource};
pub use content::{FamilyStats, ProjectionStats};
pub use layout::{PHYSICAL_PREFIX_LEN, csn, prefix_end};
pub use options::ProjectionOptions;
pub use replica_key::{REPLICA_KEY_FILE, create_replica_key, load_replica_key};
pub use scan::{Entry, OwnedScan, Scan, ScanOptions};
pub use snapshot::{PastVersion, Snapshot};
pub use trees::TenantTree;
pub use watch::BlockWatch;

use crate::crypto::Key;
use crate::error::{Result, StorageError};
use crate::ids::{Hash32, Hex};

/// The state derived from the log. Clones share it.
#[derive(Clone)]
pub struct Projection {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<Engine>,
    access: Access,
    flush_after_bytes: u64,
    bulk_chunk_bytes: usize,
    /// Held while a block is applied: blocks are applied one after the other.
    progress: Mutex<Progress>,
    published: RwLock<Arc<Snapshot>>,
    watch: OnceLock<Arc<dyn BlockWatch>>,
}

/// How far applying is.
#[derive(Clone, Copy)]
struct Progress {
    applied: Option<Position>,
    /// The block that was being applied in bulk when the process ended.
    pending_bulk: Option<Position>,
    unflushed_bytes: u64,
}

impl Projection {
    /// Opens the projection in `dir`, or creates an empty one. What it holds is
    /// published. If a bulk load was interrupted ([`Self::pending_bulk`]), that
    /// includes a part of a transaction: no reader may see it before the block is
    /// applied again and published.
    ///
    /// # Errors
    /// [`StorageError::Projection`] when it cannot be used and should be
    /// destroyed and rebuilt: damaged, of another version, or encrypted under
    /// another replica key. Other kinds say that opening may succeed later.
    pub fn open(dir: &Path, replica_key: &Key, options: &ProjectionOptions) -> Result<Self> {
        Self::open_as(dir, replica_key, options, Access::ReadWrite)
    }

    /// Opens an existing projection without changing it. It shows what was
    /// flushed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_read_only(
        dir: &Path,
        replica_key: &Key,
        options: &ProjectionOptions,
    ) -> Result<Self> {
        Self::open_as(dir, replica_key, options, Access::ReadOnly)
    }

    fn open_as(
        dir: &Path,
        replica_key: &Key,
        options: &ProjectionOptions,
        access: Access,
    ) -> Result<Self> {
        let engine = Arc::new(Engine::open(dir, replica_key, options, access)?);
        let applied = read_position(&engine, meta::APPLIED)?;
        let pending_bulk = read_position(&engine, meta::BULK)?;
        let first = Snapshot::take(Arc::clone(&engine), applied)?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                access,
                flush_after_bytes: options.flush_after_bytes,
                bulk_chunk_bytes: options.bulk_chunk_bytes,
                progress: Mutex::new(Progress {
                    applied,
                    pending_bulk,
                    unflushed_bytes: 0,
                }),
                published: RwLock::new(Arc::new(first)),
                watch: OnceLock::new(),
            }),
        })
    }

    /// Deletes the projection in `dir`. It must not be open.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn destroy(dir: &Path) -> Result<()> {
        engine::destroy(dir)
    }

    /// The last block whose changes are all here: index and hash.
    #[must_use]
    pub fn applied(&self) -> Option<(u64, Hash32)> {
        self.progress().applied
    }

    /// The block whose large transaction was being ingested when the process
    /// ended. The log must hold exactly this block and it must be applied again;
    /// otherwise parts of a transaction that never was would be visible, and the
    /// projection must be destroyed.
    #[must_use]
    pub fn pending_bulk(&self) -> Option<(u64, Hash32)> {
        self.progress().pending_bulk
    }

    /// Applies a durable block: the one after [`Self::applied`]. A block that is
    /// applied already is skipped. Nothing is visible before [`Self::publish`].
    ///
    /// # Errors
    /// When the block is not the next one, or closes a transaction in parts, or
    /// the database cannot be read or written. None of the block is applied then,
    /// unless only the flush that follows failed.
    pub fn apply(&self, block: &AppliedBlock) -> Result<()> {
        let mut progress = self.progress();
        if !self.is_next(&progress, block)? {
            return Ok(());
        }
        if block.closes_parts() {
            return Err(StorageError::Projection(format!(
                "block {} closes a transaction in parts and takes apply_bulk",
                block.index
            )));
        }
        let mut batch = Batch::new(&self.inner.engine, block.index)?;
        let mut events = block.events.iter().peekable();
        while let Some(event) = events.next() {
            batch.event(event, events.peek().is_some())?;
        }
        let bytes = batch.finish(block)?;
        self.tell(block);
        progress.applied = Some((block.index, block.hash));
        progress.unflushed_bytes = progress.unflushed_bytes.saturating_add(bytes);
        if progress.unflushed_bytes >= self.inner.flush_after_bytes {
            self.inner.engine.flush(false)?;
            progress.unflushed_bytes = 0;
        }
        Ok(())
    }

    /// As [`Self::apply`], for blocks that close transactions in parts
    /// ([`AppliedBlock::closes_parts`]), which `parts` reads from the log. On
    /// return the block is on the disk.
    ///
    /// # Errors
    /// As [`Self::apply`], and when a part cannot be read. The projection may
    /// then hold some of the block's changes, unpublished; applying the block
    /// again completes it.
    pub fn apply_bulk(&self, block: &AppliedBlock, parts: &mut dyn PartSource) -> Result<()> {
        let mut progress = self.progress();
        if !self.is_next(&progress, block)? {
            return Ok(());
        }
        let engine = &*self.inner.engine;
        let position = (block.index, block.hash);
        self.note_bulk(&position)?;
        progress.pending_bulk = Some(position);
        let mut batch = Batch::new(engine, block.index)?;
        let mut events = block.events.iter().peekable();
        while let Some(event) = events.next() {
            let Some(txn) = event.txn.as_ref().filter(|txn| txn.part_count > 0) else {
                batch.event(event, events.peek().is_some())?;
                continue;
            };
            batch.facts(event)?;
            batch.write_so_far()?;
            let csn = csn(block.index, event.ordinal);
            let mut loader =
                BulkLoader::new(engine, event.tenant, csn, self.inner.bulk_chunk_bytes)?;
            let mut seen = 0_u32;
            parts.for_each_part(block.index, event, &mut |part| {
                seen += 1;
                loader.add(&part)
            })?;
            if seen != txn.part_count {
                return Err(StorageError::Projection(format!(
                    "block {}: {seen} parts of a transaction in {}",
                    block.index, txn.part_count
                )));
            }
            loader.add(txn)?;
            loader.finish()?;
        }
        batch.clear_bulk();
        batch.finish(block)?;
        self.tell(block);
        engine.flush(true)?;
        progress.applied = Some(position);
        progress.pending_bulk = None;
        progress.unflushed_bytes = 0;
        Ok(())
    }

    /// Has `watch` told of every block from here on; gives the index of the last one
    /// before. Only the first watch is told.
    pub fn watch(&self, watch: Arc<dyn BlockWatch>) -> u64 {
        let progress = self.progress();
        let _ = self.inner.watch.set(watch);
        progress.applied.map_or(0, |(index, _)| index)
    }

    fn tell(&self, block: &AppliedBlock) {
        if let Some(watch) = self.inner.watch.get() {
            watch.applied(block);
        }
    }

    /// Makes the disk say exactly what is applied, and which block comes in bulk.
    fn note_bulk(&self, position: &Position) -> Result<()> {
        let engine = &self.inner.engine;
        let mut note = rocksdb::WriteBatch::default();
        let family = engine.families()?.get(Family::Meta);
        note.put_cf(family, meta::BULK, meta::encode(position));
        engine.write(note)?;
        engine.flush(true)
    }

    /// Whether `block` is to be applied; false when it already is.
    fn is_next(&self, progress: &Progress, block: &AppliedBlock) -> Result<bool> {
        if self.inner.access == Access::ReadOnly {
            return Err(StorageError::ReadOnly {
                context: "the projection".into(),
            });
        }
        for (index, hash) in [progress.applied, progress.pending_bulk]
            .into_iter()
            .flatten()
        {
            if block.index == index && block.hash != hash {
                return Err(StorageError::Projection(format!(
                    "block {index} is {} in the log and {} here: this projection is of another \
                     history",
                    Hex(&block.hash),
                    Hex(&hash)
                )));
            }
        }
        let (applied, _) = progress.applied.unwrap_or_default();
        if block.index > applied.saturating_add(1) {
            return Err(StorageError::Projection(format!(
                "block {} cannot be applied after block {applied}",
                block.index
            )));
        }
        Ok(block.index > applied)
    }

    /// Makes the state after the last applied block visible to
    /// [`Self::snapshot`].
    ///
    /// # Errors
    /// When a bulk load was interrupted and not completed yet.
    pub fn publish(&self) -> Result<()> {
        let progress = self.progress();
        if let Some((index, _)) = progress.pending_bulk {
            return Err(StorageError::Projection(format!(
                "block {index} is applied in part; it has to be applied again first"
            )));
        }
        let snapshot = Snapshot::take(Arc::clone(&self.inner.engine), progress.applied)?;
        let mut published = self
            .inner
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *published, Arc::new(snapshot));
        drop(published);
        // Readers do not wait for RocksDB to release the old pin.
        drop(replaced);
        Ok(())
    }

    /// The newest published state.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(
            &self
                .inner
                .published
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Writes everything applied to the disk and waits for it. Call it before the
    /// process ends, so that the next start has nothing to replay.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn flush(&self) -> Result<()> {
        if self.inner.access == Access::ReadOnly {
            return Ok(());
        }
        let mut progress = self.progress();
        self.inner.engine.flush(true)?;
        progress.unflushed_bytes = 0;
        Ok(())
    }

    /// Sizes and estimates.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn stats(&self) -> Result<ProjectionStats> {
        let unflushed_bytes = self.progress().unflushed_bytes;
        ProjectionStats::of(&self.inner.engine, unflushed_bytes)
    }

    /// A panic while applying leaves the database as it was, or with changes that
    /// applying again repeats; `Progress` is only changed after success.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.inner
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let applied = self.applied().map(|(index, _)| index);
        f.debug_struct("Projection")
            .field("applied", &applied)
            .finish_non_exhaustive()
    }
}

fn read_position(engine: &Engine, key: &[u8]) -> Result<Option<Position>> {
    let family = engine.families()?.get(Family::Meta);
    let stored = engine.db.get_pinned_cf_opt(family, key, &engine.newest);
    stored
        .map_err(|error| failed("read", &error))?
        .map(|stored| meta::decode(&stored))
        .transpose()
}
