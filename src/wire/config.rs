//! What the wire may be told by the configuration.

use std::sync::Arc;
use std::time::Duration;

use super::forward::Forwarder;
use super::metrics::WireMetrics;
use super::tls::TlsSettings;

/// Limits and switches of the PostgreSQL listener.
pub struct WireConfig {
    /// Certificate and key; `None` answers SSLRequest with "no".
    pub tls: Option<TlsSettings>,
    /// Refuse sessions (not cancel requests) on connections without TLS.
    pub tls_required: bool,
    /// Sessions at a time, counted from the startup packet on; one more is
    /// refused with 53300.
    pub max_connections: usize,
    /// Time from accept to the first `ReadyForQuery`.
    pub startup_timeout: Duration,
    /// Longest message body of an authenticated client, in bytes; at most
    /// 1 GiB - 1 counts.
    pub max_message_bytes: usize,
    /// Prepared statements one session may hold by name.
    pub max_statements: usize,
    /// Portals one session may hold by name.
    pub max_portals: usize,
    /// How long running statements may go on after shutdown was asked for,
    /// before they are cancelled.
    pub shutdown_grace: Duration,
    /// The way to the replica that leads; `None` serves every session here.
    pub forward: Option<Arc<dyn Forwarder>>,
    /// Counters the listener writes.
    pub metrics: Arc<WireMetrics>,
}

impl std::fmt::Debug for WireConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireConfig")
            .field("tls", &self.tls)
            .field("tls_required", &self.tls_required)
            .field("max_connections", &self.max_connections)
            .field("forward", &self.forward.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for WireConfig {
    fn default() -> Self {
        WireConfig {
            tls: None,
            tls_required: true,
            max_connections: 1024,
            startup_timeout: Duration::from_secs(60),
            max_message_bytes: 256 << 20,
            max_statements: 4096,
            max_portals: 256,
            shutdown_grace: Duration::from_secs(30),
            forward: None,
            metrics: Arc::default(),
        }
    }
}
