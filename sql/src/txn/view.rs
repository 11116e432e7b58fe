//! [`ReadView`]: what a statement sees.
//!
//! A view is the transaction's own layers over a published snapshot, merged by
//! key. Every access path reads through it: fast path, scans, index look-ups
//! and constraint checks.

use std::sync::Arc;

use kimberlite_storage::{ScanOptions, Snapshot, Space, TenantId};

use super::layer::{EntryKind, Layer, StreamKey};
use super::merge::MergeScan;
use super::serializable::{Read, Span, Watched};
use crate::error::SqlError;

/// Length of `tenant ‖ stream` at the front of each physical key.
pub const PREFIX_LEN: usize = 24;

/// The commit sequence number reported for a row that the transaction itself
/// wrote and that is not in the log yet. It fits a signed integer, so that
/// queries can carry it.
pub const OWN_CSN: u64 = i64::MAX as u64;

/// The first bytes of every physical key of a stream.
pub fn stream_prefix(tenant: TenantId, stream: u64) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    let (t, s) = prefix.split_at_mut(16);
    t.copy_from_slice(&tenant.0);
    s.copy_from_slice(&stream.to_be_bytes());
    prefix
}

/// A physical key: `tenant ‖ stream ‖ key`.
pub fn physical_key(tenant: TenantId, stream: u64, key: &[u8]) -> Vec<u8> {
    let mut physical = Vec::with_capacity(PREFIX_LEN + key.len());
    physical.extend_from_slice(&stream_prefix(tenant, stream));
    physical.extend_from_slice(key);
    physical
}

/// The smallest byte string greater than every string that starts with `prefix`;
/// `None` when there is no such string.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

/// One visible version of a key.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// When it was committed, or [`OWN_CSN`]. Zero in the index space, whose
    /// entries carry no version.
    pub csn: u64,
    /// The stored value.
    pub value: &'a [u8],
}

impl<'a> Version<'a> {
    /// Splits a value as the projection stores it.
    pub(super) fn from_stored(space: Space, stored: &'a [u8]) -> Result<Self, SqlError> {
        if space == Space::Index {
            return Ok(Self {
                csn: 0,
                value: stored,
            });
        }
        let (csn, value) = stored
            .split_first_chunk::<8>()
            .ok_or_else(|| SqlError::corrupted("a stored version is shorter than its header"))?;
        Ok(Self {
            csn: u64::from_le_bytes(*csn),
            value,
        })
    }
}

/// What a statement sees: own layers over a snapshot.
#[derive(Clone)]
pub struct ReadView {
    tenant: TenantId,
    snapshot: Arc<Snapshot>,
    layers: Arc<[Arc<Layer>]>,
    /// Who is told of reads.
    watched: Option<Arc<Watched>>,
}

impl std::fmt::Debug for ReadView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadView")
            .field("tenant", &self.tenant)
            .field("index", &self.snapshot.index())
            .field("layers", &self.layers.len())
            .finish()
    }
}

impl ReadView {
    /// A view of `tenant` at `snapshot` with the given own changes.
    pub fn new(tenant: TenantId, snapshot: Arc<Snapshot>, layers: &[Arc<Layer>]) -> Self {
        Self {
            tenant,
            snapshot,
            layers: layers.into(),
            watched: None,
        }
    }

    /// The same view, whose reads a serializable transaction is told of.
    pub(super) fn watched_by(mut self, watched: Option<Arc<Watched>>) -> Self {
        self.watched = watched;
        self
    }

    /// Tells a serializable transaction of keys from `start` to `end` that are read
    /// without [`Self::scan`].
    ///
    /// # Errors
    /// 40001.
    pub fn note_range(
        &self,
        stream: StreamKey,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<(), SqlError> {
        self.note_read(stream, Read::Range(Span { start, end }))
    }

    /// Tells a serializable transaction what is read.
    pub(super) fn note_read(&self, stream: StreamKey, what: Read<'_>) -> Result<(), SqlError> {
        match &self.watched {
            // The catalog has locks of its own.
            Some(watched) if stream.space != Space::Catalog => watched.read(stream, what),
            _ => Ok(()),
        }
    }

    /// The tenant whose data the view shows.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The snapshot beneath the own changes.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The own layers, oldest first.
    pub(super) fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// Whether the transaction has changes of its own.
    pub fn has_own_changes(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Whether the transaction changed the stream itself.
    pub fn changes(&self, stream: StreamKey) -> bool {
        self.layers
            .iter()
            .any(|layer| layer.stream(stream).is_some())
    }

    /// Reads a key of a stream; `scratch` is reused for the physical key.
    ///
    /// # Errors
    /// XX001 for a damaged value, 58030 when the projection cannot be read.
    pub fn get<R>(
        &self,
        stream: StreamKey,
        key: &[u8],
        scratch: &mut Vec<u8>,
        read: impl FnOnce(Version<'_>) -> R,
    ) -> Result<Option<R>, SqlError> {
        self.note_read(stream, Read::Point(key))?;
        for layer in self.layers.iter().rev() {
            if let Some(entry) = layer.get(stream, key) {
                return Ok(match entry.kind {
                    EntryKind::Delete => None,
                    EntryKind::Insert | EntryKind::Update => Some(read(Version {
                        csn: OWN_CSN,
                        value: &entry.value,
                    })),
                });
            }
        }
        scratch.clear();
        scratch.extend_from_slice(&stream_prefix(self.tenant, stream.stream));
        scratch.extend_from_slice(key);
        let found = self.snapshot.get(stream.space, scratch, |stored| {
            Version::from_stored(stream.space, stored).map(read)
        })?;
        found.transpose()
    }

    /// The greatest committed key of a stream; own changes are not looked at.
    ///
    /// # Errors
    /// 58030 when the projection cannot be read.
    pub fn last_key(&self, stream: StreamKey) -> Result<Option<Vec<u8>>, SqlError> {
        let start = stream_prefix(self.tenant, stream.stream);
        let end = prefix_end(&start).unwrap_or_default();
        let backwards = ScanOptions {
            reverse: true,
            ..ScanOptions::default()
        };
        let mut scan = self.snapshot.scan(stream.space, &start, &end, backwards);
        let last = scan.next()?;
        Ok(last.map(|(key, _)| key.get(PREFIX_LEN..).unwrap_or_default().to_vec()))
    }

    /// Reads the keys of a stream from `start` (included) to `end` (excluded;
    /// `None` = to the end of the stream), in key order.
    pub fn scan<'a>(
        &'a self,
        stream: StreamKey,
        start: &[u8],
        end: Option<&[u8]>,
        bypass_cache: bool,
    ) -> MergeScan<'a> {
        MergeScan::new(self, stream, start, end, bypass_cache)
    }
}
