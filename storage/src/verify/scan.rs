//! The walk over all segments.

use super::opened::Opened;
use super::report::VerifyReport;
use super::tail::{self, Tails};
use super::tenants::Tenants;
use super::{VerifyOptions, VerifyProgress};
use crate::block::Block;
use crate::chain::ChainHead;
use crate::disk::OpenMode;
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::{Hash32, NO_HASH};
use crate::log::recovery::has_unwritten_sector;
use crate::log::{Cursor, Evidence, Parsed, describe, next_block_after};
use crate::segment::{Ident, IdentSlot, LOG_DIR, PAD, Segment, SegmentHeader, align, file_name};
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

    /// Checks the block at the place and moves on; false at the segment's end.
    fn block(&mut self, place: &mut Place<'_>, cursor: &mut Cursor<'_>) -> Result<bool> {
        let (offset, index) = (place.offset, self.index);
        let evidence = match cursor.parse(offset)? {
            Parsed::Block { block, bytes } if block.header.index == index => {
                let len = bytes.len() as u64;
                if let Some(evidence) = self.good_block(place, &block) {
                    let (disk, dir) = (self.options.disk.as_ref(), &self.options.data_dir);
                    let found = describe(disk, dir, place.segment, evidence)?;
                    self.damage(found);
                }
                if let Some(error) = self.wrong_key.take() {
                    return Err(error);
                }
                place.offset = offset + align(len);
                self.index += 1;
                if self.options.full_scan {
                    self.padding(place, cursor, offset + len)?;
                }
                return Ok(true);
            }
            Parsed::Block { block, .. } => Evidence {
                kind: DamageKind::Chain,
                offset,
                index,
                detail: format!("block {} lies here", block.header.index),
            },
            Parsed::Nothing if place.slot(index) == IdentSlot::Empty => {
                // Zeroes are the end unless something was written behind them.
                if !place.goes_on_after(index) {
                    return Ok(false);
                }
                missing_here(offset, index)
            }
            Parsed::Nothing => missing_here(offset, index),
            Parsed::Bad { error, .. } => Evidence::from_format(&error, offset, index),
        };
        self.bad_block(place, cursor, evidence)
    }

    fn bad_block(
        &mut self,
        place: &mut Place<'_>,
        cursor: &mut Cursor<'_>,
        evidence: Evidence,
    ) -> Result<bool> {
        let index = self.index;
        let (disk, dir) = (self.options.disk.as_ref(), &self.options.data_dir);
        let mut damage = describe(disk, dir, place.segment, evidence)?;
        if self.is_torn(place)? {
            damage.kind = DamageKind::TornTail;
            self.report.torn_tail = Some(damage);
            return Ok(false);
        }
        self.damage(damage);
        match next_block_after(place.segment, cursor, place.offset, index)? {
            Some((next, offset)) => {
                if next > index + 1 {
                    let detail = format!("blocks {} to {} cannot be found", index + 1, next - 1);
                    let lost =
                        self.evidence(place.segment, place.offset, DamageKind::Missing, detail);
                    self.damage(lost);
                }
                place.offset = offset;
                self.lose_track(next);
                Ok(true)
            }
            None => {
                self.lose_track(index + 1);
                Ok(false)
            }
        }
    }

    /// Whether the bad block at the place is a write that was cut off; the same
    /// rules as at opening ([`crate::log::recovery`]).
    fn is_torn(&self, place: &Place<'_>) -> Result<bool> {
        let index = self.index;
        let known = self.superblock.as_ref();
        let acknowledged =
            known.is_none_or(|s| s.clean || s.verified_index >= index || s.commit_floor >= index);
        let later = place.goes_on_after(index) || self.firsts.iter().any(|first| *first > index);
        if acknowledged || later {
            return Ok(false);
        }
        match place.slot(index) {
            IdentSlot::Empty => Ok(true),
            IdentSlot::Damaged => Ok(false),
            IdentSlot::Valid(ident) => has_unwritten_sector(place.segment, &ident),
        }
    }

    /// Everything about a block whose checksums and index are good. What is wrong
    /// with the block itself is returned; what is wrong around it is reported.
    fn good_block(&mut self, place: &Place<'_>, block: &Block<'_>) -> Option<Evidence> {
        let (header, index, offset) = (&block.header, self.index, place.offset);
        let bad = |kind, detail: String| Evidence {
            kind,
            offset,
            index,
            detail,
        };
        let leaves = match block.verify() {
            Ok(leaves) => leaves,
            Err(error) => {
                // What a changed header says of its neighbours means nothing.
                self.head = None;
                self.tenants.missed_block();
                return Some(Evidence::from_format(&error, offset, index));
            }
        };
        let chained = match &mut self.head {
            Some(head) => head.advance(header).map_err(|error| error.to_string()),
            None => Ok(()),
        };
        self.head = Some(ChainHead::of(header));
        let mut problem = chained.err().map(|detail| bad(DamageKind::Chain, detail));
        self.check_ident(place, block);
        if let Some(detail) = self.check_superblock(index, &header.block_hash) {
            problem.get_or_insert(bad(DamageKind::Mismatch, detail));
        }
        for (ordinal, (event, leaf)) in block.events.iter().zip(&leaves).enumerate() {
            if let Err(error) = self.tenants.event(&event.header, *leaf) {
                let detail = format!("event {ordinal}: {error}");
                problem.get_or_insert(bad(DamageKind::TenantChain, detail));
            }
            if self
                .options
                .tenant
                .is_some_and(|tenant| tenant != event.header.tenant)
            {
                continue;
            }
            if event.header.flags.redacted() {
                let detail = format!("event {ordinal} was removed, and nothing authorises it");
                problem.get_or_insert(bad(DamageKind::Redaction, detail));
            } else if self.options.full_scan
                && let Err(error) = event.verify_body()
            {
                let detail = format!("event {ordinal}: {error}");
                problem.get_or_insert(bad(DamageKind::Hash, detail));
            }
            if let Some(opened) = &self.opened
                && let Err(error) = opened.event(ordinal as u16, event, *leaf)
            {
                if matches!(error, StorageError::WrongMasterKey { .. })
                    && event.verify_body().is_ok()
                {
                    self.wrong_key = Some(error);
                    return None;
                }
                let detail = format!("event {ordinal}: {error}");
                problem.get_or_insert(bad(DamageKind::Unopenable, detail));
            }
        }
        if problem.is_none() {
            self.report.blocks += 1;
            self.report.events += leaves.len() as u64;
            self.report.head = Some((index, header.block_hash));
        }
        problem
    }

    fn check_ident(&mut self, place: &Place<'_>, block: &Block<'_>) {
        let header = &block.header;
        let ident = Ident {
            index: self.index,
            term: header.term,
            hash: header.block_hash,
            offset: place.offset,
            len: header.block_len() as u32,
        };
        if place.slot(self.index) == IdentSlot::Valid(ident) {
            return;
        }
        let at = place.segment.header.ident_offset(self.index).unwrap_or(0);
        let detail = "the block is good, its ident entry is not; the next start writes it again if \
                      it belongs to the newest blocks";
        let damage = self.evidence(place.segment, at, DamageKind::Mismatch, detail.to_owned());
        self.damage(Damage {
            expected: Some(ident.hash),
            ..damage
        });
    }

    fn check_superblock(&self, index: u64, hash: &Hash32) -> Option<String> {
        let superblock = self.superblock.as_ref()?;
        (superblock.verified_index == index && superblock.verified_hash != *hash)
            .then(|| "the superblock's verified head names another hash".to_owned())
    }

    /// The bytes between the end of a block and the next.
    fn padding(&mut self, place: &Place<'_>, cursor: &mut Cursor<'_>, from: u64) -> Result<()> {
        let len = (place.offset - from) as usize;
        let bytes = cursor.window(from, len)?;
        if bytes.len() == len && bytes.iter().all(|byte| *byte == PAD) {
            return Ok(());
        }
        let detail = "the padding after the block changed; no data is in it".to_owned();
        let mut damage = self.evidence(place.segment, from, DamageKind::Format, detail);
        damage.block_index = Some(self.index - 1);
        self.damage(damage);
        Ok(())
    }

    /// Room after the last block and unused ident entries must be zero.
    fn unused_room(&mut self, place: &Place<'_>, cursor: &mut Cursor<'_>) -> Result<()> {
        let header = &place.segment.header;
        let detail = "bytes in room that was never used; no data is in them";
        let zeroes = self
            .tails
            .as_mut()
            .and_then(|t| t.zeroes_from(header.first_index));
        let known = zeroes.is_some_and(|from| from <= place.offset);
        if !known && let Some(at) = cursor.first_nonzero(place.offset, header.segment_bytes)? {
            let damage = self.evidence(place.segment, at, DamageKind::Format, detail.to_owned());
            self.damage(damage);
        }
        let used = self.index.saturating_sub(header.first_index);
        let rest = crate::segment::PAGE_BYTES + used * crate::segment::IDENT_BYTES as u64;
        if let Some(at) = cursor.first_nonzero(rest, header.data_offset)? {
            let damage = self.evidence(place.segment, at, DamageKind::Format, detail.to_owned());
            self.damage(damage);
        }
        let header_end = crate::segment::HEADER_BYTES as u64;
        if let Some(at) = cursor.first_nonzero(header_end, crate::segment::PAGE_BYTES)? {
            let damage = self.evidence(place.segment, at, DamageKind::Format, detail.to_owned());
            self.damage(damage);
        }
        Ok(())
    }
}

fn missing_here(offset: u64, index: u64) -> Evidence {
    Evidence {
        kind: DamageKind::Missing,
        offset,
        index,
        detail: "zeroes where the block should be".into(),
    }
}
