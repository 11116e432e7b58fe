//! Counters of the listener. The monitoring endpoint reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the server started, and one gauge.
#[derive(Debug, Default)]
pub struct WireMetrics {
    active: AtomicU64,
    total: AtomicU64,
    refused: AtomicU64,
    auth_failures: AtomicU64,
    cancel_requests: AtomicU64,
    panics: AtomicU64,
}

impl WireMetrics {
    /// Open client connections, authenticated or not.
    pub fn connections_active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Connections accepted since the start.
    pub fn connections_total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Connections refused because a limit was reached.
    pub fn connections_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Failed authentications: wrong password, unknown role, broken exchange.
    pub fn auth_failures(&self) -> u64 {
        self.auth_failures.load(Ordering::Relaxed)
    }

    /// Cancel requests received, with a valid key or not.
    pub fn cancel_requests(&self) -> u64 {
        self.cancel_requests.load(Ordering::Relaxed)
    }

    /// Connections that ended because of a fault in the server's own code.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Counts a connection for as long as the guard lives.
    pub(super) fn connected(self: &Arc<Self>) -> ConnectedGuard {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        ConnectedGuard(Arc::clone(self))
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn auth_failed(&self) {
        self.auth_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cancel_requested(&self) {
        self.cancel_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// Decrements the gauge when dropped, also while a panic unwinds.
#[derive(Debug)]
pub(super) struct ConnectedGuard(Arc<WireMetrics>);

impl Drop for ConnectedGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_falls_when_the_guard_goes() {
        let metrics = Arc::new(WireMetrics::default());
        let first = metrics.connected();
        let second = metrics.connected();
        assert_eq!(metrics.connections_active(), 2);
        drop(first);
        assert_eq!(metrics.connections_active(), 1);
        drop(second);
        assert_eq!(metrics.connections_active(), 0);
        assert_eq!(metrics.connections_total(), 2);
    }
}
