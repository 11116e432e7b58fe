//! Appending blocks, one barrier each.

mod cut;

use super::segments::{PreparedSegment, SegmentSource};
use crate::block::EncodedBlock;
use crate::chain::ChainHead;
use crate::disk::{Disk, OpenMode};
use crate::error::{Result, StorageError};
use crate::segment::{Ident, LOG_DIR, PAD, PAGE_BYTES, Segment, SegmentHeader, align, file_name};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the next block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The newest segment, by the index of its first block; `None` when there is
    /// no segment yet.
    pub segment: Option<u64>,
    /// Offset in it.
    pub offset: u64,
}

/// The end of the log, open for appending. There must be only one.
pub struct LogWriter {
    disk: Arc<dyn Disk>,
    data_dir: PathBuf,
    segment_bytes: u64,
    source: Box<dyn SegmentSource>,
    segment: Option<Segment>,
    offset: u64,
    head: ChainHead,
    /// The segment after this one, if there has to be one soon.
    next: Option<PreparedSegment>,
    poisoned: Option<String>,
}

impl LogWriter {
    /// Goes on at `tail` after `head`, as recovery found them. Segments are
    /// taken from `source` and have `segment_bytes` bytes.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Damaged`] for the segment's header.
    pub fn open(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        segment_bytes: u64,
        source: Box<dyn SegmentSource>,
        head: ChainHead,
        tail: Tail,
    ) -> Result<Self> {
        let segment = match tail.segment {
            Some(first) => Some(Segment::open(
                disk.as_ref(),
                data_dir,
                first,
                OpenMode::ReadWrite,
            )?),
            None => None,
        };
        Ok(Self {
            disk,
            data_dir: data_dir.to_owned(),
            segment_bytes,
            source,
            segment,
            offset: tail.offset,
            head,
            next: None,
            poisoned: None,
        })
    }

    /// The newest durable block.
    #[must_use]
    pub fn head(&self) -> &ChainHead {
        &self.head
    }

    /// Why nothing can be appended any more, if so.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// Writes a block and returns when it is durable. The block's buffer is used
    /// for padding; its content is the same afterwards.
    ///
    /// # Errors
    /// [`StorageError::Full`] before anything was written: the log is as it was,
    /// and later appends may succeed. [`StorageError::TooLarge`] when no segment
    /// takes the block. Any other error poisons the log: what reached the disk is
    /// unknown, and nothing can be appended until it is opened again. That a new
    /// segment could not be made is such an error too, although nothing of the
    /// block was written: a medium that fails is not tried again.
    pub fn append(&mut self, block: &mut EncodedBlock) -> Result<()> {
        if let Some(reason) = &self.poisoned {
            return Err(StorageError::Closed(reason.clone()));
        }
        let mut head = self.head;
        if let Err(error) = head.advance(&block.header) {
            return Err(self.poison(format!("refused to write a block out of order: {error}")));
        }
        self.make_room(&block.header, block.bytes.len() as u64)?;
        if let Err(error) = self.write(block) {
            let context = format!("write block {}", block.header.index);
            self.poison(format!("{context}: {error}"));
            return Err(StorageError::io(context, error));
        }
        self.head = head;
        self.offset += align(block.bytes.len() as u64);
        if self.offset > self.segment_bytes / 2 {
            self.source.hint();
        }
        Ok(())
    }

    /// Makes sure that the next block has room if it has at most `len` bytes, or as many as
    /// a segment takes: appending it cannot fail for want of room then.
    ///
    /// # Errors
    /// [`StorageError::Full`]: nothing has changed, and it may be tried again. Any other
    /// error poisons the log, as in [`Self::append`].
    pub fn reserve(&mut self, len: u64) -> Result<()> {
        if let Some(reason) = &self.poisoned {
            return Err(StorageError::Closed(reason.clone()));
        }
        if self.next.is_some() || self.fits(self.head.index + 1, len) {
            return Ok(());
        }
        self.next = Some(self.take_segment()?);
        Ok(())
    }

    fn fits(&self, index: u64, len: u64) -> bool {
        self.segment.as_ref().is_some_and(|segment| {
            segment.header.fits(self.offset, len) && segment.header.ident_offset(index).is_some()
        })
    }

    fn take_segment(&mut self) -> Result<PreparedSegment> {
        if let Some(prepared) = self.next.take() {
            return Ok(prepared);
        }
        match self.source.take() {
            Err(error @ StorageError::Full { .. }) => Err(error),
            Err(error) => Err(self.poison(error.to_string())),
            Ok(prepared) => Ok(prepared),
        }
    }

    fn poison(&mut self, reason: String) -> StorageError {
        self.poisoned = Some(reason.clone());
        StorageError::Closed(reason)
    }

    /// Rolls the segment when the block does not fit in the one there is.
    fn make_room(&mut self, block: &crate::block::BlockHeader, len: u64) -> Result<()> {
        if self.fits(block.index, len) {
            return Ok(());
        }
        let header = SegmentHeader::new(
            self.head.lineage,
            block.index,
            self.head.hash,
            self.segment_bytes,
        );
        if len > header.block_bytes_max() {
            return Err(StorageError::TooLarge {
                what: "a block",
                len,
                max: header.block_bytes_max(),
            });
        }
        let prepared = self.take_segment()?;
        let offset = header.data_offset;
        match self.install(prepared, header) {
            Ok(segment) => {
                self.segment = Some(segment);
                self.offset = offset;
                Ok(())
            }
            Err(error) => {
                let context = format!("roll the log to block {}", block.index);
                self.poison(format!("{context}: {error}"));
                Err(StorageError::io(context, error))
            }
        }
    }

    /// Gives a prepared segment its header, then its name: a segment that has a
    /// name has a header.
    fn install(&self, prepared: PreparedSegment, header: SegmentHeader) -> io::Result<Segment> {
        let name = format!("{LOG_DIR}/{}", file_name(header.first_index));
        let path = self.data_dir.join(&name);
        prepared.file.write_at(&header.encode(), 0)?;
        prepared.file.sync_data()?;
        self.disk.rename(&prepared.path, &path)?;
        self.disk.sync_dir(&self.data_dir.join(LOG_DIR))?;
        Ok(Segment {
            file: prepared.file,
            header,
            name,
        })
    }

    /// One block, its ident entry, one barrier.
    fn write(&self, block: &mut EncodedBlock) -> io::Result<()> {
        let Some(segment) = &self.segment else {
            return Err(io::Error::other("there is no segment to write to"));
        };
        let header = &block.header;
        let Some(ident_offset) = segment.header.ident_offset(header.index) else {
            return Err(io::Error::other("the ident table is full"));
        };
        let len = block.bytes.len();
        let ident = Ident {
            index: header.index,
            term: header.term,
            hash: header.block_hash,
            offset: self.offset,
            len: len as u32,
        };
        let padded = align(len as u64);
        block.bytes.resize(padded as usize, PAD);
        // Whole pages to their end, so that the kernel need not read what is
        // there; beyond the block it is zero already.
        let page_end = (self.offset + padded).next_multiple_of(PAGE_BYTES);
        let end = page_end.min(segment.header.segment_bytes) - self.offset;
        block.bytes.resize(end as usize, 0);
        let written = segment
            .file
            .write_at(&block.bytes, self.offset)
            .and_then(|()| segment.file.write_at(&ident.encode(), ident_offset))
            .and_then(|()| segment.file.sync_data());
        block.bytes.truncate(len);
        written
    }
}
