//! Opening a log after anything happened to it.
//!
//! The walk begins at the superblock's verified head, which is known to be good,
//! and reads every block after it: checksums, hashes, bodies, chain, ident entry.
//! Where it cannot go on, the question is whether the bytes were never
//! acknowledged (then they are removed) or were acknowledged and have rotted
//! (then opening is refused, because removing them would silently lose a
//! transaction that somebody was told is safe).
//!
//! # Why truncating never loses an acknowledged block
//!
//! A block is acknowledged only after a barrier that covers its data and its
//! ident entry, and the next block is written only after that barrier (**one
//! flush, one block**). So:
//!
//! 1. If *anything* of a later block exists (a non-empty ident entry further on,
//!    a later segment, a superblock that names it), the barrier of this block
//!    had returned, and whatever is wrong with it is rot.
//! 2. Only the very last block can be torn. Data and ident lie apart, so what is
//!    left of each tells:
//!
//! | data | ident | conclusion |
//! |---|---|---|
//! | good | good | the block is there |
//! | good | empty or damaged | the block is there (it is complete and continues the chain); the entry is written again |
//! | good | names another hash | refuse: two authorities disagree |
//! | bad or absent | empty | torn: had the barrier returned, the entry would be there. Truncate |
//! | bad or absent | good | the entry landed, the data did not, or has rotted: see below |
//! | bad or absent | damaged | refuse: an entry lies within one sector, which a crash leaves old or new, never damaged |
//!
//! 3. For a good entry with bad data, the zeroes decide. The place was zero
//!    before (segments are zero-filled and truncating zeroes), and a wholly
//!    written block has no sector of zeroes: its content is ciphertext, digests
//!    and headers, and the gap after it is filled with a byte that is not zero.
//!    So if some sector of the block's extent is all zero, that sector was never
//!    written: torn, truncate. If none is, every sector was written and changed
//!    later: rot, copy the bytes to `quarantine/` and refuse.
//!
//! What remains: the *last* block of a log that was *not* closed in good order,
//! acknowledged within about a second before the stop (until the superblock's
//! verified head covers it), of which a sector afterwards turned to zeroes, is
//! taken for torn. That takes a crash and an independent fault of the medium in
//! the same block; a cluster covers it by its other replicas, and on one node
//! nothing short of a second barrier per commit could tell the two apart.
//!
//! # What can be read need not be on the medium
//!
//! A process that was killed between writing a block and its barrier, or whose
//! barrier failed, leaves a block that the operating system shows to the next
//! process from memory. Taking it for durable would let the superblock name a
//! block that the next power failure takes away, and that must never happen. So
//! the newest block and its ident entry are written again, with the bytes they
//! have, and a barrier comes before anything else may count on them. Writing
//! again is necessary: after a failed barrier the operating system believes those
//! bytes are on the medium, and another barrier alone would leave them where they
//! are. The blocks before it need nothing of the kind, since one flush is one
//! block. For the same reason the names of the segments are made durable.

mod mend;

use super::cursor::{Cursor, Parsed};
use super::describe::{Evidence, describe};
use super::writer::Tail;
use crate::chain::ChainHead;
use crate::disk::{Disk, OpenMode, SECTOR_BYTES};
use crate::error::{Damage, DamageKind, FormatError, Result, StorageError};
use crate::segment::{self, IDENT_BYTES, Ident, IdentSlot, Segment, align};
use crate::superblock::Superblock;
use std::path::Path;

/// Directory for copies of bytes that could not be judged.
pub const QUARANTINE_DIR: &str = "quarantine";

/// A log that can be appended to.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The newest block.
    pub head: ChainHead,
    /// Where the next one goes.
    pub tail: Tail,
    /// How many blocks were read back.
    pub walked: u64,
    /// What was torn off or made good again, in words for the operator. None of
    /// it was acknowledged data.
    pub notes: Vec<Damage>,
}

