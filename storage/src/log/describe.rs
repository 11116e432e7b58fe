//! Saying exactly what is damaged: block, bytes, hashes, tenants.

use super::cursor::{Cursor, Parsed};
use crate::block::{BLOCK_HEADER_LEN, BlockHeader};
use crate::disk::{Disk, OpenMode};
use crate::error::{Damage, DamageKind, FormatError, Result};
use crate::event::EventRef;
use crate::ids::{Hash32, TenantId};
use crate::segment::{self, IdentSlot, Segment, align};
use std::path::Path;

/// What was seen at a damaged place.
#[derive(Debug)]
pub struct Evidence {
    /// What kind of damage.
    pub kind: DamageKind,
    /// Where in the segment.
    pub offset: u64,
    /// Which block should be there.
    pub index: u64,
    /// What was seen, in words.
    pub detail: String,
}

impl Evidence {
    /// Evidence from a format error.
    #[must_use]
    pub fn from_format(error: &FormatError, offset: u64, index: u64) -> Self {
        let kind = match error {
            FormatError::Checksum { .. } => DamageKind::Checksum,
            FormatError::Hash { .. } => DamageKind::Hash,
            _ => DamageKind::Format,
        };
        Self {
            kind,
            offset,
            index,
            detail: error.to_string(),
        }
    }
}

/// Turns evidence into a report, filling in everything the rest of the log knows
/// about the block: its hash from the ident table or from its successor, and the
/// tenants whose events can still be made out.
///
/// # Errors
/// Reading failed; the damage itself is the result, not an error.
pub fn describe(
    disk: &dyn Disk,
    data_dir: &Path,
    segment: &Segment,
    evidence: Evidence,
) -> Result<Damage> {
    let ident = segment.ident(evidence.index)?;
    let (known, len) = match ident {
        IdentSlot::Valid(ident) => (Some(ident.hash), Some(ident.len as usize)),
        _ => (None, None),
    };
    let expected = match known {
        Some(hash) => Some(hash),
        None => successors_word(disk, data_dir, segment, evidence.index)?,
    };
    let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
    let head = cursor.window(evidence.offset, BLOCK_HEADER_LEN)?;
    let header = BlockHeader::decode(head).ok();
    let len = header.as_ref().map(BlockHeader::block_len).or(len);
    let tenants = match len {
        Some(len) => tenants_of(cursor.window(evidence.offset, len)?),
        None => Vec::new(),
    };
    let found = header.map(|header| header.compute_hash());
    // A checksum can differ where the header, and with it the hash, is good. Then
    // the checksums in the detail are what tells, and two equal hashes are not.
    let found = found.filter(|found| Some(found) != expected.as_ref());
    Ok(Damage {
        kind: evidence.kind,
        file: segment.name.clone(),
        offset: evidence.offset,
        block_index: Some(evidence.index),
        expected,
        found,
        tenants,
        detail: evidence.detail,
    })
}

/// The tenants of the events that can be made out in a damaged block. Lengths
/// may be damaged too, so the list can be short, and an id in it can be wrong.
fn tenants_of(bytes: &[u8]) -> Vec<TenantId> {
    let mut tenants = Vec::new();
    let mut rest = bytes.get(BLOCK_HEADER_LEN..).unwrap_or_default();
    while let Ok((event, after)) = EventRef::decode(rest) {
        if !tenants.contains(&event.header.tenant) {
            tenants.push(event.header.tenant);
        }
        rest = after;
    }
    tenants
}

/// The hash of block `index` according to the block or segment that follows it.
fn successors_word(
    disk: &dyn Disk,
    data_dir: &Path,
    segment: &Segment,
    index: u64,
) -> Result<Option<Hash32>> {
    if let IdentSlot::Valid(next) = segment.ident(index + 1)? {
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        if let Parsed::Block { block, .. } = cursor.parse(next.offset)?
            && block.header.index == index + 1
        {
            return Ok(Some(block.header.prev_hash));
        }
        return Ok(None);
    }
    if segment::list(disk, data_dir)?.contains(&(index + 1)) {
        let next = Segment::open(disk, data_dir, index + 1, OpenMode::Read);
        return Ok(next.ok().map(|next| next.header.prev_hash));
    }
    Ok(None)
}

/// Where the block after `index` begins, when its own header cannot tell: from
/// the ident table, or by looking for the next header in the data.
///
/// # Errors
/// Reading failed.
pub(crate) fn next_block_after(
    segment: &Segment,
    cursor: &mut Cursor<'_>,
    offset: u64,
    index: u64,
) -> Result<Option<(u64, u64)>> {
    if let IdentSlot::Valid(next) = segment.ident(index + 1)? {
        return Ok(Some((index + 1, next.offset)));
    }
    let mut at = align(offset + 1);
    while at < segment.header.segment_bytes {
        let head = cursor.window(at, BLOCK_HEADER_LEN)?;
        if let Ok(header) = BlockHeader::decode(head)
            && header.index > index
            && header.verify_hash().is_ok()
        {
            return Ok(Some((header.index, at)));
        }
        at += segment::BLOCK_ALIGN;
    }
    Ok(None)
}
