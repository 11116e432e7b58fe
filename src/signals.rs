//! SIGTERM and SIGINT: the first asks to stop, the second insists.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// The signals that stop a node. Made before anything that takes long, so that
/// no signal finds the default action.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes over SIGTERM and SIGINT of this process.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Ends the process at the next signal: the operator no longer waits for
    /// running statements. The log is as it would be after a power cut, which
    /// the next start handles.
    pub fn exit_at_next(mut self) {
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!(signal = name, "second signal: stopping without waiting");
            std::process::exit(Exit::Failure.code());
        });
    }
}