/// Walks the log from the superblock's verified head and makes its end fit for
/// appending.
///
/// # Errors
/// [`StorageError::Damaged`] for damage to a block that was, or may have been,
/// acknowledged. Nothing is changed then, except for copies in `quarantine/`.
pub fn recover(
    disk: &dyn Disk,
    data_dir: &Path,
    superblock: &Superblock,
    progress: &dyn Fn(u64),
) -> Result<Recovered> {
    let mut walk = Walk::begin(disk, data_dir, superblock)?;
    loop {
        let Some(segment) = walk.open_segment()? else {
            return Ok(walk.finish());
        };
        if walk.offset == 0 {
            walk.enter(&segment)?;
        }
        walk.walk_segment(&segment, progress)?;
        if !walk.next_segment()? {
            walk.mend(&segment)?;
            return Ok(walk.finish());
        }
    }
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    data_dir: &'a Path,
    superblock: &'a Superblock,
    firsts: Vec<u64>,
    current: Option<u64>,
    /// 0 = not yet positioned in the current segment.
    offset: u64,
    head: ChainHead,
    walked: u64,
    notes: Vec<Damage>,
    /// Ident entries to write again, with the first index of their segment.
    repairs: Vec<(u64, Ident)>,
    /// The last block that was read back, with the first index of its segment.
    newest: Option<(u64, Ident)>,
}

/// How a block was found to be.
enum Look {
    Good(Ident),
    Nothing,
    Bad(Evidence),
}

impl<'a> Walk<'a> {
    fn begin(disk: &'a dyn Disk, data_dir: &'a Path, superblock: &'a Superblock) -> Result<Self> {
        let firsts = segment::list(disk, data_dir)?;
        let start = superblock.verified_index.max(1);
        let current = firsts.iter().copied().filter(|first| *first <= start).max();
        if current.is_none() && (superblock.verified_index > 0 || !firsts.is_empty()) {
            return Err(missing_segment(start));
        }
        Ok(Self {
            disk,
            data_dir,
            superblock,
            firsts,
            current,
            offset: 0,
            head: ChainHead::genesis(superblock.lineage),
            walked: 0,
            notes: Vec::new(),
            repairs: Vec::new(),
            newest: None,
        })
    }

    fn open_segment(&self) -> Result<Option<Segment>> {
        let Some(first) = self.current else {
            return Ok(None);
        };
        Segment::open(self.disk, self.data_dir, first, OpenMode::ReadWrite).map(Some)
    }

    /// Positions the walk in a segment: after the verified head when it lies
    /// there, else at the first block.
    fn enter(&mut self, segment: &Segment) -> Result<()> {
        self.offset = segment.header.data_offset;
        let verified = self.superblock.verified_index;
        if self.head.index == 0 && verified > 0 {
            return self.enter_at_verified_head(segment, verified);
        }
        if segment.header.prev_hash != self.head.hash {
            return Err(Damage {
                kind: DamageKind::Chain,
                file: segment.name.clone(),
                offset: 0,
                block_index: Some(segment.header.first_index),
                expected: Some(self.head.hash),
                found: Some(segment.header.prev_hash),
                tenants: Vec::new(),
                detail: "the segment does not continue the one before it".into(),
            }
            .into());
        }
        Ok(())
    }

    fn enter_at_verified_head(&mut self, segment: &Segment, verified: u64) -> Result<()> {
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        if let IdentSlot::Valid(ident) = segment.ident(verified)? {
            self.offset = ident.offset;
        } else {
            for _ in segment.header.first_index..verified {
                let Parsed::Block { block, .. } = cursor.parse(self.offset)? else {
                    break;
                };
                self.offset += align(block.header.block_len() as u64);
            }
        }
        let evidence = |kind, detail: &str| Evidence {
            kind,
            offset: self.offset,
            index: verified,
            detail: format!("the superblock's verified head: {detail}"),
        };
        let problem = match cursor.parse(self.offset)? {
            Parsed::Block { block, .. } => match block.verify_full() {
                Ok(_) if block.header.block_hash == self.superblock.verified_hash => {
                    self.head = ChainHead::of(&block.header);
                    self.offset += align(block.header.block_len() as u64);
                    return Ok(());
                }
                Ok(_) => evidence(DamageKind::Mismatch, "another block lies here"),
                Err(error) => evidence(DamageKind::Hash, &error.to_string()),
            },
            Parsed::Nothing => evidence(DamageKind::Missing, "the block is gone"),
            Parsed::Bad { error, .. } => evidence(DamageKind::Checksum, &error.to_string()),
        };
        let mut damage = describe(self.disk, self.data_dir, segment, problem)?;
        damage.expected = Some(self.superblock.verified_hash);
        Err(damage.into())
    }

