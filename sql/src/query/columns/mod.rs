//! Columns of stored rows, kept in memory as Arrow arrays.
//!
//! Decoding rows is most of what a scan of a whole table costs. A *segment* holds
//! the columns of all rows within a range of keys as they were after some block;
//! a scan takes it instead of the rows when nothing in the range changed between
//! that block and the snapshot it reads. The applier tells of every block before
//! readers can see it ([`BlockWatch`]), and a change discards the segment whose
//! range it falls in. So the cache holds nothing that differs from the
//! projection, needs no invalidation by readers, and may be emptied at any time.
//!
//! Rules that keep it exact:
//! - A segment read at block `at` serves snapshots of `at` and later: as long as
//!   it is here, nothing in its range changed.
//! - It is accepted only if nothing in its range changed after `at`; what changed
//!   in a stream is known from when the stream was first asked for, and for the
//!   last [`RECENT_KEYS`] keys ([`stream`]).
//! - A transaction that changed a table itself reads the rows.
//!
//! Room is bounded. A table is kept as far as it fits; when another one needs the
//! room, the table that was read longest ago goes as a whole.

mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;
use kimberlite_storage::{AppliedBlock, BlockWatch, Space, TenantId};
use parking_lot::Mutex;

use crate::types::PgType;
use stream::StreamColumns;

/// Keys of the latest changes of a stream that are remembered.
const RECENT_KEYS: usize = 1_024;
/// Longer keys than this are not remembered, in bytes.
const RECENT_KEY_BYTES: usize = 64;
/// Streams that are watched at the same time.
const STREAMS_MAX: usize = 256;

/// An attribute of a stored row: its position, and the type it is decoded as.
pub(super) type ColumnKey = (usize, PgType);

/// The rows of a stream of a tenant.
type Stream = (TenantId, u64);

/// All rows within a range of keys.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// First key that does not belong to it; `None` = it reaches to the end.
    pub(super) end: Option<Box<[u8]>>,
    /// Number of rows.
    pub(super) rows: usize,
    /// Columns, each with `rows` values in key order.
    pub(super) columns: HashMap<ColumnKey, ArrayRef>,
}

/// What the cache says about the keys from some key on.
#[derive(Debug)]
pub(super) enum Found {
    /// The columns asked for, of all rows up to `end`.
    Columns {
        end: Option<Box<[u8]>>,
        rows: usize,
        columns: Vec<ArrayRef>,
    },
    /// Nothing before this key (`None` = nothing at all).
    NothingBefore(Option<Box<[u8]>>),
}

/// Columns of stored rows in memory.
pub(crate) struct ColumnCache {
    limit: usize,
    /// Counts uses, to know what was used longest ago.
    clock: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Index of the last block that was told of; nothing before a watch began.
    latest: Option<u64>,
    bytes: usize,
    streams: HashMap<Stream, StreamColumns>,
}

impl std::fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnCache")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl ColumnCache {
    /// An empty cache of at most `limit` bytes. It keeps nothing before
    /// [`Self::begin`].
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            clock: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Changes are told of after block `latest`: the cache may be used.
    pub(crate) fn begin(&self, latest: u64) {
        let mut state = self.state.lock();
        state.latest = Some(state.latest.unwrap_or_default().max(latest));
    }

    /// Bytes of arrays kept.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Looks for a segment that begins at `start` and ends no later than `end`
    /// (`None` = the end of the stream), for a snapshot of block `at`.
    pub(super) fn find(
        &self,
        (tenant, stream): Stream,
        at: u64,
        (start, end): (&[u8], Option<&[u8]>),
        wanted: &[ColumnKey],
    ) -> Found {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        let Some(latest) = state.latest else {
            return Found::NothingBefore(None);
        };
        if let Some(known) = state.streams.get_mut(&(tenant, stream)) {
            known.used = now;
            return known.find(at, (start, end), wanted);
        }
        if state.streams.len() >= STREAMS_MAX {
            let oldest = state.streams.iter().min_by_key(|(_, known)| known.used);
            let oldest = oldest.map(|(key, _)| *key);
            if let Some(removed) = oldest.and_then(|key| state.streams.remove(&key)) {
                state.bytes -= removed.bytes;
            }
        }
        let watched = StreamColumns::watched_after(latest, now);
        state.streams.insert((tenant, stream), watched);
        Found::NothingBefore(None)
    }

    /// Keeps a segment that begins at `start`, read from a snapshot of block `at`,
    /// if it still is as it was and there is room.
    pub(super) fn keep(&self, (tenant, stream): Stream, at: u64, start: &[u8], segment: Segment) {
        let mut state = self.state.lock();
        let State { bytes, streams, .. } = &mut *state;
        let Some(known) = streams.get_mut(&(tenant, stream)) else {
            return;
        };
        let added = stream::bytes_of(start, &segment);
        if known.changed_after(at, start, segment.end.as_deref()) {
            return;
        }
        let used = known.used;
        while *bytes + added > self.limit {
            let oldest = streams
                .iter()
                .filter(|(key, other)| {
                    **key != (tenant, stream) && other.bytes > 0 && other.used < used
                })
                .min_by_key(|(_, other)| other.used)
                .map(|(key, _)| *key);
            let Some(removed) = oldest.and_then(|key| streams.remove(&key)) else {
                return;
            };
            *bytes -= removed.bytes;
        }
        if let Some(known) = streams.get_mut(&(tenant, stream)) {
            let before = known.bytes;
            known.insert(at, start, segment);
            *bytes = (*bytes + known.bytes).saturating_sub(before);
        }
    }

    /// Keys at which to cut a stream into `parts` of about the same number of rows;
    /// none when too little of it is here.
    pub(super) fn cuts(&self, (tenant, stream): Stream, parts: usize) -> Vec<Vec<u8>> {
        let state = self.state.lock();
        match state.streams.get(&(tenant, stream)) {
            Some(known) => known.cuts(parts),
            None => Vec::new(),
        }
    }
}

impl BlockWatch for ColumnCache {
    fn applied(&self, block: &AppliedBlock) {
        let mut state = self.state.lock();
        state.latest = Some(block.index);
        let State { bytes, streams, .. } = &mut *state;
        if streams.is_empty() {
            return;
        }
        for event in &block.events {
            let Some(txn) = &event.txn else { continue };
            if txn.part_count > 0 {
                // Which keys changed is in the parts.
                for ((tenant, _), known) in streams.iter_mut() {
                    if *tenant == event.tenant {
                        *bytes -= known.bytes;
                        known.forget_all(block.index);
                    }
                }
                continue;
            }
            for changes in &txn.streams {
                if changes.space != Space::Rows as i32 {
                    continue;
                }
                if let Some(known) = streams.get_mut(&(event.tenant, changes.stream)) {
                    let before = known.bytes;
                    for change in &changes.changes {
                        known.changed(block.index, &change.key);
                    }
                    *bytes = (*bytes + known.bytes).saturating_sub(before);
                }
            }
        }
    }
}
