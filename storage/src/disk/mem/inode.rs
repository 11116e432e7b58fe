//! What a file of the disk in memory holds: what is durable and what is only written.

use super::random::Random;
use crate::disk::SECTOR_BYTES;
use std::collections::{BTreeMap, BTreeSet};

/// A file.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) durable: Vec<u8>,
    pub(super) current: Vec<u8>,
    pub(super) pending: Vec<Pending>,
    /// Sectors, by number, that a failed barrier left in doubt, as they were then.
    pub(super) doubtful: BTreeMap<usize, Vec<u8>>,
}

/// A change since the last barrier.
#[derive(Clone)]
pub(super) enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Inode {
    /// Makes durable what was written since the last barrier, and nothing else.
    pub(super) fn sync(&mut self) {
        for change in &self.pending {
            if let Pending::SetLen(len) = change {
                self.durable.resize(*len, 0);
            }
        }
        for sector in self.pending_sectors() {
            let content = sector_of(&self.current, sector);
            replace(&mut self.durable, sector * SECTOR_BYTES, content);
            self.doubtful.remove(&sector);
        }
        self.pending.clear();
    }

    /// A barrier fails: what it was for may be on the medium or not.
    pub(super) fn fail_sync(&mut self) {
        for sector in self.pending_sectors() {
            let content = sector_of(&self.current, sector).to_vec();
            self.doubtful.insert(sector, content);
        }
        self.pending
            .retain(|change| matches!(change, Pending::SetLen(_)));
    }

    fn pending_sectors(&self) -> BTreeSet<usize> {
        let written = self.pending.iter().filter_map(|change| match change {
            Pending::Write { offset, bytes } => {
                let end = (offset + bytes.len()).div_ceil(SECTOR_BYTES);
                Some(offset / SECTOR_BYTES..end)
            }
            Pending::SetLen(_) => None,
        });
        written.flatten().collect()
    }

    /// What is left of this file when power fails now.
    pub(super) fn after_crash(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (sector, content) in &self.doubtful {
            if random.keep() {
                replace(&mut bytes, sector * SECTOR_BYTES, content);
            }
        }
        for change in &self.pending {
            match change {
                Pending::SetLen(len) if random.keep() => bytes.resize(*len, 0),
                Pending::SetLen(_) => {}
                Pending::Write { offset, bytes: new } => {
                    let mut start = 0;
                    while start < new.len() {
                        let at = offset + start;
                        let end = new.len().min(start + SECTOR_BYTES - at % SECTOR_BYTES);
                        if random.keep()
                            && let (Some(target), Some(source)) =
                                (bytes.get_mut(at..offset + end), new.get(start..end))
                        {
                            target.copy_from_slice(source);
                        }
                        start = end;
                    }
                }
            }
        }
        bytes
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> &[u8] {
    let rest = bytes.get(sector * SECTOR_BYTES..).unwrap_or_default();
    rest.get(..SECTOR_BYTES).unwrap_or(rest)
}

/// Puts `new` at `offset`, as far as there is room for it.
fn replace(bytes: &mut [u8], offset: usize, new: &[u8]) {
    let room = bytes.get_mut(offset..).unwrap_or_default();
    room.iter_mut().zip(new).for_each(|(old, new)| *old = *new);
}
