//! The end after a write or flush of the log failed.
//!
//! Nobody knows then what the disk holds, and going on could acknowledge what is
//! lost: the process ends, and the next start reads what is really there. Before
//! that, clients whose commit was under way are told that its outcome is not
//! known. That takes no more than a moment, and the process does not wait for
//! longer: a thread of its own ends it, whatever else hangs.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kimberlite_storage::StorageError;
use tokio::sync::watch;

use crate::exit::Exit;

/// How long clients may take to be told.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Raised when the log fails.
pub(super) struct Alarm {
    failed: watch::Sender<bool>,
    /// Ends when [`Clients`] does.
    answered: Mutex<Option<Receiver<Infallible>>>,
}

/// What serving clients knows of the log. While this lives, one may be waiting
/// for an answer.
pub(super) struct Clients {
    failed: watch::Receiver<bool>,
    /// Never sent to; it counts that it is gone.
    waiting: Sender<Infallible>,
}

/// An alarm, and what hears it.
pub(super) fn alarm() -> (Alarm, Clients) {
    let (raise, failed) = watch::channel(false);
    let (waiting, answered) = channel();
    let alarm = Alarm {
        failed: raise,
        answered: Mutex::new(Some(answered)),
    };
    (alarm, Clients { failed, waiting })
}

impl Alarm {
    /// Says why, and ends the process once the clients were answered.
    pub(super) fn raise(&self, error: &StorageError) {
        tracing::error!(%error, "the log cannot be written: stopping at once");
        eprintln!("kimberlite: the log cannot be written: {error}; stopping at once");
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answered) = answered.take() else {
            return;
        };
        self.failed.send_replace(true);
        let ending = std::thread::Builder::new()
            .name("log-failed".into())
            .spawn(move || {
                // Nothing is ever received: this is the end of `Clients`, or of time.
                let _ = answered.recv_timeout(ANSWER_TIME);
                end_process()
            });
        if ending.is_err() {
            end_process()
        }
    }
}

fn end_process() -> ! {
    std::process::exit(Exit::LogFailed.code())
}

impl Clients {
    /// Waits until the log fails.
    pub(super) fn failure(&self) -> impl Future<Output = ()> + use<> {
        let mut failed = self.failed.clone();
        async move {
            if failed.wait_for(|failed| *failed).await.is_err() {
                // The store is closed: it cannot fail any more.
                std::future::pending().await
            }
        }
    }

    /// Every client is answered. Does not return when the log failed: then the
    /// process ends here, with the status that says so.
    pub(super) async fn answered(self) {
        let failed = *self.failed.borrow();
        drop(self.waiting);
        if failed {
            std::future::pending().await
        }
    }
}
