//! Making the next segment ready before it is needed.

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::{Result, StorageError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A file full of durable zeroes, not yet part of the log.
pub struct PreparedSegment {
    /// The file, open for writing.
    pub file: Box<dyn DiskFile>,
    /// Where it is.
    pub path: PathBuf,
}

/// Gives out prepared segments.
pub trait SegmentSource: Send {
    /// Says that a segment will be wanted soon.
    fn hint(&mut self);

    /// A prepared segment, waiting for it if need be.
    ///
    /// # Errors
    /// [`StorageError::Full`] when there is no room: nothing has changed, and it
    /// may be tried again. [`StorageError::Io`] and others when the medium failed.
    fn take(&mut self) -> Result<PreparedSegment>;
}

/// Makes a file of zeroes in `tmp_dir`.
fn prepare(disk: &dyn Disk, tmp_dir: &Path, number: u64, bytes: u64) -> Result<PreparedSegment> {
    let path = tmp_dir.join(format!("segment-{number}.new"));
    let context = || {
        format!(
            "prepare a segment of {bytes} bytes in {}",
            tmp_dir.display()
        )
    };
    let file = disk
        .open(&path, OpenMode::CreateNew)
        .map_err(|e| StorageError::io(context(), e))?;
    let zeroed = file
        .allocate_zeroed(bytes)
        .and_then(|()| disk.sync_dir(tmp_dir));
    if let Err(error) = zeroed {
        drop(file);
        // Give the room back; that this can fail too changes nothing.
        let _ = disk.remove(&path);
        return Err(StorageError::io(context(), error));
    }
    Ok(PreparedSegment { file, path })
}

/// Prepares a segment when it is asked for, without a thread.
pub struct InlineSegments {
    disk: Arc<dyn Disk>,
    tmp_dir: PathBuf,
    bytes: u64,
    number: u64,
}

impl InlineSegments {
    /// Segments of `bytes` bytes, made in `tmp_dir`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, tmp_dir: PathBuf, bytes: u64) -> Self {
        Self {
            disk,
            tmp_dir,
            bytes,
            number: 0,
        }
    }
}

impl SegmentSource for InlineSegments {
    fn hint(&mut self) {}

    fn take(&mut self) -> Result<PreparedSegment> {
        self.number += 1;
        prepare(self.disk.as_ref(), &self.tmp_dir, self.number, self.bytes)
    }
}

enum Slot {
    Idle,
    Wanted,
    Preparing,
    Ready(PreparedSegment),
    Failed(StorageError),
    Closed,
}

struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, slot: MutexGuard<'a, Slot>) -> MutexGuard<'a, Slot> {
        self.changed
            .wait(slot)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prepares segments on a thread of its own.
pub struct ThreadedSegments {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl ThreadedSegments {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the thread cannot be started.
    pub fn start(disk: Arc<dyn Disk>, tmp_dir: PathBuf, bytes: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            slot: Mutex::new(Slot::Idle),
            changed: Condvar::new(),
        });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("segment-prepare".into())
            .spawn(move || {
                let mut source = InlineSegments::new(disk, tmp_dir, bytes);
                serve(&theirs, &mut source);
            })
            .map_err(|e| StorageError::io("start the segment thread", e))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

fn serve(shared: &Shared, source: &mut InlineSegments) {
    loop {
        let mut slot = shared.lock();
        loop {
            match &*slot {
                Slot::Closed => return,
                Slot::Wanted => break,
                _ => slot = shared.wait(slot),
            }
        }
        *slot = Slot::Preparing;
        drop(slot);
        let prepared = source.take();
        let mut slot = shared.lock();
        if matches!(*slot, Slot::Closed) {
            return;
        }
        *slot = match prepared {
            Ok(prepared) => Slot::Ready(prepared),
            Err(error) => Slot::Failed(error),
        };
        shared.changed.notify_all();
    }
}

impl SegmentSource for ThreadedSegments {
    fn hint(&mut self) {
        let mut slot = self.shared.lock();
        if matches!(*slot, Slot::Idle) {
            *slot = Slot::Wanted;
            self.shared.changed.notify_all();
        }
    }

    fn take(&mut self) -> Result<PreparedSegment> {
        let mut slot = self.shared.lock();
        // Where there was no room some time ago, there may be now.
        if matches!(*slot, Slot::Idle | Slot::Failed(StorageError::Full { .. })) {
            *slot = Slot::Wanted;
            self.shared.changed.notify_all();
        }
        loop {
            match std::mem::replace(&mut *slot, Slot::Idle) {
                Slot::Ready(prepared) => return Ok(prepared),
                Slot::Failed(error) => return Err(error),
                Slot::Closed => {
                    *slot = Slot::Closed;
                    return Err(StorageError::Closed("the log is being closed".into()));
                }
                waiting => {
                    *slot = waiting;
                    slot = self.shared.wait(slot);
                }
            }
        }
    }
}

impl Drop for ThreadedSegments {
    fn drop(&mut self) {
        *self.shared.lock() = Slot::Closed;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
