//! Which keys a transaction read or wrote. Never too few: when there are many,
//! whole streams are taken instead.

use std::collections::{BTreeMap, BTreeSet};

use super::super::layer::StreamKey;

/// Keys of one stream that are kept one by one.
const MOST_POINTS: usize = 1_024;
/// Ranges of one stream that are kept one by one.
const MOST_RANGES: usize = 64;

/// Keys from `start` (included) to `end` (excluded; `None` = no bound).
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Span<'a> {
    pub(in super::super) start: &'a [u8],
    pub(in super::super) end: Option<&'a [u8]>,
}

impl Span<'_> {
    fn has(&self, key: &[u8]) -> bool {
        self.start <= key && self.end.is_none_or(|end| key < end)
    }
}

#[derive(Debug)]
enum Part {
    Whole,
    Some {
        points: BTreeSet<Box<[u8]>>,
        ranges: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    },
}

/// Keys by stream.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    streams: BTreeMap<StreamKey, Part>,
}

impl Coverage {
    fn part(&mut self, stream: StreamKey) -> &mut Part {
        self.streams.entry(stream).or_insert(Part::Some {
            points: BTreeSet::new(),
            ranges: Vec::new(),
        })
    }

    /// Adds a key; says whether it was new.
    pub(super) fn add_point(&mut self, stream: StreamKey, key: &[u8]) -> bool {
        if self.has(stream, key) {
            return false;
        }
        let part = self.part(stream);
        if let Part::Some { points, .. } = part {
            points.insert(key.into());
            if points.len() > MOST_POINTS {
                *part = Part::Whole;
            }
        }
        true
    }

    /// Adds a range; says whether it was new.
    pub(super) fn add_range(&mut self, stream: StreamKey, span: Span<'_>) -> bool {
        let part = self.part(stream);
        let Part::Some { ranges, .. } = part else {
            return false;
        };
        let within = |(start, end): &(Vec<u8>, Option<Vec<u8>>)| {
            start.as_slice() <= span.start
                && match (end, span.end) {
                    (None, _) => true,
                    (Some(end), Some(wanted)) => wanted <= end.as_slice(),
                    (Some(_), None) => false,
                }
        };
        if ranges.iter().any(within) {
            return false;
        }
        ranges.push((span.start.to_vec(), span.end.map(<[u8]>::to_vec)));
        if ranges.len() > MOST_RANGES || (span.start.is_empty() && span.end.is_none()) {
            *part = Part::Whole;
        }
        true
    }

    /// Whether a key is covered.
    pub(super) fn has(&self, stream: StreamKey, key: &[u8]) -> bool {
        match self.streams.get(&stream) {
            None => false,
            Some(Part::Whole) => true,
            Some(Part::Some { points, ranges }) => {
                points.contains(key)
                    || ranges.iter().any(|(start, end)| {
                        Span {
                            start,
                            end: end.as_deref(),
                        }
                        .has(key)
                    })
            }
        }
    }

    /// Whether any key of a range is covered. Ranges count as touching.
    pub(super) fn touches(&self, stream: StreamKey, span: Span<'_>) -> bool {
        match self.streams.get(&stream) {
            None => false,
            Some(Part::Whole) => true,
            Some(Part::Some { points, ranges }) => {
                !ranges.is_empty()
                    || points
                        .range::<[u8], _>((
                            std::ops::Bound::Included(span.start),
                            std::ops::Bound::Unbounded,
                        ))
                        .next()
                        .is_some_and(|first| span.has(first))
            }
        }
    }

    /// Adds all keys of a stream.
    pub(super) fn add_all(&mut self, stream: StreamKey) {
        self.streams.insert(stream, Part::Whole);
    }

    /// Whether any key of a stream is covered.
    pub(super) fn has_any(&self, stream: StreamKey) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
    }
}
