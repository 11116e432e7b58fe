//! The walk over all segments.

mod blocks;
mod room;

use super::opened::Opened;
use super::report::VerifyReport;
use super::tail::{self, Tails};
use super::tenants::Tenants;
use super::{VerifyOptions, VerifyProgress};
use crate::chain::ChainHead;
use crate::disk::OpenMode;
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::NO_HASH;
use crate::log::Cursor;
use crate::segment::{IdentSlot, LOG_DIR, Segment, SegmentHeader, file_name};
use crate::superblock::Superblock;
use std::sync::mpsc;

pub(super) struct Scan<'a> {
    options: &'a VerifyOptions,
    superblock: Option<Superblock>,
    firsts: Vec<u64>,
    /// Blocks after this are not looked at, because they may be being written.
    end: Option<u64>,
    opened: Option<Opened>,
    report: VerifyReport,
    tenants: Tenants,
    /// Where unused room is known to be zero, in a full scan.
    tails: Option<Tails>,
    /// The master key is not that of the log: that is no damage, and nothing can
    /// be said about what it should have opened.
    wrong_key: Option<StorageError>,
    /// `None` = the block before is not known.
    head: Option<ChainHead>,
    /// The block that comes next.
    index: u64,
}

/// A place in a segment.
struct Place<'s> {
    segment: &'s Segment,
    idents: &'s [IdentSlot],
    offset: u64,
}

