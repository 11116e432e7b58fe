//! Taking blocks away that were written and never committed.
//!
//! A replica may hold blocks at the end of its log that another leader puts others in the
//! place of. What is gone has to look as if it had never been written: zero, like the rest
//! of a segment. First whole segments go, the newest first; then the ident entries; then
//! the data, each made durable before the next. Wherever a crash interrupts that, opening
//! finds a log that ends somewhere between the old end and the new one: a block whose
//! entry is gone and whose bytes are whole still counts, one with a sector of zeroes was
//! never acknowledged as far as its bytes tell, and nothing after it is left to contradict.

use super::LogWriter;
use crate::chain::ChainHead;
use crate::disk::OpenMode;
use crate::error::{Result, StorageError};
use crate::segment::{self, IDENT_BYTES, Ident, IdentSlot, LOG_DIR, Segment, align, file_name};

/// Zeroes are written in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

impl LogWriter {
    /// Takes away every block after `head`, which is a block of this log, and returns when
    /// they are gone for good. Nothing that was committed may be taken away, nor anything
    /// the superblock's verified head counts on.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Damaged`]: the log is poisoned, and what is
    /// left is known when it is opened again.
    pub fn cut(&mut self, head: ChainHead) -> Result<()> {
        if let Some(reason) = &self.poisoned {
            return Err(StorageError::Closed(reason.clone()));
        }
        if head.index > self.head.index {
            let (wanted, newest) = (head.index, self.head.index);
            return Err(self.poison(format!(
                "refused to cut the log after block {wanted}: it ends with block {newest}"
            )));
        }
        let cut = self.cut_after(head.index);
        if let Err(error) = &cut {
            self.poison(format!("cut the log after block {}: {error}", head.index));
        } else {
            self.head = head;
        }
        cut
    }

    fn cut_after(&mut self, index: u64) -> Result<()> {
        if index == self.head.index {
            return Ok(());
        }
        let firsts = segment::list(self.disk.as_ref(), &self.data_dir)?;
        self.segment = None;
        for first in firsts.iter().rev().filter(|first| **first > index) {
            self.remove(*first)?;
        }
        let kept = firsts.into_iter().filter(|first| *first <= index).max();
        let Some(first) = kept.filter(|_| index > 0) else {
            self.offset = 0;
            return Ok(());
        };
        let segment = Segment::open(
            self.disk.as_ref(),
            &self.data_dir,
            first,
            OpenMode::ReadWrite,
        )?;
        self.offset = clear(&segment, index)?;
        self.segment = Some(segment);
        Ok(())
    }

    fn remove(&self, first: u64) -> Result<()> {
        let dir = self.data_dir.join(LOG_DIR);
        let path = dir.join(file_name(first));
        self.disk
            .remove(&path)
            .and_then(|()| self.disk.sync_dir(&dir))
            .map_err(|e| StorageError::io(format!("remove {}", path.display()), e))
    }
}

