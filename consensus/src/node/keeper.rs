//! Keeps the superblock's verified head near the end of what is committed.
//!
//! It need not be exact: opening walks on from it. It is written at most once a second, on
//! a thread of its own so that no commit waits for it, and also when commits stop coming.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kimberlite_storage::Hash32;
use kimberlite_storage::superblock::SuperblockFile;

use super::shared::Shared;

/// Pause between two writes of the superblock.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest committed block.
#[derive(Default)]
pub(super) struct CommittedHead {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<(u64, Hash32)>,
    noted: bool,
    stopped: bool,
}

impl CommittedHead {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a committed block. Wakes the keeper only when it sleeps because nothing had
    /// happened.
    pub(super) fn advance(&self, index: u64, hash: Hash32) {
        let mut state = self.lock();
        let idle = state.noted || state.newest.is_none();
        (state.newest, state.noted) = (Some((index, hash)), false);
        drop(state);
        if idle {
            self.changed.notify_one();
        }
    }

    pub(super) fn newest(&self) -> Option<(u64, Hash32)> {
        self.lock().newest
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits for a new head and then for the pause; `None` when stopped.
    fn next(&self) -> Option<(u64, Hash32)> {
        let waiting = |s: &mut State| (s.noted || s.newest.is_none()) && !s.stopped;
        let state = self.changed.wait_while(self.lock(), waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let running = |s: &mut State| !s.stopped;
        let waited = self.changed.wait_timeout_while(state, PAUSE, running);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        state.noted = true;
        state.newest
    }
}

/// Runs until stopped.
pub(super) fn run(shared: &Shared, superblock: &Mutex<SuperblockFile>) {
    while let Some((index, hash)) = shared.committed.next() {
        let mut superblock = superblock.lock().unwrap_or_else(PoisonError::into_inner);
        let written = superblock.update(|s| {
            (s.verified_index, s.verified_hash) = (index, hash);
            s.commit_floor = index;
        });
        if let Err(error) = written {
            return shared.fail(&error.to_string());
        }
    }
}
