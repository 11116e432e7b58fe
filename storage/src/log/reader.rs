//! Reading committed blocks: one by index, or many in order.

use super::cursor::{Cursor, Parsed};
use super::describe::{Evidence, describe};
use crate::block::{BLOCK_HEADER_LEN, Block, BlockHeader, PAYLOAD_CRC_LEN};
use crate::disk::{Disk, OpenMode};
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::Hash32;
use crate::segment::{self, IdentSlot, Segment, align};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads blocks of a log, also while it is being written. It must only be asked
/// for blocks that are known to be durable.
pub struct LogReader {
    disk: Arc<dyn Disk>,
    data_dir: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    firsts: BTreeSet<u64>,
    recent: Option<Arc<Segment>>,
}

impl LogReader {
    /// A reader of the log in `data_dir`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        Self {
            disk,
            data_dir: data_dir.to_owned(),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that holds block `index`, if the log goes that far.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Damaged`] for its header.
    pub fn segment_of(&self, index: u64) -> Result<Arc<Segment>> {
        let mut known = self.known();
        let newest = known.firsts.last().copied();
        // Only the newest segment can have got a successor meanwhile.
        if newest.is_none_or(|newest| newest <= index) {
            known.firsts = segment::list(self.disk.as_ref(), &self.data_dir)?
                .into_iter()
                .collect();
        }
        let Some(first) = known.firsts.range(..=index).next_back().copied() else {
            return Err(missing(index));
        };
        if let Some(recent) = &known.recent
            && recent.header.first_index == first
        {
            return Ok(recent.clone());
        }
        let opened = Segment::open(self.disk.as_ref(), &self.data_dir, first, OpenMode::Read)?;
        let opened = Arc::new(opened);
        known.recent = Some(opened.clone());
        Ok(opened)
    }

    /// Forgets which segments there are: some were cut off.
    pub fn forget(&self) {
        *self.known() = Known::default();
    }

    /// Where block `index` begins in its segment.
    fn locate(&self, segment: &Segment, index: u64) -> Result<u64> {
        if let IdentSlot::Valid(ident) = segment.ident(index)? {
            return Ok(ident.offset);
        }
        // The ident entry is damaged: count from the segment's first block.
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        let mut offset = segment.header.data_offset;
        for _ in segment.header.first_index..index {
            match cursor.parse(offset)? {
                Parsed::Block { block, .. } => offset += align(block.header.block_len() as u64),
                _ => return Err(missing(index)),
            }
        }
        Ok(offset)
    }

    /// Calls `read` with block `index` after checking its checksums, structure
    /// and hashes, and returns what it returns.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when the block is not there or not good.
    pub fn with_block<R>(
        &self,
        index: u64,
        read: impl FnOnce(&Block<'_>, &[u8], &[Hash32]) -> Result<R>,
    ) -> Result<R> {
        let mut blocks = self.blocks(index)?;
        match blocks.next()? {
            Some((block, bytes, leaves)) => read(&block, bytes, &leaves),
            None => Err(missing(index)),
        }
    }

    /// Blocks in order, beginning with `from`.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when block `from` cannot be found.
    pub fn blocks(&self, from: u64) -> Result<Blocks<'_>> {
        let segment = self.segment_of(from)?;
        let offset = self.locate(&segment, from)?;
        Ok(Blocks {
            reader: self,
            segment,
            offset,
            index: from,
            buffer: Vec::new(),
            start: 0,
        })
    }
}

fn missing(index: u64) -> StorageError {
    Damage {
        kind: DamageKind::Missing,
        file: format!("{}/", segment::LOG_DIR),
        offset: 0,
        block_index: Some(index),
        expected: None,
        found: None,
        tenants: Vec::new(),
        detail: "no segment holds this block".into(),
    }
    .into()
}

/// Blocks in order; each is checked (checksums, structure, hashes) on the way.
/// That they form a chain is the caller's to check.
pub struct Blocks<'r> {
    reader: &'r LogReader,
    segment: Arc<Segment>,
    offset: u64,
    index: u64,
    buffer: Vec<u8>,
    start: u64,
}

/// A block, its bytes, and the leaves of its events.
pub type ReadBlock<'a> = (Block<'a>, &'a [u8], Vec<Hash32>);

impl Blocks<'_> {
    /// The next block; `None` at the end of the log.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] for a block that is not good.
    #[allow(clippy::should_implement_trait)] // lends, which Iterator cannot
    pub fn next(&mut self) -> Result<Option<ReadBlock<'_>>> {
        if !self.seek()? {
            return Ok(None);
        }
        let (index, offset) = (self.index, self.offset);
        let bytes = self
            .buffer
            .get((offset - self.start) as usize..)
            .unwrap_or_default();
        let checked = Block::decode(bytes).and_then(|block| {
            let leaves = block.verify()?;
            Ok((block, leaves))
        });
        match checked {
            Ok((block, leaves)) if block.header.index == index => {
                let len = block.header.block_len();
                self.index += 1;
                self.offset += align(len as u64);
                let bytes = bytes.get(..len).unwrap_or_default();
                Ok(Some((block, bytes, leaves)))
            }
            other => {
                let evidence = match other {
                    Ok((block, _)) => Evidence {
                        kind: DamageKind::Chain,
                        offset,
                        index,
                        detail: format!("block {} lies here", block.header.index),
                    },
                    Err(error) => Evidence::from_format(&error, offset, index),
                };
                let reader = self.reader;
                let (disk, dir) = (reader.disk.as_ref(), &reader.data_dir);
                Err(describe(disk, dir, &self.segment, evidence)?.into())
            }
        }
    }

    /// Gets the next block's bytes into the buffer, going on to the next segment
    /// where this one ends; false at the end of the log.
    fn seek(&mut self) -> Result<bool> {
        if self.at_nothing()? {
            let next = self.reader.segment_of(self.index)?;
            if next.header.first_index != self.index || next.name == self.segment.name {
                return Ok(false);
            }
            self.offset = next.header.data_offset;
            self.segment = next;
            self.buffer.clear();
            if self.at_nothing()? {
                return Ok(false);
            }
        }
        if !self.looks_good()? && self.start != self.offset {
            // Read ahead while the block was being written: look again.
            self.buffer.clear();
            self.looks_good()?;
        }
        Ok(true)
    }

    fn at_nothing(&mut self) -> Result<bool> {
        let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        if !zero(self.fill(BLOCK_HEADER_LEN)?) {
            return Ok(false);
        }
        self.buffer.clear();
        Ok(zero(self.fill(BLOCK_HEADER_LEN)?))
    }

    /// Fills the buffer with the whole block; whether its checksums are good.
    fn looks_good(&mut self) -> Result<bool> {
        let Ok(header) = BlockHeader::decode(self.fill(BLOCK_HEADER_LEN)?) else {
            return Ok(false);
        };
        let bytes = self.fill(header.block_len())?;
        let payload = bytes.get(BLOCK_HEADER_LEN..).unwrap_or_default();
        let Some((payload, crc)) = payload.split_last_chunk::<PAYLOAD_CRC_LEN>() else {
            return Ok(false);
        };
        Ok(crc32fast::hash(payload) == u32::from_le_bytes(*crc))
    }

    fn fill(&mut self, want: usize) -> Result<&[u8]> {
        let have = self.start + self.buffer.len() as u64;
        if self.offset < self.start || self.offset + want as u64 > have {
            self.buffer.resize(want.max(super::cursor::CHUNK_BYTES), 0);
            self.start = self.offset;
            let n = self
                .segment
                .file
                .read_at(&mut self.buffer, self.offset)
                .map_err(|e| StorageError::io(format!("read {}", self.segment.name), e))?;
            self.buffer.truncate(n);
        }
        let from = (self.offset - self.start) as usize;
        let to = (from + want).min(self.buffer.len());
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }
}
