//! The accept loop: one task a connection, bounded, and an orderly end.
//!
//! Connections come from the listener, and from other replicas through [`Sessions`].

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kimberlite_sql::engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::cancel::CancelRegistry;
use super::config::WireConfig;
use super::connection::{self, Origin};
use super::forward::Duplex;
use super::io::{Io, Phase, Stream};
use super::metrics::WireMetrics;
use super::scram::Decoys;

/// Sockets beyond the session limit that may be in the startup phase: cancel
/// requests must come through when every session is taken.
const EXTRA_SOCKETS: usize = 64;
/// How long to wait when no more files can be opened.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);
/// How long sessions may take to end once they were cancelled.
const END_GRACE: Duration = Duration::from_secs(5);

/// What every connection shares.
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) config: Arc<WireConfig>,
    pub(super) cancels: Arc<CancelRegistry>,
    pub(super) decoys: Decoys,
    pub(super) slots: Arc<Semaphore>,
}

/// Waits until `shutdown` turns true or its sender is gone. What the channel
/// lends ends here: a lock that lives on in `select!` would keep the listener
/// from being a task.
async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|asked| *asked).await;
}

/// A stream that another replica opened for a client of its own.
struct Forwarded {
    stream: Box<dyn Duplex>,
    via: String,
}

/// What another part of the server may do with the sessions of a [`WireServer`].
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
    forwarded: mpsc::Sender<Forwarded>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Serves the client that another replica has authenticated and passes on. `via`
    /// names that replica in the log.
    ///
    /// Returns at once; the session is a connection like those of the listener, with
    /// their limits and their end. The stream is closed when the server is not serving
    /// any more, or has as many connections as it takes.
    ///
    /// What comes through the stream is believed: it must come from a replica.
    pub fn serve_forwarded(&self, stream: Box<dyn Duplex>, via: impl Into<String>) {
        let via = via.into();
        if let Err(error) = self.forwarded.try_send(Forwarded { stream, via }) {
            self.shared.config.metrics.refused();
            tracing::warn!(%error, "a session that was passed on is dropped");
        }
    }

    /// Cancels what the session with this key runs; whether there is one.
    pub fn cancel(&self, process_id: i32, secret: &[u8]) -> bool {
        self.shared.config.metrics.cancel_requested();
        self.shared.cancels.cancel(process_id, secret)
    }
}

/// A server of PostgreSQL clients that does not serve yet.
pub struct WireServer {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    forwarded: mpsc::Receiver<Forwarded>,
}

impl std::fmt::Debug for WireServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireServer").finish_non_exhaustive()
    }
}

impl WireServer {
    /// Makes a server, and the handle to its sessions. Streams that are handed over
    /// before [`serve`](Self::serve) wait for it, as many as connections are taken.
    pub fn new(engine: Arc<Engine>, config: Arc<WireConfig>) -> (WireServer, Sessions) {
        let slots = config.max_connections.min(Semaphore::MAX_PERMITS);
        let (sender, forwarded) = mpsc::channel(most_sockets(&config).min(Semaphore::MAX_PERMITS));
        let shared = Arc::new(Shared {
            engine,
            cancels: Arc::default(),
            decoys: Decoys::new(),
            slots: Arc::new(Semaphore::new(slots)),
            config,
        });
        let sessions = Sessions {
            shared: Arc::clone(&shared),
            forwarded: sender,
        };
        let server = WireServer {
            shared,
            phase: watch::channel(Phase::Running).0,
            forwarded,
        };
        (server, sessions)
    }

