//! Keeps the superblock's verified head near the end of the log.
//!
//! The head need not be exact: opening walks on from it. It is written at most
//! once a second, on a thread of its own so that no commit waits for it, and
//! also when commits stop coming: then the last block of an idle log is covered.

use super::Shared;
use crate::ids::Hash32;
use crate::superblock::SuperblockFile;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pause between two writes of the superblock.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest durable block, for the keeper.
pub(crate) struct DurableHead {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    head: Option<(u64, Hash32)>,
    stopped: bool,
}

impl DurableHead {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a block that is durable. Wakes the keeper only when it sleeps
    /// because nothing had happened.
    pub(crate) fn advance(&self, index: u64, hash: Hash32) {
        let mut state = self.lock();
        let idle = state.head.is_none();
        state.head = Some((index, hash));
        drop(state);
        if idle {
            self.changed.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits for a new head and then for the pause; `None` when stopped.
    fn next(&self) -> Option<(u64, Hash32)> {
        let state = self.lock();
        let waiting = |state: &mut State| state.head.is_none() && !state.stopped;
        let state = self.changed.wait_while(state, waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let running = |state: &mut State| !state.stopped;
        let waited = self.changed.wait_timeout_while(state, PAUSE, running);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            None
        } else {
            state.head.take()
        }
    }
}

pub(crate) fn run(shared: &Shared, mut superblock: SuperblockFile) -> SuperblockFile {
    while let Some((index, hash)) = shared.durable.next() {
        let written = superblock.update(|s| {
            (s.verified_index, s.verified_hash) = (index, hash);
            s.commit_floor = index;
        });
        if let Err(error) = written {
            shared.fail(&error.to_string());
            break;
        }
    }
    superblock
}
