//! Cancel keys: who may stop which session's statement.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use kimberlite_sql::cancel::{CancelReason, Cancellation};
use parking_lot::Mutex;

/// The sessions that can be cancelled, by process id.
#[derive(Debug)]
pub(super) struct CancelRegistry {
    last_pid: AtomicU32,
    sessions: Mutex<HashMap<i32, Option<Entry>>>,
}

impl Default for CancelRegistry {
    fn default() -> Self {
        CancelRegistry {
            last_pid: AtomicU32::new(0),
            sessions: Mutex::default(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    secret: Bytes,
    handle: Cancellation,
}

impl CancelRegistry {
    /// Takes a process id nobody else holds. It is free again when the guard
    /// is dropped.
    pub(super) fn reserve(self: &Arc<Self>) -> CancelGuard {
        let mut sessions = self.sessions.lock();
        loop {
            let next = self
                .last_pid
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_add(1);
            // Positive, as clients print it as a process id.
            let pid = (next & 0x7fff_ffff) as i32;
            if pid != 0 && !sessions.contains_key(&pid) {
                sessions.insert(pid, None);
                return CancelGuard {
                    registry: Arc::clone(self),
                    pid,
                };
            }
        }
    }

    /// Cancels the session that was given this process id and secret. Whether
    /// there is one is nobody's business but the log's.
    pub(super) fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let sessions = self.sessions.lock();
        let Some(Some(entry)) = sessions.get(&pid) else {
            return false;
        };
        if !same(&entry.secret, secret) {
            return false;
        }
        entry.handle.cancel(CancelReason::User);
        true
    }

    /// Cancels every session: the grace of a shutdown is over.
    pub(super) fn cancel_all(&self) {
        for entry in self.sessions.lock().values().flatten() {
            entry.handle.cancel(CancelReason::Disconnect);
        }
    }
}

/// A reserved process id.
#[derive(Debug)]
pub(super) struct CancelGuard {
    registry: Arc<CancelRegistry>,
    pid: i32,
}

impl CancelGuard {
    /// The process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Gives the session a random secret of `len` bytes and makes it
    /// cancellable.
    pub(super) fn publish(&self, handle: Cancellation, len: usize) -> Bytes {
        let mut secret = vec![0; len];
        rand::fill(&mut secret[..]);
        let secret = Bytes::from(secret);
        let entry = Entry {
            secret: secret.clone(),
            handle,
        };
        self.registry.sessions.lock().insert(self.pid, Some(entry));
        secret
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.registry.sessions.lock().remove(&self.pid);
    }
}

/// Compares in a time that depends on the lengths only.
fn same(ours: &[u8], theirs: &[u8]) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    let difference = ours
        .iter()
        .zip(theirs)
        .fold(0_u8, |seen, (a, b)| black_box(seen | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    fn registry() -> Arc<CancelRegistry> {
        Arc::default()
    }

    #[test]
    fn only_the_right_key_cancels() {
        let registry = registry();
        let handle = Cancellation::default();
        let guard = registry.reserve();
        let secret = guard.publish(handle.clone(), 32);
        let mut wrong = secret.to_vec();
        wrong[31] ^= 1;
        assert!(!registry.cancel(guard.pid(), &wrong));
        assert!(!registry.cancel(guard.pid(), &secret[..31]));
        assert!(!registry.cancel(guard.pid(), b""));
        assert!(!registry.cancel(guard.pid() + 1, &secret));
        assert_eq!(handle.reason(), None);
        assert!(registry.cancel(guard.pid(), &secret));
        assert_eq!(handle.reason(), Some(CancelReason::User));
    }

    #[test]
    fn a_session_that_ended_cannot_be_cancelled() {
        let registry = registry();
        let handle = Cancellation::default();
        let guard = registry.reserve();
        let pid = guard.pid();
        let secret = guard.publish(handle.clone(), 4);
        drop(guard);
        assert!(!registry.cancel(pid, &secret));
        assert_eq!(handle.reason(), None);
    }

    #[test]
    fn process_ids_wrap_around_and_stay_unique() {
        let registry = registry();
        registry.last_pid.store(0x7fff_fffd, Ordering::Relaxed);
        let guards: Vec<_> = (0..4).map(|_| registry.reserve()).collect();
        let pids: Vec<i32> = guards.iter().map(CancelGuard::pid).collect();
        assert_eq!(pids, vec![0x7fff_fffe, 0x7fff_ffff, 1, 2]);
        registry.last_pid.store(0, Ordering::Relaxed);
        assert_eq!(registry.reserve().pid(), 3);
    }

    #[test]
    fn everyone_is_cancelled_at_the_end() {
        let registry = registry();
        let handle = Cancellation::default();
        let published = registry.reserve();
        published.publish(handle.clone(), 4);
        let _reserved = registry.reserve();
        registry.cancel_all();
        assert_eq!(handle.reason(), Some(CancelReason::Disconnect));
    }

    #[test]
    fn secrets_differ() {
        let registry = registry();
        let guard = registry.reserve();
        let first = guard.publish(Cancellation::default(), 32);
        let second = guard.publish(Cancellation::default(), 32);
        assert_ne!(first, second);
    }
}
