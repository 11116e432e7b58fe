//! [`DiskFile`] for the disk in memory.

use super::inode::Pending;
use super::{Fault, State, power_cut};
use crate::disk::DiskFile;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open file.
pub(super) struct MemFile {
    state: Arc<Mutex<State>>,
    id: u64,
    writable: bool,
}

impl MemFile {
    pub(super) fn new(state: Arc<Mutex<State>>, id: u64, writable: bool) -> Self {
        Self {
            state,
            id,
            writable,
        }
    }

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