impl Place<'_> {
    fn slot(&self, index: u64) -> IdentSlot {
        let at = index.checked_sub(self.segment.header.first_index);
        let slot = at.and_then(|at| self.idents.get(at as usize));
        slot.copied().unwrap_or(IdentSlot::Empty)
    }

    /// Whether anything was written after block `index` in this segment.
    fn goes_on_after(&self, index: u64) -> bool {
        let from = (index + 1).saturating_sub(self.segment.header.first_index) as usize;
        let rest = self.idents.get(from..).unwrap_or_default();
        rest.iter().any(|slot| *slot != IdentSlot::Empty)
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        options: &'a VerifyOptions,
        superblock: Option<Superblock>,
        firsts: Vec<u64>,
        end: Option<u64>,
        opened: Option<Opened>,
        report: VerifyReport,
    ) -> Self {
        let from = options.from.unwrap_or(1).max(1);
        let end = [end, options.to].into_iter().flatten().min();
        let head = superblock.as_ref().filter(|_| from == 1);
        Self {
            head: head.map(|s| ChainHead::genesis(s.lineage)),
            tenants: Tenants::new(from == 1),
            tails: None,
            wrong_key: None,
            options,
            superblock,
            firsts,
            end,
            opened,
            report,
            index: from,
        }
    }

    pub(super) fn finish(self) -> VerifyReport {
        let mut report = self.report;
        report.tenants = self.tenants.reports();
        report
    }

    fn past_end(&self) -> bool {
        self.end.is_some_and(|end| self.index > end)
    }

    /// Checks everything that was asked for.
    pub(super) fn run(&mut self, progress: &dyn Fn(VerifyProgress)) -> Result<()> {
        if !self.options.full_scan || self.options.to.is_some() {
            return self.walk(progress);
        }
        let (sender, receiver) = mpsc::sync_channel(tail::WAITING);
        self.tails = Some(Tails::new(receiver));
        let (disk, dir) = (self.options.disk.as_ref(), self.options.data_dir.as_path());
        let firsts = self.current_and_later();
        std::thread::scope(|scope| {
            scope.spawn(move || tail::find(disk, dir, &firsts, &sender));
            let walked = self.walk(progress);
            // Nobody listens any more: the thread ends.
            self.tails = None;
            walked
        })
    }

    /// The segments from the one that holds the current block on.
    fn current_and_later(&self) -> Vec<u64> {
        let start = self.firsts.iter().rposition(|first| *first <= self.index);
        let rest = self.firsts.get(start.unwrap_or(0)..);
        rest.unwrap_or_default().to_vec()
    }

    fn walk(&mut self, progress: &dyn Fn(VerifyProgress)) -> Result<()> {
        for first in self.current_and_later() {
            if self.past_end() {
                break;
            }
            if first > self.index {
                self.missing(first);
            }
            self.segment(first, progress)?;
        }
        let Some(superblock) = &self.superblock else {
            return Ok(());
        };
        let verified = superblock.verified_index.max(superblock.commit_floor);
        if self.end.is_none_or(|end| end >= verified) && self.index <= verified {
            self.missing(verified + 1);
        }
        Ok(())
    }

    /// Blocks from the current one up to before `next` are in no segment.
    fn missing(&mut self, next: u64) {
        let index = self.index;
        self.damage(Damage {
            kind: DamageKind::Missing,
            file: format!("{LOG_DIR}/{}", file_name(index)),
            offset: 0,
            block_index: Some(index),
            expected: None,
            found: None,
            tenants: Vec::new(),
            detail: format!("blocks {index} to {} are in no segment", next - 1),
        });
        self.lose_track(next);
    }

    fn lose_track(&mut self, next: u64) {
        self.index = next;
        self.head = None;
        self.tenants.missed_block();
    }

    fn damage(&mut self, damage: Damage) {
        self.report.damages.push(damage);
    }

    fn segment(&mut self, first: u64, progress: &dyn Fn(VerifyProgress)) -> Result<()> {
        let segment = self.open(first)?;
        let idents = segment.idents().unwrap_or_default();
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        let mut place = Place {
            segment: &segment,
            idents: &idents,
            offset: segment.header.data_offset,
        };
        if first < self.index
            && let IdentSlot::Valid(ident) = place.slot(self.index)
        {
            place.offset = ident.offset;
        } else if first < self.index {
            // Found again from the segment's first block.
            self.lose_track(first);
        }
        let bytes_total = self.firsts.len() as u64 * segment.header.segment_bytes;
        while !self.past_end() {
            let before = place.offset;
            if !self.block(&mut place, &mut cursor)? {
                break;
            }
            self.report.bytes += place.offset.saturating_sub(before);
            progress(VerifyProgress {
                bytes: self.report.bytes,
                bytes_total,
                index: self.index,
            });
        }
        if self.options.full_scan && !self.past_end() && self.report.torn_tail.is_none() {
            self.unused_room(&place, &mut cursor)?;
        }
        Ok(())
    }

    /// Opens a segment; when its header is not good, by what it should be.
    fn open(&mut self, first: u64) -> Result<Segment> {
        let (disk, dir) = (self.options.disk.as_ref(), &self.options.data_dir);
        match Segment::open(disk, dir, first, OpenMode::Read) {
            Ok(segment) => {
                self.check_segment_header(&segment);
                Ok(segment)
            }
            Err(StorageError::Damaged(damage)) => {
                self.damage(*damage);
                let name = format!("{LOG_DIR}/{}", file_name(first));
                let file = disk
                    .open(&dir.join(&name), OpenMode::Read)
                    .map_err(|e| StorageError::io(format!("open {name}"), e))?;
                let len = file
                    .len()
                    .map_err(|e| StorageError::io(format!("read {name}"), e))?;
                let bytes = self.superblock.as_ref().map_or(len, |s| s.segment_bytes);
                let lineage = self.superblock.as_ref().map(|s| s.lineage);
                let lineage = lineage.unwrap_or(crate::ids::Lineage([0; 16]));
                let prev = self.head.map_or(NO_HASH, |head| head.hash);
                Ok(Segment {
                    file,
                    header: SegmentHeader::new(lineage, first, prev, bytes),
                    name,
                })
            }
            Err(other) => Err(other),
        }
    }

    fn check_segment_header(&mut self, segment: &Segment) {
        let header = &segment.header;
        let Some(head) = self
            .head
            .filter(|head| head.index + 1 == header.first_index)
        else {
            return;
        };
        if header.prev_hash != head.hash || header.lineage != head.lineage {
            let damage = self.evidence(
                segment,
                0,
                DamageKind::Chain,
                String::from("the segment's header does not continue the block before it"),
            );
            self.damage(Damage {
                expected: Some(head.hash),
                found: Some(header.prev_hash),
                ..damage
            });
        }
    }

    fn evidence(&self, segment: &Segment, offset: u64, kind: DamageKind, detail: String) -> Damage {
        Damage {
            kind,
            file: segment.name.clone(),
            offset,
            block_index: Some(self.index),
            expected: None,
            found: None,
            tenants: Vec::new(),
            detail,
        }
    }
}
