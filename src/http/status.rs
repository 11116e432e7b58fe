//! What a node says about itself.

use std::sync::OnceLock;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

/// Where a node is between start and stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The log is opened, checked and replayed; the text says how far.
    Opening(String),
    /// Clients are served.
    Ready,
    /// The log is open, but what is here cannot be told to be current; the text says why.
    Waiting(String),
    /// Asked to stop: no new clients, running statements finish.
    Closing,
}

impl Phase {
    /// One word, as it appears in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opening(_) => "opening",
            Self::Ready => "ready",
            Self::Waiting(_) => "waiting",
            Self::Closing => "closing",
        }
    }

    /// How far, where there is something to say.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Opening(detail) | Self::Waiting(detail) if !detail.is_empty() => Some(detail),
            _ => None,
        }
    }
}

/// Gives the figures of an open node as a JSON object.
pub type Figures = Box<dyn Fn() -> Value + Send + Sync>;

/// Shared by the servers that report and the node that is reported on.
pub struct NodeStatus {
    started: Instant,
    phase: Mutex<Phase>,
    figures: OnceLock<Figures>,
}

impl Default for NodeStatus {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            phase: Mutex::new(Phase::Opening(String::new())),
            figures: OnceLock::new(),
        }
    }
}

impl NodeStatus {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.phase.lock().clone()
    }

    /// Whether clients are served what is current.
    pub fn is_ready(&self) -> bool {
        *self.phase.lock() == Phase::Ready
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock() = phase;
    }

    /// Says how far opening is; ignored once the node is past it.
    pub fn progress(&self, detail: String) {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Opening(_)) {
            *phase = Phase::Opening(detail);
        }
    }

    /// Says whether a node that serves is current, or why not.
    pub fn settle(&self, problem: Option<String>) {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Ready | Phase::Waiting(_)) {
            *phase = problem.map_or(Phase::Ready, Phase::Waiting);
        }
    }

    /// Adds the figures that only an open store has. The first call counts.
    pub fn publish_figures(&self, figures: Figures) {
        let _ = self.figures.set(figures);
    }

    /// The body of `/status`.
    pub fn report(&self) -> Value {
        let phase = self.phase();
        let mut report = json!({
            "status": phase.name(),
            "detail": phase.detail(),
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": self.started.elapsed().as_secs(),
        });
        if let (Some(figures), Some(object)) = (self.figures.get(), report.as_object_mut())
            && let Value::Object(more) = figures()
        {
            object.extend(more);
        }
        report
    }
}
