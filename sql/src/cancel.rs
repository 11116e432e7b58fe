//! Asking a running statement to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use crate::error::{SqlError, state};

/// Why a statement should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// A CancelRequest arrived.
    User,
    /// `statement_timeout` passed.
    StatementTimeout,
    /// The server is shutting down or the client is gone.
    Disconnect,
}

/// A flag that a session's statements watch. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: AtomicU8,
    notify: Notify,
}

impl Cancellation {
    /// Asks the running statement to stop. A session without a running
    /// statement forgets the request when the next one starts.
    pub fn cancel(&self, reason: CancelReason) {
        let code = match reason {
            CancelReason::User => 1,
            CancelReason::StatementTimeout => 2,
            CancelReason::Disconnect => 3,
        };
        self.0.reason.store(code, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    /// Forgets a request; called when a statement starts.
    pub fn reset(&self) {
        self.0.reason.store(0, Ordering::Release);
    }

    /// Why to stop, if at all.
    pub fn reason(&self) -> Option<CancelReason> {
        match self.0.reason.load(Ordering::Acquire) {
            1 => Some(CancelReason::User),
            2 => Some(CancelReason::StatementTimeout),
            3 => Some(CancelReason::Disconnect),
            _ => None,
        }
    }

    /// Fails when the statement should stop.
    ///
    /// # Errors
    /// 57014 (57P01 when the session itself ends).
    pub fn check(&self) -> Result<(), SqlError> {
        self.reason().map_or(Ok(()), |reason| Err(error_of(reason)))
    }

    /// Waits until somebody asks to stop, and gives the error to report.
    pub async fn cancelled(&self) -> SqlError {
        loop {
            let notified = self.0.notify.notified();
            if let Some(reason) = self.reason() {
                return error_of(reason);
            }
            notified.await;
        }
    }
}

fn error_of(reason: CancelReason) -> SqlError {
    match reason {
        CancelReason::User => SqlError::new(
            state::QUERY_CANCELED,
            "canceling statement due to user request",
        ),
        CancelReason::StatementTimeout => SqlError::new(
            state::QUERY_CANCELED,
            "canceling statement due to statement timeout",
        ),
        CancelReason::Disconnect => SqlError::new(
            state::ADMIN_SHUTDOWN,
            "terminating connection due to administrator command",
        ),
    }
}