    /// Serves until `shutdown` turns true or its sender is gone.
    ///
    /// Then: nothing is accepted any more, idle sessions are told 57P01 and closed,
    /// running statements get `config.shutdown_grace` to end and are cancelled
    /// after it. Returns when every connection has ended.
    ///
    /// # Errors
    ///
    /// When the listener itself stops working.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        mut shutdown: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut tasks = JoinSet::new();
        let outcome = loop {
            tokio::select! {
                () = asked_to_stop(&mut shutdown) => break Ok(()),
                Some(ended) = tasks.join_next() => report(&self.shared.config.metrics, ended),
                Some(Forwarded { stream, via }) = self.forwarded.recv() => {
                    // The client's address is in the first packet.
                    let unknown = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
                    let io = Io::new(Stream::Forwarded(stream), unknown);
                    self.start(&mut tasks, io, Origin::Replica(via));
                }
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => self.start_client(&mut tasks, socket, peer),
                    Err(error) => if let Err(error) = survive(error).await {
                        break Err(error);
                    }
                }
            }
        };
        drop(listener);
        // Who hands a stream over from now on sees it closed at once.
        self.forwarded.close();
        while self.forwarded.try_recv().is_ok() {}
        self.end(tasks).await;
        outcome
    }

    fn start_client(&self, tasks: &mut JoinSet<()>, socket: TcpStream, peer: SocketAddr) {
        // A socket that is closed already fails here; the first read says so too.
        let _ = socket.set_nodelay(true);
        self.start(tasks, Io::new(Stream::Plain(socket), peer), Origin::Client);
    }

    fn start(&self, tasks: &mut JoinSet<()>, io: Io, origin: Origin) {
        if tasks.len() >= most_sockets(&self.shared.config) {
            self.shared.config.metrics.refused();
            tracing::warn!(peer = %io.peer, ?origin, "too many connections, one dropped");
            return;
        }
        let phase = self.phase.subscribe();
        tasks.spawn(connection::run(io, origin, Arc::clone(&self.shared), phase));
    }

    /// Waits for every connection, first patiently.
    async fn end(&self, mut tasks: JoinSet<()>) {
        let config = &self.shared.config;
        self.phase.send_replace(Phase::Draining);
        if drain(&mut tasks, &config.metrics, config.shutdown_grace).await {
            return;
        }
        tracing::warn!(connections = tasks.len(), "cancelling what still runs");
        self.phase.send_replace(Phase::Ending);
        self.shared.cancels.cancel_all();
        if !drain(&mut tasks, &config.metrics, END_GRACE).await {
            tracing::error!(connections = tasks.len(), "connections that would not end");
            tasks.shutdown().await;
        }
    }
}

/// Connections at a time, those without a session included.
fn most_sockets(config: &WireConfig) -> usize {
    config.max_connections.saturating_add(EXTRA_SOCKETS)
}

/// Most errors of `accept` concern one connection, or pass.
async fn survive(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected => Err(error),
        _ => {
            tracing::error!(%error, "cannot accept a connection");
            tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
            Ok(())
        }
    }
}

/// Waits for every task; false when time ran out first.
async fn drain(tasks: &mut JoinSet<()>, metrics: &WireMetrics, limit: Duration) -> bool {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            report(metrics, ended);
        }
    };
    tokio::time::timeout(limit, all).await.is_ok()
}

/// A panic ends one connection and is written down; the others go on.
fn report(metrics: &WireMetrics, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        metrics.panicked();
        tracing::error!(%error, "a connection ended by a fault of the server");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_and_the_others_go_on() {
        let metrics = Arc::new(WireMetrics::default());
        let (go, mut gone) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let counted = metrics.connected();
        tasks.spawn(async move {
            let _counted = counted;
            panic!("a fault");
        });
        let counted = metrics.connected();
        tasks.spawn(async move {
            let _counted = counted;
            gone.wait_for(|go| *go).await.unwrap();
        });
        report(&metrics, tasks.join_next().await.unwrap());
        assert_eq!(metrics.panics(), 1);
        assert_eq!(metrics.connections_active(), 1);
        go.send_replace(true);
        assert!(drain(&mut tasks, &metrics, Duration::from_secs(60)).await);
        assert_eq!((metrics.panics(), metrics.connections_active()), (1, 0));
    }

    #[tokio::test]
    async fn waiting_for_connections_ends_with_the_grace() {
        let metrics = WireMetrics::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        assert!(!drain(&mut tasks, &metrics, Duration::ZERO).await);
        assert_eq!(tasks.len(), 1);
    }
}
