//! The segments of one stream, and what changed in it lately.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use arrow::array::{Array, ArrayRef};

use super::{ColumnKey, Found, RECENT_KEY_BYTES, RECENT_KEYS, Segment};

/// Rough cost of a segment beside its arrays, in bytes.
const SEGMENT_OVERHEAD: usize = 256;

struct Kept {
    /// The block after which it was read.
    at: u64,
    segment: Segment,
    bytes: usize,
}

/// What is kept of a stream.
pub(super) struct StreamColumns {
    pub(super) bytes: usize,
    pub(super) used: u64,
    segments: BTreeMap<Box<[u8]>, Kept>,
    /// The newest block about whose changes, or about those of blocks before it,
    /// something is not known.
    unknown: u64,
    /// Keys changed after it, with the block, oldest first.
    recent: VecDeque<(u64, Box<[u8]>)>,
}

/// About how many bytes keeping a segment takes.
pub(super) fn bytes_of(start: &[u8], segment: &Segment) -> usize {
    let arrays: usize = segment
        .columns
        .values()
        .map(|array| array.get_array_memory_size())
        .sum();
    start.len() + segment.end.as_ref().map_or(0, |end| end.len()) + arrays + SEGMENT_OVERHEAD
}

impl StreamColumns {
    /// Nothing is known about the changes of block `latest` and before.
    pub(super) fn watched_after(latest: u64, now: u64) -> Self {
        Self {
            bytes: 0,
            used: now,
            segments: BTreeMap::new(),
            unknown: latest,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn find(
        &self,
        at: u64,
        (start, end): (&[u8], Option<&[u8]>),
        wanted: &[ColumnKey],
    ) -> Found {
        let from = (Bound::Included(start), Bound::Unbounded);
        let mut following = self.segments.range::<[u8], _>(from);
        let Some((first, kept)) = following.next() else {
            return Found::NothingBefore(None);
        };
        if **first != *start {
            return Found::NothingBefore(Some(first.clone()));
        }
        let fits = match (kept.segment.end.as_deref(), end) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => a <= b,
        };
        if kept.at <= at && fits {
            let columns: Option<Vec<ArrayRef>> = wanted
                .iter()
                .map(|key| kept.segment.columns.get(key).cloned())
                .collect();
            if let Some(columns) = columns {
                return Found::Columns {
                    end: kept.segment.end.clone(),
                    rows: kept.segment.rows,
                    columns,
                };
            }
        }
        // Read again as far as the segment reaches, so that it can be replaced.
        Found::NothingBefore(kept.segment.end.clone())
    }

    /// Whether something between the keys changed, or may have, after block `at`.
    pub(super) fn changed_after(&self, at: u64, start: &[u8], end: Option<&[u8]>) -> bool {
        if at < self.unknown {
            return true;
        }
        let later = self.recent.partition_point(|(block, _)| *block <= at);
        self.recent
            .range(later..)
            .any(|(_, key)| **key >= *start && end.is_none_or(|end| **key < *end))
    }

    /// Keeps a segment; it takes the place of those it overlaps, whose columns it
    /// takes over when it is of the same rows.
    pub(super) fn insert(&mut self, at: u64, start: &[u8], mut segment: Segment) {
        for key in self.overlapping(start, segment.end.as_deref()) {
            let Some(old) = self.segments.remove(&key) else {
                continue;
            };
            self.bytes -= old.bytes;
            let same = *key == *start
                && old.segment.end == segment.end
                && old.segment.rows == segment.rows;
            // Both are here, so nothing changed between their blocks.
            if same {
                for (column, array) in old.segment.columns {
                    segment.columns.entry(column).or_insert(array);
                }
            }
        }
        let bytes = bytes_of(start, &segment);
        self.bytes += bytes;
        let kept = Kept { at, segment, bytes };
        self.segments.insert(start.into(), kept);
    }

    fn overlapping(&self, start: &[u8], end: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let before = self
            .segments
            .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(start)))
            .next_back()
            .filter(|(_, kept)| kept.segment.end.as_deref().is_none_or(|e| e > start))
            .map(|(key, _)| key.clone());
        let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
        let within = match end {
            Some(end) if end <= start => Vec::new(),
            _ => self
                .segments
                .range::<[u8], _>((Bound::Included(start), upper))
                .map(|(key, _)| key.clone())
                .collect(),
        };
        before.into_iter().chain(within).collect()
    }

    /// A key changed in `block`.
    pub(super) fn changed(&mut self, block: u64, key: &[u8]) {
        if key.len() > RECENT_KEY_BYTES {
            self.recent.clear();
            self.unknown = self.unknown.max(block);
        } else {
            if self.recent.len() >= RECENT_KEYS
                && let Some((forgotten, _)) = self.recent.pop_front()
            {
                self.unknown = self.unknown.max(forgotten);
            }
            self.recent.push_back((block, key.into()));
        }
        let holds = self
            .segments
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()
            .filter(|(_, kept)| kept.segment.end.as_deref().is_none_or(|end| key < end))
            .map(|(start, _)| start.clone());
        if let Some(kept) = holds.and_then(|start| self.segments.remove(&start)) {
            self.bytes -= kept.bytes;
        }
    }

    /// Anything may have changed in `block`.
    pub(super) fn forget_all(&mut self, block: u64) {
        self.segments.clear();
        self.recent.clear();
        self.bytes = 0;
        self.unknown = self.unknown.max(block);
    }

    pub(super) fn cuts(&self, parts: usize) -> Vec<Vec<u8>> {
        if parts < 2 || self.segments.len() < parts * 2 {
            return Vec::new();
        }
        let total: usize = self.segments.values().map(|kept| kept.segment.rows).sum();
        let mut cuts = Vec::with_capacity(parts - 1);
        let mut seen = 0;
        for (start, kept) in &self.segments {
            let wanted = total * (cuts.len() + 1) / parts;
            if cuts.len() + 1 < parts && seen >= wanted && !start.is_empty() {
                cuts.push(start.to_vec());
            }
            seen += kept.segment.rows;
        }
        cuts
    }
}
