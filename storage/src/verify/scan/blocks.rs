//! What is wrong with a block, and around it.

use super::{Place, Scan};
use crate::block::Block;
use crate::chain::ChainHead;
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::Hash32;
use crate::log::recovery::has_unwritten_sector;
use crate::log::{Cursor, Evidence, Parsed, describe, next_block_after};
use crate::segment::{Ident, IdentSlot, align};

impl Scan<'_> {
    /// Checks the block at the place and moves on; false at the segment's end.
    pub(super) fn block(&mut self, place: &mut Place<'_>, cursor: &mut Cursor<'_>) -> Result<bool> {
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
}

fn missing_here(offset: u64, index: u64) -> Evidence {
    Evidence {
        kind: DamageKind::Missing,
        offset,
        index,
        detail: "zeroes where the block should be".into(),
    }
}
