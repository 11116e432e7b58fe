//! Making the end of a log fit for appending; see [`super`].

use super::super::cursor::Cursor;
use super::Walk;
use crate::disk::{OpenMode, read_exact_at};
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::segment::{IDENT_BYTES, Ident, IdentSlot, LOG_DIR, PAGE_BYTES, Segment, align};

/// How far after the end of the log a torn write can have left bytes: the
/// longest block there can be, and a page.
const TORN_BYTES_MAX: u64 = crate::block::PAYLOAD_LEN_MAX as u64 + 2 * PAGE_BYTES;

impl Walk<'_> {
    /// Clears what was torn, writes ident entries again that were lost, and makes
    /// durable what was found. Changes no byte of a log that is as it should be.
    pub(super) fn mend(&mut self, segment: &Segment) -> Result<()> {
        self.clear_tail(segment)?;
        for (first, ident) in std::mem::take(&mut self.repairs) {
            self.rewrite_ident(first, &ident)?;
        }
        if let Some((first, ident)) = self.newest {
            self.write_again(first, &ident)?;
        }
        self.keep_names()
    }

    fn writable(&self, first: u64) -> Result<Segment> {
        Segment::open(self.disk, self.data_dir, first, OpenMode::ReadWrite)
    }

    /// Writes a block and its ident entry with the bytes they have, and waits
    /// until they are durable.
    fn write_again(&self, first: u64, ident: &Ident) -> Result<()> {
        let segment = self.writable(first)?;
        let Some(ident_offset) = segment.header.ident_offset(ident.index) else {
            return Ok(());
        };
        let file = segment.file.as_ref();
        let mut bytes = vec![0; align(ident.len.into()) as usize];
        read_exact_at(file, &mut bytes, ident.offset)
            .map_err(|e| StorageError::io(format!("read {}", segment.name), e))?;
        file.write_at(&bytes, ident.offset)
            .and_then(|()| file.write_at(&ident.encode(), ident_offset))
            .and_then(|()| file.sync_data())
            .map_err(|e| StorageError::io(format!("write block {} again", ident.index), e))
    }

    /// Makes the names of the segments durable: the newest may have got its name
    /// just before the process before this one ended.
    fn keep_names(&self) -> Result<()> {
        if self.superblock.clean {
            return Ok(());
        }
        let dir = self.data_dir.join(LOG_DIR);
        let kept = self.disk.sync_dir(&dir);
        kept.map_err(|e| StorageError::io(format!("write {}", dir.display()), e))
    }

    /// Makes everything after the end of the log zero, as the writer expects it.
    fn clear_tail(&self, segment: &Segment) -> Result<()> {
        let io = |e| StorageError::io(format!("clear the tail of {}", segment.name), e);
        let mut dirty = false;
        if !self.superblock.clean || !self.notes.is_empty() {
            dirty = self.zero_data(segment)?;
        }
        if let Some(at) = segment.header.ident_offset(self.head.index + 1)
            && segment.ident(self.head.index + 1)? != IdentSlot::Empty
        {
            segment.file.write_at(&[0; IDENT_BYTES], at).map_err(io)?;
            dirty = true;
        }
        if dirty {
            segment.file.sync_data().map_err(io)?;
        }
        Ok(())
    }

    fn zero_data(&self, segment: &Segment) -> Result<bool> {
        let io = |e| StorageError::io(format!("clear the tail of {}", segment.name), e);
        let end = segment
            .header
            .segment_bytes
            .min(self.offset + TORN_BYTES_MAX);
        let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
        let zeroes = vec![0; PAGE_BYTES as usize];
        let (mut at, mut dirty) = (self.offset, false);
        while let Some(found) = cursor.first_nonzero(at, end)? {
            let stop = (found + 1).next_multiple_of(PAGE_BYTES).min(end);
            let piece = zeroes.get(..(stop - found) as usize).unwrap_or_default();
            segment.file.write_at(piece, found).map_err(io)?;
            (at, dirty) = (stop, true);
        }
        Ok(dirty)
    }

    fn rewrite_ident(&mut self, first: u64, ident: &Ident) -> Result<()> {
        let segment = self.writable(first)?;
        let Some(at) = segment.header.ident_offset(ident.index) else {
            return Ok(());
        };
        segment
            .file
            .write_at(&ident.encode(), at)
            .and_then(|()| segment.file.sync_data())
            .map_err(|e| StorageError::io(format!("write {}", segment.name), e))?;
        self.notes.push(Damage {
            kind: DamageKind::Mismatch,
            file: segment.name,
            offset: at,
            block_index: Some(ident.index),
            expected: Some(ident.hash),
            found: None,
            tenants: Vec::new(),
            detail: "the block is good, its ident entry was not; the entry was written again"
                .into(),
        });
        Ok(())
    }
}
