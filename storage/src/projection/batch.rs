//! The changes of a block on their way into one RocksDB batch.

use std::collections::HashMap;

use rocksdb::WriteBatch;

use super::block::{AppliedBlock, OpenedEvent};
use super::engine::{Engine, failed};
use super::layout::{self, Families, Family, csn};
use super::meta;
use super::trees::Trees;
use super::vacant::vacant;
use crate::error::{FormatError, Result};
use crate::ids::TenantId;
use crate::txn::{Change, Op, Space, StreamChanges, Txn};

/// Streams with at least this many changes in one event are first asked whether
/// the range of their keys is vacant, which costs as much as a few look-ups.
const VACANCY_CHECK_AT: usize = 16;

/// A batch being filled, and what it already changes.
///
/// **Idempotent.** A block may be applied again after a crash in the middle of
/// it, so a change compares the csn of the stored version with its own:
///
/// | stored csn | history | current version |
/// |---|---|---|
/// | smaller | the stored version moves there | replaced |
/// | equal | was moved by the first time | replaced, by the same or a later change of the same event |
/// | greater | was moved by the first time | kept: a later event wrote it |
pub(super) struct Batch<'e> {
    engine: &'e Engine,
    pub(super) families: Families<'e>,
    batch: WriteBatch,
    /// Versions that earlier events of the block wrote (`None` = deleted) and the
    /// database does not have yet. Later events of the block must see them.
    unwritten: HashMap<(Space, Vec<u8>), Option<Vec<u8>>>,
    trees: Trees,
    index: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    history_key: Vec<u8>,
}

impl<'e> Batch<'e> {
    pub(super) fn new(engine: &'e Engine, index: u64) -> Result<Self> {
        Ok(Self {
            engine,
            families: engine.families()?,
            batch: WriteBatch::default(),
            unwritten: HashMap::new(),
            trees: Trees::default(),
            index,
            key: Vec::new(),
            value: Vec::new(),
            history_key: Vec::new(),
        })
    }

    /// Adds everything an event changes. `more` says that events follow.
    pub(super) fn event(&mut self, event: &OpenedEvent, more: bool) -> Result<()> {
        self.facts(event)?;
        match &event.txn {
            Some(txn) => self.txn(event, txn, more),
            None => Ok(()),
        }
    }

    /// Adds what an event changes beside rows: its tenant's tree, keys, and control
    /// events.
    pub(super) fn facts(&mut self, event: &OpenedEvent) -> Result<()> {
        self.trees
            .append(self.engine, &self.families, event, &mut self.batch)?;
        if let Some(record) = &event.key {
            let key = layout::key_record_key(record.tenant_id()?, record.key_id());
            self.batch
                .put_cf(self.families.get(Family::Keys), key, record.to_bytes());
        }
        if let Some(body) = &event.control {
            let key = layout::control_key(self.index, event.ordinal);
            self.batch
                .put_cf(self.families.get(Family::Meta), key, body);
        }
        Ok(())
    }

    fn txn(&mut self, event: &OpenedEvent, txn: &Txn, more: bool) -> Result<()> {
        let csn = csn(self.index, event.ordinal);
        txn.streams
            .iter()
            .try_for_each(|stream| self.stream(event.tenant, stream, csn, more))
    }

    fn stream(
        &mut self,
        tenant: TenantId,
        stream: &StreamChanges,
        csn: u64,
        more: bool,
    ) -> Result<()> {
        let space = space_of(stream)?;
        if space == Space::Index {
            for change in &stream.changes {
                self.index_entry(tenant, stream.stream, change)?;
            }
            return Ok(());
        }
        let vacant = self.is_vacant(tenant, stream, space)?;
        for change in &stream.changes {
            layout::physical_key(&mut self.key, tenant, stream.stream, &change.key);
            self.version(space, change, csn, vacant, more)?;
        }
        Ok(())
    }