    /// Walks to the end of a segment, or of the log.
    fn walk_segment(&mut self, segment: &Segment, progress: &dyn Fn(u64)) -> Result<()> {
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        loop {
            let index = self.head.index + 1;
            let slot = segment.ident(index)?;
            match self.look(&mut cursor, slot)? {
                Look::Good(ident) => {
                    if slot != IdentSlot::Valid(ident) {
                        self.repairs.push((segment.header.first_index, ident));
                    }
                    self.newest = Some((segment.header.first_index, ident));
                    self.offset += align(ident.len.into());
                    self.walked += 1;
                    progress(index);
                }
                Look::Nothing if slot == IdentSlot::Empty => {
                    return self.check_nothing_later(segment, index);
                }
                Look::Nothing => {
                    let evidence = Evidence {
                        kind: DamageKind::Missing,
                        offset: self.offset,
                        index,
                        detail: "zeroes where the ident table says a block lies".into(),
                    };
                    return self.judge(segment, slot, evidence);
                }
                Look::Bad(evidence) => return self.judge(segment, slot, evidence),
            }
        }
    }

    /// Looks at the block at the current offset and, when it is good, makes it
    /// the head.
    fn look(&mut self, cursor: &mut Cursor<'_>, slot: IdentSlot) -> Result<Look> {
        let (offset, index) = (self.offset, self.head.index + 1);
        let block = match cursor.parse(offset)? {
            Parsed::Block { block, .. } => block,
            Parsed::Nothing => return Ok(Look::Nothing),
            Parsed::Bad { error, .. } => {
                if let FormatError::Version { .. } = error {
                    return Err(error.into());
                }
                return Ok(Look::Bad(Evidence::from_format(&error, offset, index)));
            }
        };
        if let Err(error) = block.verify_full() {
            return Ok(Look::Bad(Evidence::from_format(&error, offset, index)));
        }
        let mut head = self.head;
        let problem = |kind, detail| Evidence {
            kind,
            offset,
            index,
            detail,
        };
        if let Err(error) = head.advance(&block.header) {
            return Ok(Look::Bad(problem(DamageKind::Chain, error.to_string())));
        }
        let ident = Ident {
            index,
            term: block.header.term,
            hash: block.header.block_hash,
            offset,
            len: block.header.block_len() as u32,
        };
        if let IdentSlot::Valid(stored) = slot
            && stored != ident
        {
            let detail = "a good block, but the ident table names another".to_owned();
            return Ok(Look::Bad(problem(DamageKind::Mismatch, detail)));
        }
        self.head = head;
        Ok(Look::Good(ident))
    }

    /// The log seems to end before `index`: make sure that nothing says it goes
    /// on.
    fn check_nothing_later(&self, segment: &Segment, index: u64) -> Result<()> {
        if self.firsts.contains(&index) {
            // It goes on in the segment that begins here.
            return Ok(());
        }
        let Some(word) = self.later(segment, index)? else {
            return Ok(());
        };
        let evidence = Evidence {
            kind: DamageKind::Missing,
            offset: self.offset,
            index,
            detail: format!("the block is gone, but {word}"),
        };
        Err(describe(self.disk, self.data_dir, segment, evidence)?.into())
    }

    /// What shows that a block after `index` was written, if anything does.
    fn later(&self, segment: &Segment, index: u64) -> Result<Option<String>> {
        if let Some(first) = self.firsts.iter().find(|first| **first > index) {
            return Ok(Some(format!("a segment begins with block {first}")));
        }
        let floor = self.superblock.commit_floor;
        if floor >= index {
            return Ok(Some(format!(
                "the superblock says block {floor} was committed"
            )));
        }
        let used = segment
            .idents()?
            .into_iter()
            .zip(segment.header.first_index..);
        let mut used = used.filter(|(slot, at)| *at > index && *slot != IdentSlot::Empty);
        Ok(used
            .next()
            .map(|(_, at)| format!("the ident table has an entry for block {at}")))
    }

