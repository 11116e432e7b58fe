//! Keeping a data directory as it is while it is verified.

use crate::disk::{Disk, DiskLock};
use crate::error::{Result, StorageError};
use std::io::ErrorKind;
use std::path::Path;

/// Who else has the directory.
pub(super) enum Hold {
    /// Nobody, and nobody can open it now.
    Writable(#[expect(dead_code, reason = "held, not read")] Box<dyn DiskLock>),
    /// Nobody. It cannot be written from here; without a lock file there is no
    /// lock either.
    ReadOnly(#[expect(dead_code, reason = "held, not read")] Option<Box<dyn DiskLock>>),
    /// A node.
    Running,
}

/// Takes the directory's lock, in the way that its permissions allow.
pub(super) fn take(disk: &dyn Disk, dir: &Path) -> Result<Hold> {
    let path = dir.join("LOCK");
    match disk.lock(&path) {
        Ok(lock) => Ok(Hold::Writable(lock)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(Hold::Running),
            ErrorKind::NotFound => Err(StorageError::io(format!("open {}", dir.display()), error)),
            _ => take_shared(disk, &path),
        },
    }
}

fn take_shared(disk: &dyn Disk, path: &Path) -> Result<Hold> {
    match disk.lock_shared(path) {
        Ok(lock) => Ok(Hold::ReadOnly(Some(lock))),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(Hold::Running),
            ErrorKind::NotFound => Ok(Hold::ReadOnly(None)),
            _ => Err(StorageError::io(format!("lock {}", path.display()), error)),
        },
    }
}