/// Clears what a segment holds after block `index`; returns where that ends.
fn clear(segment: &Segment, index: u64) -> Result<u64> {
    let io = |e| StorageError::io(format!("clear the end of {}", segment.name), e);
    let end = |ident: &Ident| ident.offset + align(ident.len.into());
    let slots = segment
        .idents()?
        .into_iter()
        .zip(segment.header.first_index..);
    let used: Vec<(Ident, u64)> = slots
        .filter_map(|(slot, at)| match slot {
            IdentSlot::Valid(ident) => Some((ident, at)),
            _ => None,
        })
        .collect();
    let kept = used.iter().find(|(_, at)| *at == index);
    let Some(from) = kept.map(|(ident, _)| end(ident)) else {
        let gone = std::io::Error::other("the ident entry of the last block to keep is not good");
        return Err(io(gone));
    };
    let later = used.iter().filter(|(_, at)| *at > index);
    let to = later.map(|(ident, _)| end(ident)).max().unwrap_or(from);
    let last = used.last().map_or(index, |(_, at)| *at);
    if let Some(at) = segment.header.ident_offset(index + 1)
        && last > index
    {
        let table = vec![0; (last - index) as usize * IDENT_BYTES];
        segment.file.write_at(&table, at).map_err(io)?;
        segment.file.sync_data().map_err(io)?;
    }
    let zeroes = vec![0; PIECE_BYTES];
    let mut at = from;
    while at < to {
        let len = (to - at).min(PIECE_BYTES as u64);
        let piece = zeroes.get(..len as usize).unwrap_or(&zeroes);
        segment.file.write_at(piece, at).map_err(io)?;
        at += len;
    }
    segment.file.sync_data().map_err(io)?;
    Ok(from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::block::{BlockBuilder, BlockKind};
    use crate::chain::TenantHead;
    use crate::disk::{Disk, Fault, MemDisk};
    use crate::event::{EventKind, SealedEvent};
    use crate::ids::TenantId;
    use crate::log::InlineSegments;
    use crate::log::recovery::{Recovered, recover};
    use crate::segment::SEGMENT_BYTES_MIN;
    use crate::testing::{dir, first_superblock, noise};
    use std::sync::Arc;

    fn opened(disk: &MemDisk) -> (LogWriter, Recovered) {
        let mut superblock = first_superblock(SEGMENT_BYTES_MIN);
        superblock.clean = false;
        disk.create_dir(&dir().join(LOG_DIR)).unwrap();
        let tmp = dir().join("tmp");
        disk.remove_dir_all(&tmp).unwrap();
        disk.create_dir(&tmp).unwrap();
        let recovered = recover(disk, &dir(), &superblock, &|_| {}).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let source = InlineSegments::new(shared.clone(), tmp, SEGMENT_BYTES_MIN);
        let (head, tail) = (recovered.head, recovered.tail);
        let writer = LogWriter::open(
            shared,
            &dir(),
            SEGMENT_BYTES_MIN,
            Box::new(source),
            head,
            tail,
        );
        (writer.unwrap(), recovered)
    }

    /// Appends blocks of a term; returns the heads after each.
    fn append(writer: &mut LogWriter, term: u64, lens: &[usize]) -> Vec<ChainHead> {
        let mut heads = Vec::new();
        for len in lens {
            let head = *writer.head();
            let body = noise(term ^ head.index, *len);
            let tenant = TenantId([7; 16]);
            let event = SealedEvent::unsealed(tenant, EventKind::Audit, body).unwrap();
            let now_us = head.timestamp_us.max(1) + 1;
            let mut block = BlockBuilder::after(&head, BlockKind::Data, term, now_us);
            let header = TenantHead::default().place(&event, block.timestamp_us());
            block.push(&header, &event.body).unwrap();
            let mut block = block.finish();
            if writer.append(&mut block).is_err() {
                break;
            }
            heads.push(*writer.head());
        }
        heads
    }

    /// The content of the log's files.
    fn files(disk: &MemDisk) -> Vec<(String, Vec<u8>)> {
        let log = dir().join(LOG_DIR);
        let read = |name: String| {
            let file = disk.open(&log.join(&name), OpenMode::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            (name, bytes)
        };
        disk.list(&log).unwrap().into_iter().map(read).collect()
    }

    /// Enough for three segments of 64 KiB.
    const LENS: [usize; 9] = [300, 20_000, 30_000, 9_000, 40_000, 500, 64, 50_000, 700];

    #[test]
    fn what_is_cut_leaves_no_byte() {
        for keep in 0..=LENS.len() {
            let (disk, plain) = (MemDisk::new(), MemDisk::new());
            let (mut writer, _) = opened(&disk);
            let mut heads = vec![*writer.head()];
            heads.extend(append(&mut writer, 2, &LENS));
            writer.cut(heads[keep]).unwrap();
            assert_eq!(writer.head(), &heads[keep]);
            append(&mut writer, 3, &[100, 60_000, 10_000]);
            let (mut never, _) = opened(&plain);
            append(&mut never, 2, &LENS[..keep]);
            append(&mut never, 3, &[100, 60_000, 10_000]);
            assert_eq!(writer.head(), never.head());
            assert!(files(&disk) == files(&plain), "cut after {keep}");
            let head = *writer.head();
            assert_eq!(opened(&disk).1.head, head, "cut after {keep}");
        }
    }

    #[test]
    fn a_crash_while_cutting_leaves_a_log_that_ends_between() {
        let mut between = 0;
        for keep in [0, 1, 3, 5, 8] {
            for at in 1..40 {
                for seed in 0..6 {
                    let disk = MemDisk::new();
                    let (mut writer, _) = opened(&disk);
                    let mut heads = vec![*writer.head()];
                    heads.extend(append(&mut writer, 2, &LENS));
                    disk.inject(Fault::CrashAt(disk.operations() + at));
                    let whole = writer.cut(heads[keep]).is_ok();
                    let after = disk.crash(seed ^ at << 8);
                    let what = format!("cut after {keep}, crash at {at}, seed {seed}");
                    let (mut writer, recovered) = opened(&after);
                    let found = recovered.head.index as usize;
                    assert_eq!(recovered.head, heads[found], "{what}");
                    assert!(found >= keep, "{what}: {found} left");
                    assert!(!whole || found == keep, "{what}: {found} left");
                    between += usize::from(found > keep && found < LENS.len());
                    // The rest can be cut, and the log goes on.
                    writer.cut(heads[keep]).unwrap();
                    let more = append(&mut writer, 3, &[5_000, 50_000]);
                    assert_eq!(opened(&after).1.head, more[1], "{what}");
                }
            }
        }
        assert!(between > 50, "only {between} crashes struck between");
    }

    #[test]
    fn nothing_can_be_cut_that_is_not_there() {
        let disk = MemDisk::new();
        let (mut writer, _) = opened(&disk);
        let heads = append(&mut writer, 2, &LENS[..2]);
        writer.cut(heads[0]).unwrap();
        assert!(writer.cut(heads[1]).is_err());
        assert!(writer.poisoned().is_some());
    }
}
