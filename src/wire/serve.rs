//! The accept loop: one task a connection, bounded, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kimberlite_sql::engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

use super::cancel::CancelRegistry;
use super::config::WireConfig;
use super::connection;
use super::io::Phase;
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

/// Serves PostgreSQL clients until `shutdown` turns true or its sender is gone.
///
/// Then: nothing is accepted any more, idle sessions are told 57P01 and closed,
/// running statements get `config.shutdown_grace` to end and are cancelled
/// after it. Returns when every connection has ended.
///
/// # Errors
///
/// When the listener itself stops working.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    config: Arc<WireConfig>,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        engine,
        cancels: Arc::default(),
        decoys: Decoys::new(),
        slots: Arc::new(Semaphore::new(
            config.max_connections.min(Semaphore::MAX_PERMITS),
        )),
        config,
    });
    let (phase, _) = watch::channel(Phase::Running);
    let mut tasks = JoinSet::new();
    let outcome = loop {
        tokio::select! {
            () = asked_to_stop(&mut shutdown) => break Ok(()),
            Some(ended) = tasks.join_next() => report(&shared.config.metrics, ended),
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => start(&mut tasks, &shared, &phase, socket, peer),
                Err(error) => if let Err(error) = survive(error).await {
                    break Err(error);
                }
            }
        }
    };
    drop(listener);
    phase.send_replace(Phase::Draining);
    if !drain(
        &mut tasks,
        &shared.config.metrics,
        shared.config.shutdown_grace,
    )
    .await
    {
        tracing::warn!(connections = tasks.len(), "cancelling what still runs");
        phase.send_replace(Phase::Ending);
        shared.cancels.cancel_all();
        if !drain(&mut tasks, &shared.config.metrics, END_GRACE).await {
            tracing::error!(connections = tasks.len(), "connections that would not end");
            tasks.shutdown().await;
        }
    }
    outcome
}

fn start(
    tasks: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    phase: &watch::Sender<Phase>,
    socket: TcpStream,
    peer: SocketAddr,
) {
    if tasks.len() >= shared.config.max_connections.saturating_add(EXTRA_SOCKETS) {
        shared.config.metrics.refused();
        tracing::warn!(%peer, "too many connections, one dropped");
        return;
    }
    tasks.spawn(connection::run(
        socket,
        peer,
        Arc::clone(shared),
        phase.subscribe(),
    ));
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
