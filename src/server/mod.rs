//! A node from its first to its last moment: takes its addresses, opens the
//! store, serves, and closes in the reverse order.

mod error;
mod fatal;
mod files;
mod open;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kimberlite_consensus::node::Alone;
use kimberlite_sql::Engine;
use kimberlite_sql::engine::ClusterLink;
use kimberlite_sql::session::STACK_BYTES;
use kimberlite_storage::{KeyProvider, StartReplica, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use error::NodeError;
use fatal::{Alarm, Clients};
pub(crate) use open::engine_options;

use crate::cluster::ClusterSide;
use crate::config;
use crate::http::{self, NodeStatus, Phase};
use crate::listen::{AddressError, BoundAddress};
use crate::metrics::Metrics;
use crate::scrub::{ScrubOptions, Scrubber};
use crate::signals::StopSignals;
use crate::wire::{TlsSettings, WireConfig, WireMetrics, WireServer};

/// How long running statements may finish after a request to stop, before
/// they are cancelled.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// An address that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    address: SocketAddr,
    or_any_port: bool,
}

impl Wanted {
    /// This address or none.
    pub fn exactly(address: SocketAddr) -> Self {
        Self {
            address,
            or_any_port: false,
        }
    }

    /// This address, or a free loopback port when another program has it.
    pub fn preferably(address: SocketAddr) -> Self {
        Self {
            address,
            or_any_port: true,
        }
    }

    fn take(self, purpose: &'static str) -> Result<BoundAddress, AddressError> {
        let taken = BoundAddress::take(purpose, self.address);
        if taken.is_err() && self.or_any_port {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            return BoundAddress::take(purpose, any);
        }
        taken
    }
}

/// What a node is started with.
pub struct NodeOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Opens and wraps the keys of the log.
    pub master_key: Arc<dyn KeyProvider>,
    /// Where clients connect.
    pub client: Wanted,
    /// Where `/health`, `/ready` and `/status` answer.
    pub health: Wanted,
    /// Where `/metrics` answers.
    pub metrics: Wanted,
    /// Certificate and key of the client port; `None` serves plaintext.
    pub tls: Option<TlsSettings>,
    /// Most client connections at one time.
    pub max_connections: usize,
    /// Size of a log segment in bytes.
    pub segment_bytes: u64,
    /// How often the log is verified while the node runs; zero = never.
    pub scrub_interval: Duration,
    /// Directories whose files `COPY … FROM 'file'` may read.
    pub copy_directories: Vec<PathBuf>,
    /// The cluster it belongs to; `None` for a node that is alone.
    pub cluster: Option<config::Cluster>,
}

/// The addresses of a running node, with the ports that were chosen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Where clients connect.
    pub client: SocketAddr,
    /// Where `/health`, `/ready` and `/status` answer.
    pub health: SocketAddr,
    /// Where `/metrics` answers.
    pub metrics: SocketAddr,
}

/// What a command does around a node's life.
pub trait Host {
    /// The engine is open, nobody is served yet.
    ///
    /// # Errors
    /// An error ends the node before it served anyone.
    fn opened(&self, engine: &Arc<Engine>) -> impl Future<Output = Result<(), NodeError>>;

    /// Clients are accepted from now on.
    ///
    /// # Errors
    /// An error stops the node.
    fn accepting(&self, addresses: &Addresses) -> Result<(), NodeError>;

    /// No client is accepted any more.
    fn closing(&self);
}

/// Runs a node until SIGTERM or SIGINT, and closes it.
///
/// # Errors
/// Why it did not start, or stopped by itself.
pub fn run(options: NodeOptions, host: impl Host) -> Result<(), NodeError> {
    files::raise_open_files_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .thread_name("kimberlite-main")
        .build()
        .map_err(|source| NodeError::System {
            what: "starting threads",
            source,
        })?;
    let outcome = runtime.block_on(Node::live(options, &host));
    // Tasks that did not end by themselves have nothing left to say.
    runtime.shutdown_background();
    outcome
}

/// What the parts of a running node share.
struct Node<'h, H> {
    host: &'h H,
    addresses: Addresses,
    status: Arc<NodeStatus>,
    metrics: Arc<Metrics>,
    wire_metrics: Arc<WireMetrics>,
}

