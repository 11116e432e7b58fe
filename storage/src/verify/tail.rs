//! Where the zeroes at a segment's end begin, found on a thread of its own.
//!
//! Segments are written full of zeroes when they are made, and a scan checks that
//! the room behind the last block still holds nothing else. In the newest segment
//! that can be most of the file, so it is read from its end while the scan is still
//! busy with hashes. What this finds only saves work: a scan that does not get an
//! answer, or a worrying one, reads the room itself.

use crate::disk::{Disk, OpenMode};
use crate::log::is_zero;
use crate::segment::{LOG_DIR, file_name};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};

/// Read at once, from the end towards the start.
const STEP_BYTES: u64 = 1 << 20;
/// Answers that may wait for the scan.
pub(super) const WAITING: usize = 16;

/// Finds the ends of segments in order and sends each as its first block's index and
/// the offset from which on every byte is zero. Stops when nobody listens.
pub(super) fn find(disk: &dyn Disk, dir: &Path, firsts: &[u64], to: &SyncSender<(u64, u64)>) {
    for first in firsts {
        let path = dir.join(LOG_DIR).join(file_name(*first));
        let Ok(from) = zeroes_from(disk, &path) else {
            return;
        };
        if to.send((*first, from)).is_err() {
            return;
        }
    }
}

fn zeroes_from(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    let file = disk.open(path, OpenMode::Read)?;
    let mut buffer = vec![0; STEP_BYTES as usize];
    let mut end = file.len()?;
    while end > 0 {
        let start = (end - 1) / STEP_BYTES * STEP_BYTES;
        let piece = buffer.get_mut(..(end - start) as usize).unwrap_or_default();
        if file.read_at(piece, start)? != piece.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !is_zero(piece) {
            let used = piece.iter().rposition(|byte| *byte != 0);
            return Ok(start + used.map_or(0, |at| at as u64 + 1));
        }
        end = start;
    }
    Ok(0)
}

/// The answers, as the scan asks for them.
pub(super) struct Tails {
    receiver: Receiver<(u64, u64)>,
    known: HashMap<u64, u64>,
}

impl Tails {
    pub(super) fn new(receiver: Receiver<(u64, u64)>) -> Self {
        Self {
            receiver,
            known: HashMap::new(),
        }
    }

    /// From where on a segment is zero, by its first block; waits until it is known.
    /// `None` when it could not be found out.
    pub(super) fn zeroes_from(&mut self, first: u64) -> Option<u64> {
        loop {
            if let Some(from) = self.known.remove(&first) {
                return Some(from);
            }
            let (found, from) = self.receiver.recv().ok()?;
            self.known.insert(found, from);
        }
    }
}
