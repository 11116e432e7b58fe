//! Room that holds no data: padding, and what was never used.

use super::{Place, Scan};
use crate::error::{DamageKind, Result};
use crate::log::Cursor;
use crate::segment::PAD;

impl Scan<'_> {
    /// The bytes between the end of a block and the next.
    pub(super) fn padding(
        &mut self,
        place: &Place<'_>,
        cursor: &mut Cursor<'_>,
        from: u64,
    ) -> Result<()> {
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
    pub(super) fn unused_room(&mut self, place: &Place<'_>, cursor: &mut Cursor<'_>) -> Result<()> {
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
