//! Everything the log does to a medium goes through [`Disk`].
//!
//! The trait is as small as the log's needs: positioned reads and writes, one
//! data barrier, and directory operations whose durability is asked for
//! explicitly with [`Disk::sync_dir`]. Two implementations exist: [`FsDisk`]
//! over a real file system and [`MemDisk`], which keeps everything in memory
//! and can tear, drop, corrupt and fail it.
//!
//! What is assumed of a medium, and nothing more:
//!
//! - after [`DiskFile::sync_data`] returned `Ok`, bytes written before the call
//!   survive a crash;
//! - a write that was not synced may survive wholly, in part, or not at all, in
//!   units of [`SECTOR_BYTES`] and in any order;
//! - writing a sector again with the bytes it already holds cannot destroy them;
//! - a directory change is durable after [`Disk::sync_dir`] of that directory;
//!   before that it may or may not survive;
//! - a barrier that failed says nothing about what survived, and is never tried
//!   again.

mod fs;
mod mem;

pub use fs::FsDisk;
#[doc(hidden)]
pub use mem::{Fault, MemDisk};

use std::io;
use std::path::Path;

/// The unit in which a medium may keep or lose part of a write.
pub const SECTOR_BYTES: usize = 512;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new file; fails with [`io::ErrorKind::AlreadyExists`] when there is one.
    CreateNew,
}

/// Keeps the data directory to one process until it is dropped.
pub trait DiskLock: Send + Sync {}

/// A medium with named files in directories.
pub trait Disk: Send + Sync {
    /// Opens or creates the file at `path`.
    ///
    /// # Errors
    /// The operating system's error.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;

    /// Creates a directory and its parents; an existing one is no error.
    ///
    /// # Errors
    /// The operating system's error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names of the entries of a directory, sorted.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is no such directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Whether a file or directory of that name exists.
    ///
    /// # Errors
    /// The operating system's error, when it could not be found out.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Renames a file, replacing a file of the new name.
    ///
    /// # Errors
    /// The operating system's error.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's error.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and everything in it; a missing one is no error.
    ///
    /// # Errors
    /// The operating system's error.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// The operating system's error.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock `path` stands for, creating the file if needed.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process or store holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// Takes a lock on the existing file `path` that keeps the exclusive one away,
    /// without a right to write.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the exclusive lock is held,
    /// [`io::ErrorKind::NotFound`] when there is no such file.
    fn lock_shared(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads into `buf` at `offset`; returns fewer bytes only at the file's end.
    ///
    /// # Errors
    /// The operating system's error.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The operating system's error; what was written then is unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file `len` bytes of zeroes that are really written, so that
    /// later writes inside it change no metadata.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room.
    fn allocate_zeroed(&self, len: u64) -> io::Result<()>;

    /// Returns when every byte written before the call is durable.
    ///
    /// # Errors
    /// The operating system's error; the file must not be used any more.
    fn sync_data(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The operating system's error.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// The operating system's error.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The operating system's error.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Reads exactly `buf.len()` bytes at `offset`.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] when the file ends before.
pub fn read_exact_at(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<()> {
    if file.read_at(buf, offset)? == buf.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