    /// Decides about a bad block; see the module's table.
    fn judge(&mut self, segment: &Segment, slot: IdentSlot, evidence: Evidence) -> Result<()> {
        let index = evidence.index;
        let mismatch = evidence.kind == DamageKind::Mismatch;
        let later = self.later(segment, index)?;
        let torn = match slot {
            _ if mismatch || later.is_some() => false,
            IdentSlot::Empty => true,
            IdentSlot::Damaged => false,
            IdentSlot::Valid(ident) => has_unwritten_sector(segment, &ident)?,
        };
        let mut damage = describe(self.disk, self.data_dir, segment, evidence)?;
        if torn {
            damage.kind = DamageKind::TornTail;
            damage
                .detail
                .push_str("; it was never acknowledged and is removed");
            self.notes.push(damage);
            return Ok(());
        }
        match later {
            Some(word) => {
                let suffix = format!("; the block was acknowledged, because {word}");
                damage.detail.push_str(&suffix);
            }
            None => {
                let copy = self.quarantine(segment, slot, index)?;
                let suffix = format!(
                    "; whether the block was acknowledged cannot be told, a copy of the bytes is \
                     in {copy}"
                );
                damage.detail.push_str(&suffix);
            }
        }
        Err(damage.into())
    }

    /// Copies the suspicious bytes (the ident entry, then the data) away.
    fn quarantine(&self, segment: &Segment, slot: IdentSlot, index: u64) -> Result<String> {
        let len = match slot {
            IdentSlot::Valid(ident) => u64::from(ident.len),
            _ => 1 << 20,
        };
        let name = format!("{QUARANTINE_DIR}/block-{index:020}.bin");
        let path = self.data_dir.join(&name);
        let copy = || {
            self.disk.create_dir(&self.data_dir.join(QUARANTINE_DIR))?;
            if self.disk.exists(&path)? {
                return Ok(());
            }
            let mut bytes = vec![0; IDENT_BYTES];
            if let Some(at) = segment.header.ident_offset(index) {
                segment.file.read_at(&mut bytes, at)?;
            }
            let mut data = vec![0; len as usize];
            let n = segment.file.read_at(&mut data, self.offset)?;
            bytes.extend_from_slice(data.get(..n).unwrap_or_default());
            let file = self.disk.open(&path, OpenMode::CreateNew)?;
            file.write_at(&bytes, 0)?;
            file.sync_data()?;
            self.disk.sync_dir(&self.data_dir.join(QUARANTINE_DIR))
        };
        copy().map_err(|e| StorageError::io(format!("write {}", path.display()), e))?;
        Ok(name)
    }

    /// Goes on to the segment that begins with the next block, if there is one.
    fn next_segment(&mut self) -> Result<bool> {
        let index = self.head.index + 1;
        let next = self
            .firsts
            .iter()
            .copied()
            .find(|first| Some(*first) > self.current);
        match next {
            Some(first) if first == index => {
                self.current = Some(first);
                self.offset = 0;
                Ok(true)
            }
            Some(_) => Err(missing_segment(index)),
            None => Ok(false),
        }
    }

    fn finish(self) -> Recovered {
        Recovered {
            head: self.head,
            tail: Tail {
                segment: self.current,
                offset: self.offset,
            },
            walked: self.walked,
            notes: self.notes,
        }
    }
}

/// Whether a sector of the block's extent is all zero, as far as it belongs to
/// the block.
pub(crate) fn has_unwritten_sector(segment: &Segment, ident: &Ident) -> Result<bool> {
    let extent = align(ident.len.into()) as usize;
    let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
    let bytes = cursor.window(ident.offset, extent)?;
    let first = SECTOR_BYTES - ident.offset as usize % SECTOR_BYTES;
    let (head, rest) = bytes.split_at_checked(first).unwrap_or((bytes, &[]));
    let mut sectors = std::iter::once(head).chain(rest.chunks(SECTOR_BYTES));
    Ok(sectors.any(|sector| sector.iter().all(|byte| *byte == 0)))
}

fn missing_segment(index: u64) -> StorageError {
    Damage {
        kind: DamageKind::Missing,
        file: format!("{}/{}", segment::LOG_DIR, segment::file_name(index)),
        offset: 0,
        block_index: Some(index),
        expected: None,
        found: None,
        tenants: Vec::new(),
        detail: "the segment with this block is gone".into(),
    }
    .into()
}
