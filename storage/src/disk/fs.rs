//! [`Disk`] over a real file system.

use super::{Disk, DiskFile, DiskLock, OpenMode};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, fdatasync, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Zeroes are written in pieces of this size, so that making a segment ready
/// never holds a commit's barrier up behind a long queue of dirty pages.
const ZERO_CHUNK_BYTES: usize = 1 << 20;

/// Dirty zeroes are pushed out after this many bytes.
const ZERO_SYNC_BYTES: u64 = 8 << 20;

/// The local file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsDisk;

struct FsFile(File);

/// Holds the descriptor: the kernel drops the lock when it is closed.
struct FsLock(#[expect(dead_code, reason = "kept open for the lock it holds")] File);

impl DiskLock for FsLock {}

impl Disk for FsDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true).mode(0o600);
            }
        }
        Ok(Box::new(FsFile(options.open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(FsLock(file)))
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = File::open(path)?;
        flock(&file, FlockOperation::NonBlockingLockShared)?;
        Ok(Box::new(FsLock(file)))
    }
}

impl DiskFile for FsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn allocate_zeroed(&self, len: u64) -> io::Result<()> {
        // Reserving first finds a full disk before a byte is written, and keeps
        // the extents together. Some file systems cannot; the zeroes still tell.
        match fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let zeroes = vec![0; ZERO_CHUNK_BYTES];
        let (mut offset, mut unsynced) = (0, 0);
        while offset < len {
            let n = (len - offset).min(ZERO_CHUNK_BYTES as u64);
            let piece = zeroes.get(..n as usize).unwrap_or_default();
            self.0.write_all_at(piece, offset)?;
            offset += n;
            unsynced += n;
            if unsynced >= ZERO_SYNC_BYTES {
                fdatasync(&self.0)?;
                unsynced = 0;
            }
        }
        self.0.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(fdatasync(&self.0)?)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}
