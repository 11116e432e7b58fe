//! Which rows of a partition are in the frame of a row.

use std::ops::Range;

use arrow::array::ArrayRef;
use datafusion::common::Result;

use super::distance::Distances;

/// What the bounds of a frame count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Units {
    /// Rows.
    Rows,
    /// Distances of the sort key.
    Range,
    /// Groups of peers.
    Groups,
}

/// Where a frame starts or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Bound {
    /// UNBOUNDED PRECEDING
    First,
    /// An offset before the row.
    Preceding,
    /// CURRENT ROW
    Current,
    /// An offset behind the row.
    Following,
    /// UNBOUNDED FOLLOWING
    Last,
}

/// Which rows a frame leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum Exclusion {
    /// None.
    Nothing,
    /// The row itself.
    Current,
    /// The row and its peers.
    Group,
    /// Its peers.
    Ties,
}

/// A frame clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) struct Frame {
    pub(in crate::query) units: Units,
    pub(in crate::query) start: Bound,
    pub(in crate::query) end: Bound,
    pub(in crate::query) exclusion: Exclusion,
}

impl Frame {
    /// Whether a bound is an offset.
    pub(in crate::query) fn has_offset(&self, end: bool) -> bool {
        let bound = if end { self.end } else { self.start };
        matches!(bound, Bound::Preceding | Bound::Following)
    }
}

/// The frames of the rows of one partition.
pub(super) struct Frames {
    frame: Frame,
    rows: usize,
    /// The rows of each group of peers.
    groups: Vec<Range<usize>>,
    /// The group of each row.
    group_of: Vec<usize>,
    /// Offsets that count rows or groups.
    counts: [usize; 2],
    distances: Option<Distances>,
}

impl Frames {
    /// The frames of a partition of `rows` rows whose peers are equal in `keys`.
    pub(super) fn new(
        frame: Frame,
        rows: usize,
        keys: &[ArrayRef],
        counts: [usize; 2],
        distances: Option<Distances>,
    ) -> Result<Self> {
        let groups = if keys.is_empty() {
            std::iter::once(0..rows).collect()
        } else {
            arrow::compute::partition(keys)?.ranges()
        };
        let mut group_of = vec![0; rows];
        for (number, group) in groups.iter().enumerate() {
            for place in group_of.get_mut(group.clone()).into_iter().flatten() {
                *place = number;
            }
        }
        Ok(Self {
            frame,
            rows,
            groups,
            group_of,
            counts,
            distances,
        })
    }

    /// The peers of a row, and itself.
    fn peers(&self, row: usize) -> Range<usize> {
        let group = self.group_of.get(row).copied().unwrap_or(0);
        self.groups.get(group).cloned().unwrap_or(row..row + 1)
    }

    /// The group `by` groups before or behind that of a row.
    fn group_at(&self, row: usize, by: usize, behind: bool) -> Option<Range<usize>> {
        let own = self.group_of.get(row).copied().unwrap_or(0);
        let group = if behind {
            own.checked_add(by)?
        } else {
            own.checked_sub(by)?
        };
        self.groups.get(group).cloned()
    }

    fn start(&self, row: usize) -> Result<usize> {
        let [count, _] = self.counts;
        let behind = self.frame.start == Bound::Following;
        Ok(match (self.frame.start, self.frame.units) {
            (Bound::First, _) => 0,
            (Bound::Last, _) => self.rows,
            (Bound::Current, Units::Rows) => row,
            (Bound::Current, _) => self.peers(row).start,
            (Bound::Preceding, Units::Rows) => row.saturating_sub(count),
            (Bound::Following, Units::Rows) => row.saturating_add(count),
            (_, Units::Groups) => match self.group_at(row, count, behind) {
                Some(group) => group.start,
                None if behind => self.rows,
                None => 0,
            },
            (_, Units::Range) => match &self.distances {
                Some(distances) => distances.start(row, behind)?,
                None => 0,
            },
        })
    }

    /// The first row behind the frame.
    fn end(&self, row: usize) -> Result<usize> {
        let [_, count] = self.counts;
        let behind = self.frame.end == Bound::Following;
        Ok(match (self.frame.end, self.frame.units) {
            (Bound::First, _) => 0,
            (Bound::Last, _) => self.rows,
            (Bound::Current, Units::Rows) => row + 1,
            (Bound::Current, _) => self.peers(row).end,
            (Bound::Preceding, Units::Rows) => (row + 1).saturating_sub(count),
            (Bound::Following, Units::Rows) => (row + 1).saturating_add(count),
            (_, Units::Groups) => match self.group_at(row, count, behind) {
                Some(group) => group.end,
                None if behind => self.rows,
                None => 0,
            },
            (_, Units::Range) => match &self.distances {
                Some(distances) => distances.end(row, behind)?,
                None => self.rows,
            },
        })
    }

    /// The rows in the frame of a row, as ranges in their order; none is empty.
    pub(super) fn of(&self, row: usize) -> Result<Vec<Range<usize>>> {
        let start = self.start(row)?.min(self.rows);
        let end = self.end(row)?.min(self.rows);
        let whole = start..end;
        let peers = match self.frame.exclusion {
            Exclusion::Nothing => row..row,
            Exclusion::Current => row..row + 1,
            Exclusion::Group | Exclusion::Ties => self.peers(row),
        };
        let mut ranges = Vec::with_capacity(3);
        if self.frame.exclusion == Exclusion::Nothing {
            ranges.push(whole);
        } else {
            ranges.push(whole.start..whole.end.min(peers.start));
            if self.frame.exclusion == Exclusion::Ties && whole.contains(&row) {
                ranges.push(row..row + 1);
            }
            ranges.push(whole.start.max(peers.end)..whole.end);
        }
        ranges.retain(|range| range.start < range.end);
        Ok(ranges)
    }
}
