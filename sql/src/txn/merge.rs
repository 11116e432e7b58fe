//! Scans over a [`ReadView`]: own layers merged with the snapshot by key.

use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;

use kimberlite_storage::{Scan, ScanOptions};

use super::layer::{Entry, EntryKind, StreamKey};
use super::serializable::{Read, Span};
use super::view::{
    OWN_CSN, PREFIX_LEN, ReadView, Version, physical_key, prefix_end, stream_prefix,
};
use crate::error::SqlError;

type LayerRange<'a> = Peekable<Range<'a, Box<[u8]>, Entry>>;

/// A scan in key order. It lends each pair until the next call.
pub struct MergeScan<'a> {
    stream: StreamKey,
    base: Scan<'a>,
    /// Whether `base_key`/`base_value` hold a pair that was read but not given.
    base_pending: bool,
    base_done: bool,
    base_key: Vec<u8>,
    base_value: Vec<u8>,
    /// One cursor a layer, oldest first.
    layers: Vec<LayerRange<'a>>,
    /// Why nothing may be read.
    refused: Option<SqlError>,
}

impl<'a> MergeScan<'a> {
    pub(super) fn new(
        view: &'a ReadView,
        stream: StreamKey,
        start: &[u8],
        end: Option<&[u8]>,
        bypass_cache: bool,
    ) -> Self {
        let tenant = view.tenant();
        let physical_start = physical_key(tenant, stream.stream, start);
        let physical_end = match end {
            Some(end) => physical_key(tenant, stream.stream, end),
            None => prefix_end(&stream_prefix(tenant, stream.stream)).unwrap_or_default(),
        };
        let base = view.snapshot().scan(
            stream.space,
            &physical_start,
            &physical_end,
            ScanOptions {
                reverse: false,
                fill_cache: !bypass_cache,
                readahead: if bypass_cache { SCAN_READAHEAD } else { 0 },
            },
        );
        let empty = end.is_some_and(|end| end <= start);
        let layers = view
            .layers()
            .iter()
            .filter(|_| !empty)
            .filter_map(|layer| layer.stream(stream))
            .map(|changes| {
                let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
                changes
                    .range::<[u8], _>((Bound::Included(start), upper))
                    .peekable()
            })
            .collect();
        Self {
            stream,
            base,
            base_pending: false,
            base_done: empty,
            base_key: Vec::new(),
            base_value: Vec::new(),
            layers,
            refused: view
                .note_read(stream, Read::Range(Span { start, end }))
                .err(),
        }
    }

    /// The next visible pair: key (without tenant and stream) and version.
    ///
    /// # Errors
    /// XX001 for a damaged value, 58030 when the projection cannot be read.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(&[u8], Version<'_>)>, SqlError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if self.layers.is_empty() {
            return self.next_base();
        }
        self.next_merged()
    }

    /// The common case of a transaction without changes in this stream: no copy.
    fn next_base(&mut self) -> Result<Option<(&[u8], Version<'_>)>, SqlError> {
        if self.base_done {
            return Ok(None);
        }
        let Some((key, stored)) = self.base.next()? else {
            self.base_done = true;
            return Ok(None);
        };
        let version = Version::from_stored(self.stream.space, stored)?;
        Ok(Some((key.get(PREFIX_LEN..).unwrap_or_default(), version)))
    }

    fn fill_base(&mut self) -> Result<(), SqlError> {
        if self.base_pending || self.base_done {
            return Ok(());
        }
        match self.base.next()? {
            Some((key, stored)) => {
                self.base_key.clear();
                self.base_key
                    .extend_from_slice(key.get(PREFIX_LEN..).unwrap_or_default());
                self.base_value.clear();
                self.base_value.extend_from_slice(stored);
                self.base_pending = true;
            }
            None => self.base_done = true,
        }
        Ok(())
    }

    fn next_merged(&mut self) -> Result<Option<(&[u8], Version<'_>)>, SqlError> {
        loop {
            self.fill_base()?;
            let Some((key, entry)) = self.smallest_layer_entry() else {
                if !self.base_pending {
                    return Ok(None);
                }
                self.base_pending = false;
                let version = Version::from_stored(self.stream.space, &self.base_value)?;
                return Ok(Some((&self.base_key, version)));
            };
            if self.base_pending && *self.base_key < *key {
                self.base_pending = false;
                let version = Version::from_stored(self.stream.space, &self.base_value)?;
                return Ok(Some((&self.base_key, version)));
            }
            if self.base_pending && *self.base_key == *key {
                self.base_pending = false;
            }
            for layer in &mut self.layers {
                layer.next_if(|(k, _)| k.as_ref() == key);
            }
            if entry.kind != EntryKind::Delete {
                let version = Version {
                    csn: OWN_CSN,
                    value: &entry.value,
                };
                return Ok(Some((key, version)));
            }
        }
    }

    /// The smallest key that any layer holds next, with its newest entry.
    fn smallest_layer_entry(&mut self) -> Option<(&'a [u8], &'a Entry)> {
        let mut best: Option<(&'a [u8], &'a Entry)> = None;
        for layer in &mut self.layers {
            let Some(&(key, entry)) = layer.peek() else {
                continue;
            };
            // Later layers are newer: on equal keys the later one wins.
            if best.is_none_or(|(k, _)| key.as_ref() <= k) {
                best = Some((key.as_ref(), entry));
            }
        }
        best
    }
}

/// Bytes read ahead by scans that are expected to read much.
const SCAN_READAHEAD: usize = 1 << 20;
