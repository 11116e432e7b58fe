//! [`Disk`] for the disk in memory: names, directories and locks.

use super::file::MemFile;
use super::inode::Inode;
use super::names::NameChange;
use super::{MemDisk, State, power_cut};
use crate::disk::{Disk, DiskFile, DiskLock, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

struct MemLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl DiskLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locks.remove(&self.path);
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let existing = state.names.get(path).copied();
        let id = match (existing, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(id), _) => id,
            (None, OpenMode::CreateNew) => {
                state.parent_exists(path)?;
                state.count_or_crash()?;
                let id = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(id, Inode::default());
                state.names.insert(path.to_owned(), id);
                state.journal.push(NameChange::Link(path.to_owned(), id));
                id
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(MemFile::new(
            self.state.clone(),
            id,
            mode != OpenMode::Read,
        )))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        if !state.dirs.contains(path) {
            state.count_or_crash()?;
            for dir in path.ancestors() {
                state.dirs.insert(dir.to_owned());
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        if !state.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state.names.keys().chain(&state.dirs);
        let mut names: Vec<String> = names
            .filter(|name| name.parent() == Some(path))
            .filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.alive()?;
        Ok(state.names.contains_key(path) || state.dirs.contains(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.parent_exists(to)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let crash = state.count()?;
        if let Some(id) = state.names.remove(from) {
            state.names.insert(to.to_owned(), id);
            let change = NameChange::Rename(from.to_owned(), to.to_owned(), id);
            state.journal.push(change);
        }
        if crash { Err(power_cut()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let crash = state.count()?;
        if let Some(id) = state.names.remove(path) {
            if let Some(inode) = state.inodes.get(&id) {
                let freed = inode.current.len() as u64;
                if let Some(free) = &mut state.free_bytes {
                    *free += freed;
                }
            }
            state.journal.push(NameChange::Unlink(path.to_owned()));
        }
        if crash { Err(power_cut()) } else { Ok(()) }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count_or_crash()?;
        state.names.retain(|name, _| !name.starts_with(path));
        state
            .durable_names
            .retain(|name, _| !name.starts_with(path));
        state.dirs.retain(|name| !name.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.count_or_crash()?;
        let journal = std::mem::take(&mut state.journal);
        for change in journal {
            if change.touches(path) {
                change.apply(&mut state.durable_names);
            } else {
                state.journal.push(change);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let state = self.state();
        state.alive()?;
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        drop(state);
        self.lock_shared(path)
    }

    /// Nobody needs to share here, so this is the exclusive lock.
    fn lock_shared(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.state();
        state.alive()?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock {
            state: self.state.clone(),
            path: path.to_owned(),
        }))
    }
}