impl<H: Host> Node<'_, H> {
    /// Takes the addresses, answers health checks, and serves.
    async fn live(options: NodeOptions, host: &H) -> Result<(), NodeError> {
        let signals = StopSignals::install().map_err(|source| NodeError::System {
            what: "taking over SIGTERM and SIGINT",
            source,
        })?;
        let client = options.client.take("client")?;
        let health = options.health.take("health")?;
        let metrics_port = options.metrics.take("metrics")?;
        let addresses = Addresses {
            client: client.address,
            health: health.address,
            metrics: metrics_port.address,
        };
        let status = Arc::new(NodeStatus::default());
        let wire_metrics = Arc::new(WireMetrics::default());
        let metrics = Arc::new(Metrics::new(
            options.data_dir.clone(),
            Arc::clone(&wire_metrics),
        ));
        let http = HttpServers::start(health, metrics_port, &status, &metrics)?;
        let node = Node {
            host,
            addresses,
            status,
            metrics,
            wire_metrics,
        };
        let (alarm, clients) = fatal::alarm();
        let served = node
            .open_and_serve(options, client, signals, alarm, &clients)
            .await;
        clients.answered().await;
        http.stop().await;
        served
    }

    /// From opening the store to closing it.
    async fn open_and_serve(
        &self,
        options: NodeOptions,
        client: BoundAddress,
        mut signals: StopSignals,
        alarm: Alarm,
        clients: &Clients,
    ) -> Result<(), NodeError> {
        let data_dir = options.data_dir.clone();
        let config = WireConfig {
            tls_required: options.tls.is_some(),
            tls: options.tls.clone(),
            max_connections: options.max_connections,
            shutdown_grace: SHUTDOWN_GRACE,
            metrics: Arc::clone(&self.wire_metrics),
            ..WireConfig::default()
        };
        let interval = options.scrub_interval;
        let cluster = self.cluster_side(&options)?;
        let opening = self.open_store(options, cluster.as_ref(), alarm);
        let (store, engine) = tokio::select! {
            opened = opening => opened?,
            name = signals.next() => {
                tracing::info!(signal = name, "stopped while opening");
                return Ok(());
            }
        };
        if let Some(cluster) = &cluster {
            cluster.opened(&store)?;
            self.metrics.publish_cluster(cluster.figures());
        }
        self.metrics.publish_store(Arc::clone(&store));
        let figures = open::figures(Arc::clone(&store), Arc::clone(&self.wire_metrics));
        self.status.publish_figures(figures);

        let scrubber = Scrubber::start(ScrubOptions {
            data_dir: data_dir.clone(),
            interval,
            store: Arc::clone(&store),
            metrics: self.metrics.scrub(),
        })
        .map_err(|source| NodeError::System {
            what: "starting the scrubber",
            source,
        })?;
        let failure = clients.failure();
        let served = self
            .serve_clients(client, &engine, config, signals, failure, cluster.as_ref())
            .await;
        drop(engine);
        // What it holds of the store has to go before the store is closed.
        let _ = tokio::task::spawn_blocking(move || drop(cluster)).await;
        // It may be in the middle of a step.
        let _ = tokio::task::spawn_blocking(move || scrubber.stop()).await;
        let closed = close(store, data_dir).await;
        served.and(closed)
    }

    /// Opens the replication port, where there is one.
    fn cluster_side(&self, options: &NodeOptions) -> Result<Option<ClusterSide>, NodeError> {
        let Some(config) = options.cluster.clone() else {
            return Ok(None);
        };
        let client = self.addresses.client;
        let status = Arc::clone(&self.status);
        let side = ClusterSide::start(config, &options.data_dir, client, status)?;
        Ok(Some(side))
    }

    async fn open_store(
        &self,
        options: NodeOptions,
        cluster: Option<&ClusterSide>,
        alarm: Alarm,
    ) -> Result<(Arc<Store>, Arc<Engine>), NodeError> {
        let (replica, link): (Box<dyn StartReplica>, _) = match cluster {
            Some(cluster) => {
                let founding = cluster.founding(&options.data_dir).await?;
                (cluster.replica(founding), cluster.link())
            }
            None => (Box::new(Alone), ClusterLink::default()),
        };
        open::open(options, replica, link, Arc::clone(&self.status), alarm).await
    }

    /// From the first client to the last. After a `failure` of the log they are
    /// told what became of their transactions, as far as that is known.
    async fn serve_clients(
        &self,
        client: BoundAddress,
        engine: &Arc<Engine>,
        config: WireConfig,
        mut signals: StopSignals,
        failure: impl Future<Output = ()>,
        cluster: Option<&ClusterSide>,
    ) -> Result<(), NodeError> {
        if let Some(cluster) = cluster {
            tokio::select! {
                () = cluster.formed() => {}
                name = signals.next() => {
                    tracing::info!(signal = name, "stopped before the cluster was formed");
                    return Ok(());
                }
            }
        }
        self.host.opened(engine).await?;
        let listener = client.listen()?;
        let (stop, stopped) = watch::channel(false);
        let mut config = config;
        config.forward = cluster.map(ClusterSide::forwarder);
        let (server, sessions) = WireServer::new(Arc::clone(engine), Arc::new(config));
        if let Some(cluster) = cluster {
            cluster.serving(sessions);
        }
        let mut serving = tokio::spawn(server.serve(listener, stopped));
        self.status.enter(Phase::Ready);
        self.host.accepting(&self.addresses)?;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "stopping"),
            () = failure => {}
            _ = &mut serving => return Err(NodeError::Ended("the client listener")),
        }
        signals.exit_at_next();
        self.status.enter(Phase::Closing);
        if let Some(cluster) = cluster {
            cluster.step_down().await;
        }
        self.host.closing();
        stop.send_replace(true);
        serving
            .await
            .map_err(|_| NodeError::Ended("the client listener"))?
            .map_err(|source| NodeError::System {
                what: "accepting clients",
                source,
            })
    }
}

/// Closes the store: flushes what is pending and releases the directory.
async fn close(store: Arc<Store>, data_dir: PathBuf) -> Result<(), NodeError> {
    tokio::task::spawn_blocking(move || store.close())
        .await
        .map_err(|_| NodeError::Ended("closing the store"))?
        .map_err(|source| NodeError::Storage { source, data_dir })
}

/// The two HTTP servers.
struct HttpServers {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
}

impl HttpServers {
    fn start(
        health: BoundAddress,
        metrics_port: BoundAddress,
        status: &Arc<NodeStatus>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, AddressError> {
        let stop = CancellationToken::new();
        let health = http::serve_health(health.listen()?, Arc::clone(status), stop.clone());
        let metrics =
            http::serve_metrics(metrics_port.listen()?, Arc::clone(metrics), stop.clone());
        Ok(Self {
            stop,
            tasks: vec![tokio::spawn(health), tokio::spawn(metrics)],
        })
    }

    /// Lets answers that are under way finish, for a moment.
    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
    }
}
