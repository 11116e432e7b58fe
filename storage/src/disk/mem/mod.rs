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

mod disk;
mod file;
mod inode;
mod names;
mod random;

use inode::Inode;
use names::NameChange;
use random::Random;
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
