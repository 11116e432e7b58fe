//! How many bytes of transactions may be on their way.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Lets transactions in as long as there is room; others wait.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    closed: bool,
}

impl Gate {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room. False when the gate is closed; otherwise the number of bytes that
    /// are on their way now.
    pub(super) fn enter(&self, bytes: usize) -> Option<usize> {
        // One that is larger than all the room gets in when nothing else is on its way.
        let full = |s: &mut State| !s.closed && s.bytes > 0 && s.bytes + bytes > self.bytes_max;
        let state = self.changed.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.bytes += bytes;
        Some(state.bytes)
    }

    /// One is done; returns the number of bytes that still are on their way.
    pub(super) fn leave(&self, bytes: usize) -> usize {
        let mut state = self.lock();
        state.bytes -= bytes;
        let left = state.bytes;
        drop(state);
        self.changed.notify_all();
        left
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
