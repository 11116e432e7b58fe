//! A medium in memory that fails on demand.
//!
//! Used by tests and by the simulator. It keeps what is durable apart from what
//! is only written, so that [`MemDisk::crash`] can leave behind any state the
//! rules of [`super`] allow: each sector of each unsynced write kept or lost,
//! each unsynced directory change kept up to some point and lost after it.
//!
//! A barrier that fails takes what it should have made durable for done, as
//! operating systems do: it can be read, and only writing it again brings it to
//! the medium, no later barrier does.

use super::{Disk, DiskFile, DiskLock, OpenMode, SECTOR_BYTES};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong, and when. Operations are counted from the disk's creation;
/// [`MemDisk::operations`] tells how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Power fails at the operation of this number: writes, barriers, creations,
    /// renames, removals and directory barriers count. It and all later fail.
    CrashAt(u64),
    /// The barrier of this number (counting barriers only) fails.
    FailSync(u64),
    /// The write of this number (counting writes only) fails.
    FailWrite(u64),
}

/// A disk in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Directory changes since the last barrier of their directory, in order.
    journal: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    faults: Vec<Fault>,
    operations: u64,
    syncs: u64,
    writes: u64,
    free_bytes: Option<u64>,
    read_only: bool,
    crashed: bool,
}

#[derive(Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<Pending>,
    /// Sectors, by number, that a failed barrier left in doubt, as they were then.
    doubtful: BTreeMap<usize, Vec<u8>>,
}

#[derive(Clone)]
enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

fn power_cut() -> io::Error {
    io::Error::other("the simulated disk lost power")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.crashed {
            Err(power_cut())
        } else {
            Ok(())
        }
    }

    /// Counts an operation; true when power fails at this very one.
    fn count(&mut self) -> io::Result<bool> {
        self.alive()?;
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.operations += 1;
        self.crashed = self.faults.contains(&Fault::CrashAt(self.operations));
        Ok(self.crashed)
    }

    fn count_or_crash(&mut self) -> io::Result<()> {
        if self.count()? {
            return Err(power_cut());
        }
        Ok(())
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes
            .get_mut(&id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn take_room(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.free_bytes {
            Some(free) if *free < bytes => Err(full()),
            Some(free) => {
                *free -= bytes;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !self.dirs.contains(parent) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }
}

impl NameChange {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => path.parent() == Some(dir),
            Self::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Inode {
    /// Makes durable what was written since the last barrier, and nothing else.
    fn sync(&mut self) {
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
    fn fail_sync(&mut self) {
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
    fn after_crash(&self, random: &mut Random) -> Vec<u8> {
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

/// SplitMix64 with a bias drawn once, so that some crashes keep nearly all and
/// some nearly nothing.
struct Random {
    state: u64,
    keep_of_8: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self {
            state: seed,
            keep_of_8: 0,
        };
        random.keep_of_8 = random.next() % 9;
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn keep(&mut self) -> bool {
        self.next() % 8 < self.keep_of_8
    }
}

impl MemDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Removes all faults that have not struck.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Limits how many more bytes files can grow by; `None` lifts the limit.
    pub fn set_free_bytes(&self, bytes: Option<u64>) {
        self.state().free_bytes = bytes;
    }

    /// Makes every change fail as on a medium mounted read-only.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Changes so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Barriers so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Writes so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// A new disk with what a power failure now would leave; `seed` chooses.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut random = Random::new(seed);
        let mut names = state.durable_names.clone();
        let kept = random.next() as usize % (state.journal.len() + 1);
        for change in state.journal.iter().take(kept) {
            change.apply(&mut names);
        }
        let inodes = state.inodes.iter().map(|(id, inode)| {
            let bytes = inode.after_crash(&mut random);
            let inode = Inode {
                durable: bytes.clone(),
                current: bytes,
                ..Inode::default()
            };
            (*id, inode)
        });
        let after = State {
            inodes: inodes.collect(),
            next_inode: state.next_inode,
            durable_names: names.clone(),
            names,
            dirs: state.dirs.clone(),
            free_bytes: state.free_bytes,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(after)),
        }
    }

    /// A new disk with everything this one holds, synced or not.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut state = self.state().clone();
        state.locks.clear();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A new disk as the next process finds it when the one that used this was
    /// killed: everything that was written can be read, and what was not durable
    /// still is not. There are no faults on it.
    #[must_use]
    pub fn killed(&self) -> Self {
        let disk = self.copy();
        let mut state = disk.state();
        state.crashed = false;
        state.faults.clear();
        drop(state);
        disk
    }

    /// Changes a file's bytes behind everybody's back.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`].
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.state();
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let inode = state.inode(id)?;
        change(&mut inode.current);
        inode.durable = inode.current.clone();
        inode.pending.clear();
        inode.doubtful.clear();
        Ok(())
    }
}

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
        Ok(Box::new(MemFile {
            state: self.state.clone(),
            id,
            writable: mode != OpenMode::Read,
        }))
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

struct MemFile {
    state: Arc<Mutex<State>>,
    id: u64,
    writable: bool,
}

impl MemFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.alive()?;
        let inode = state.inode(self.id)?;
        let rest = inode.current.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(target), Some(source)) = (buf.get_mut(..n), rest.get(..n)) {
            target.copy_from_slice(source);
        }
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state();
        let crash = state.count()?;
        state.writes += 1;
        let number = state.writes;
        if state.faults.contains(&Fault::FailWrite(number)) {
            return Err(io::Error::other("injected write failure"));
        }
        let offset = offset as usize;
        let end = offset + bytes.len();
        let grows = end.saturating_sub(state.inode(self.id)?.current.len());
        state.take_room(grows as u64)?;
        let inode = state.inode(self.id)?;
        if grows > 0 {
            inode.current.resize(end, 0);
            inode.pending.push(Pending::SetLen(end));
        }
        if let Some(target) = inode.current.get_mut(offset..end) {
            target.copy_from_slice(bytes);
        }
        inode.pending.push(Pending::Write {
            offset,
            bytes: bytes.to_vec(),
        });
        if crash { Err(power_cut()) } else { Ok(()) }
    }

    fn allocate_zeroed(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state();
        state.count_or_crash()?;
        let grows = len.saturating_sub(state.inode(self.id)?.current.len() as u64);
        state.take_room(grows)?;
        let inode = state.inode(self.id)?;
        inode.current = vec![0; len as usize];
        inode.durable = inode.current.clone();
        inode.pending.clear();
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let crash = state.count()?;
        state.syncs += 1;
        let number = state.syncs;
        if state.faults.contains(&Fault::FailSync(number)) {
            state.inode(self.id)?.fail_sync();
            return Err(io::Error::other("injected barrier failure"));
        }
        // Power failing during a barrier may strike before or after it is done.
        let reached = !crash || number.is_multiple_of(2);
        let inode = state.inode(self.id)?;
        if reached {
            inode.sync();
        }
        if crash { Err(power_cut()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.alive()?;
        Ok(state.inode(self.id)?.current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state();
        state.count_or_crash()?;
        let grows = len.saturating_sub(state.inode(self.id)?.current.len() as u64);
        state.take_room(grows)?;
        let inode = state.inode(self.id)?;
        inode.current.resize(len as usize, 0);
        inode.pending.push(Pending::SetLen(len as usize));
        Ok(())
    }
}