    /// Whether none of a stream's keys can exist, so that none is looked up:
    /// loading a table would otherwise mostly be asking for what is not there.
    fn is_vacant(
        &mut self,
        tenant: TenantId,
        stream: &StreamChanges,
        space: Space,
    ) -> Result<bool> {
        if !self.unwritten.is_empty() || stream.changes.len() < VACANCY_CHECK_AT {
            return Ok(false);
        }
        let keys = || stream.changes.iter().map(|change| &change.key);
        let (Some(first), Some(last)) = (keys().min(), keys().max()) else {
            return Ok(true);
        };
        layout::physical_key(&mut self.key, tenant, stream.stream, first);
        layout::physical_key(&mut self.value, tenant, stream.stream, last);
        let family = self.families.get(Family::of(space));
        vacant(self.engine, family, &self.key, &self.value)
    }

    /// Adds a change of the versioned key in `self.key`.
    fn version(
        &mut self,
        space: Space,
        change: &Change,
        csn: u64,
        vacant: bool,
        more: bool,
    ) -> Result<()> {
        if !vacant && !self.retire(space, csn)? {
            return Ok(());
        }
        let family = self.families.get(Family::of(space));
        let written = if op_of(change)? == Op::Delete {
            self.batch.delete_cf(family, &self.key);
            None
        } else {
            layout::versioned(&mut self.value, csn, &change.value);
            self.batch.put_cf(family, &self.key, &self.value);
            Some(&self.value)
        };
        if more {
            self.unwritten
                .insert((space, self.key.clone()), written.cloned());
        }
        Ok(())
    }

    /// Moves the version of the key in `self.key` that is older than `csn` to
    /// history. False when there is one that is newer: nothing is to be done.
    fn retire(&mut self, space: Space, csn: u64) -> Result<bool> {
        let pinned;
        let unwritten = match self.unwritten.is_empty() {
            true => None,
            false => self.unwritten.get(&(space, self.key.clone())),
        };
        let stored = if let Some(version) = unwritten {
            version.as_deref()
        } else {
            let family = self.families.get(Family::of(space));
            pinned = self
                .engine
                .db
                .get_pinned_cf_opt(family, &self.key, &self.engine.newest)
                .map_err(|error| failed("read", &error))?;
            pinned.as_deref()
        };
        let Some(stored) = stored else {
            return Ok(true);
        };
        let (from, _) = layout::split_version(stored)?;
        if from < csn {
            layout::history_key(&mut self.history_key, space, &self.key, csn);
            let family = self.families.get(Family::History);
            self.batch.put_cf(family, &self.history_key, stored);
        }
        Ok(from <= csn)
    }

    fn index_entry(&mut self, tenant: TenantId, stream: u64, change: &Change) -> Result<()> {
        layout::physical_key(&mut self.key, tenant, stream, &change.key);
        let family = self.families.get(Family::Index);
        if op_of(change)? == Op::Delete {
            self.batch.delete_cf(family, &self.key);
        } else {
            self.batch.put_cf(family, &self.key, &change.value);
        }
        Ok(())
    }

    /// Writes what was added so far, without yet counting the block as applied.
    pub(super) fn write_so_far(&mut self) -> Result<()> {
        self.unwritten.clear();
        self.engine.write(std::mem::take(&mut self.batch))
    }

    /// Adds that no bulk load is under way any more.
    pub(super) fn clear_bulk(&mut self) {
        self.batch
            .delete_cf(self.families.get(Family::Meta), meta::BULK);
    }

    /// Writes the rest together with the fact that the block is applied. Returns
    /// how many bytes went into the memtables.
    pub(super) fn finish(mut self, block: &AppliedBlock) -> Result<u64> {
        self.trees.store(&self.families, &mut self.batch);
        let family = self.families.get(Family::Meta);
        self.batch.put_cf(
            family,
            meta::APPLIED,
            meta::encode(&(block.index, block.hash)),
        );
        let bytes = self.batch.size_in_bytes() as u64;
        self.engine.write(self.batch)?;
        Ok(bytes)
    }
}

/// The space of a stream. Decoding checked the code; a message built in memory
/// might not have been decoded.
pub(super) fn space_of(stream: &StreamChanges) -> Result<Space, FormatError> {
    Space::try_from(stream.space).map_err(|_| FormatError::Field {
        what: "space",
        value: u64::from(stream.space.cast_unsigned()),
    })
}

/// The operation of a change, likewise.
pub(super) fn op_of(change: &Change) -> Result<Op, FormatError> {
    Op::try_from(change.op).map_err(|_| FormatError::Field {
        what: "operation",
        value: u64::from(change.op.cast_unsigned()),
    })
}
