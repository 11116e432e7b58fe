//! A server as a replica of a cluster: its replication port, how it comes to belong to the
//! cluster, what operators want of it.
//!
//! The protocol itself is `kimberlite_consensus`; here it meets the configuration, the
//! store, sessions and people.
//!
//! | File | What it does |
//! |---|---|
//! | `join.rs`, `incarnation.rs` | an empty data directory comes to belong to a cluster |
//! | `formation.rs` | the replicas of the configuration come to vote |
//! | `gossip.rs` | what replicas know of each other's well-being |
//! | `ready.rs` | whether this replica is current |
//! | `link.rs`, `forward.rs`, `watched.rs` | what sessions ask of the cluster, and how they get to its leader |
//! | `admin/` | what operators want |
//! | `rest.rs` | a replica that keeps out |
//! | `inbox.rs`, `handler.rs`, `messages.rs` | what others send |

pub mod admin;
mod figures;
mod formation;
mod forward;
mod gossip;
mod handler;
mod hex;
mod inbox;
mod incarnation;
mod join;
mod link;
mod messages;
mod ready;
mod rest;
mod shared;
mod watched;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kimberlite_consensus::core::BLOCK_EVENTS_MAX;
use kimberlite_consensus::members::{Members, member_of};
use kimberlite_consensus::node::{Member, NoPeers, Pace};
use kimberlite_consensus::transport::{TlsFiles, Transport, TransportError, TransportOptions};
use kimberlite_sql::engine::ClusterLink;
use kimberlite_storage::{
    Entropy as _, Founding, Identity, Lineage, StartReplica, Store, superblock,
};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

pub(crate) use self::figures::ClusterFigures;
use self::forward::ToLeader;
use self::handler::Answers;
use self::inbox::ToNode;
use self::link::{Bound, Link};
use self::shared::Shared;
use self::watched::Hangs;
use crate::config;
use crate::http::NodeStatus;
use crate::os::SystemEntropy;
use crate::wire::{Forwarder, Sessions};

/// Threads that speak with other replicas: their own, so that no statement keeps a
/// heartbeat waiting.
const THREADS: usize = 2;

/// Why the cluster side does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The replication port cannot be used.
    #[error("the replication address {address} cannot be used: {source}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Certificates, key or authorities cannot be used.
    #[error("the certificates of the replication port: {0}")]
    Transport(#[from] TransportError),
    /// A file of the cluster side cannot be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was to be done.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// More than one replica without certificates; the configuration excludes it.
    #[error("a cluster needs certificates for its replication port")]
    NoCertificates,
}

/// The cluster side of a running server.
pub(crate) struct ClusterSide {
    shared: Arc<Shared>,
    bound: Arc<Bound>,
    runtime: Option<Runtime>,
}

impl ClusterSide {
    /// Opens the replication port. Nobody is listened to before [`Self::opened`].
    ///
    /// # Errors
    /// [`ClusterError`].
    pub(crate) fn start(
        config: config::Cluster,
        data_dir: &Path,
        client_address: SocketAddr,
        status: Arc<NodeStatus>,
    ) -> Result<Self, ClusterError> {
        let file = |what: String| move |source| ClusterError::File { what, source };
        let incarnation = incarnation::of(data_dir)
            .map_err(file(format!("the number of {}", data_dir.display())))?;
        let rests = rest::isolated(data_dir)
            .map_err(file(format!("whether {} is isolated", data_dir.display())))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("kimberlite-peers")
            .enable_all()
            .build()
            .map_err(file("starting threads".to_owned()))?;
        let shared = Arc::new(Shared {
            me: member_of(config.replica_id),
            client_address: advertised(&config, client_address),
            incarnation,
            node: Arc::new(OnceLock::new()),
            transport: OnceLock::new(),
            store: OnceLock::new(),
            status,
            sessions: Mutex::default(),
            hangs: Hangs::default(),
            seen: Mutex::new(BTreeMap::new()),
            expected: Mutex::new(BTreeMap::new()),
            rests: Mutex::new(rests),
            config,
        });
        let side = Self {
            shared,
            bound: Arc::default(),
            runtime: Some(runtime),
        };
        side.open_port()?;
        Ok(side)
    }

    fn open_port(&self) -> Result<(), ClusterError> {
        let (shared, Some(runtime)) = (&self.shared, &self.runtime) else {
            return Ok(());
        };
        let Some(tls) = shared.config.tls.clone() else {
            return match shared.config.replicas().count() {
                1 => Ok(()),
                _ => Err(ClusterError::NoCertificates),
            };
        };
        let address = shared.config.bind_address;
        let port = |source| ClusterError::Port { address, source };
        let listener = TcpListener::bind(address).map_err(port)?;
        listener.set_nonblocking(true).map_err(port)?;
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(port)?;
        let files = TlsFiles {
            certificate: tls.cert_path,
            key: tls.key_path,
            authority: tls.ca_path,
        };
        let mut options = TransportOptions::new(shared.me, files);
        options.stall_after = options.stall_after.max(shared.config.election_timeout * 3);
        let inbox = Arc::new(ToNode(Arc::clone(&shared.node)));
        let handler = Arc::new(Answers(Arc::clone(shared)));
        let transport = Transport::start(options, listener, inbox, handler)?;
        transport.set_peers(shared.configured().into_values().collect());
        // Nobody else sets it.
        let _ = shared.transport.set(transport);
        Ok(())
    }

    /// The identity for a data directory that is empty: waits until the cluster gives it.
    /// `None` where there is one already.
    ///
    /// # Errors
    /// [`ClusterError::File`] when the data directory cannot be read.
    pub(crate) async fn founding(&self, data_dir: &Path) -> Result<Option<Founding>, ClusterError> {
        let superblock = data_dir.join(superblock::FILE_NAME);
        let exists = superblock
            .try_exists()
            .map_err(|source| ClusterError::File {
                what: format!("looking for {}", superblock.display()),
                source,
            })?;
        match exists {
            true => Ok(None),
            false => Ok(Some(join::join(&self.shared).await)),
        }
    }

    /// What a store is opened with.
    pub(crate) fn replica(&self, founding: Option<Founding>) -> Box<dyn StartReplica> {
        let outbox = self.shared.transport().map(Arc::clone);
        Box::new(Member {
            outbox: outbox.map_or_else(|| Arc::new(NoPeers) as _, |transport| transport as _),
            pace: pace(&self.shared.config),
            batch_max: self.shared.config.max_batch_size,
            rests: self.shared.rests.lock().is_some(),
            founding,
            node: Arc::clone(&self.shared.node),
        })
    }

    /// What sessions are given.
    pub(crate) fn link(&self) -> ClusterLink {
        ClusterLink(Some(Arc::new(Link {
            shared: Arc::clone(&self.shared),
            bound: Arc::clone(&self.bound),
        })))
    }

    /// The way of clients' sessions to the replica that leads.
    pub(crate) fn forwarder(&self) -> Arc<dyn Forwarder> {
        Arc::new(ToLeader(Arc::clone(&self.shared)))
    }

    /// Clients are served from now on, those of other replicas too.
    pub(crate) fn serving(&self, sessions: Sessions) {
        *self.shared.sessions.lock() = Some(sessions);
    }

    /// What Prometheus is told.
    pub(crate) fn figures(&self) -> Box<dyn Fn() -> ClusterFigures + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Box::new(move || shared.figures())
    }

    /// The store is open: from now on this replica takes part.
    ///
    /// # Errors
    /// [`ClusterError::File`] when operators cannot be listened to.
    pub(crate) fn opened(&self, store: &Arc<Store>) -> Result<(), ClusterError> {
        let (shared, Some(runtime)) = (&self.shared, &self.runtime) else {
            return Ok(());
        };
        // Nobody else sets it.
        let _ = shared.store.set(Arc::clone(store));
        let identity = store.identity();
        if let Some(transport) = shared.transport() {
            transport.set_identity(identity.cluster_id, identity.lineage);
        }
        let _inside = runtime.enter();
        let listener = admin::listen(store.data_dir()).map_err(|source| ClusterError::File {
            what: format!("listening for orders in {}", store.data_dir().display()),
            source,
        })?;
        runtime.spawn(admin::serve(Arc::clone(shared), listener));
        runtime.spawn(gossip::run(Arc::clone(shared)));
        runtime.spawn(formation::run(Arc::clone(shared)));
        runtime.spawn(ready::run(Arc::clone(shared)));
        runtime.spawn(link::keep_confirmed(
            Arc::clone(shared),
            Arc::clone(&self.bound),
        ));
        Ok(())
    }

    /// Waits until the cluster is formed; clients are not served before.
    pub(crate) async fn formed(&self) {
        ready::formed(&self.shared).await;
    }

    /// Passes leadership on before this replica stops, if it has it: what others wait for
    /// is a moment then, and not an election.
    pub(crate) async fn step_down(&self) {
        let Some(report) = self.shared.report().await else {
            return;
        };
        let leads = report.leadership.leader == self.shared.me;
        if leads && !report.members.is_only(self.shared.me) {
            let order = admin::Order::TransferLeader { replica_id: None };
            if let Err(reason) = admin::here(&self.shared, order, "shutdown").await {
                tracing::warn!(reason, "leadership was not passed on before stopping");
            }
        }
    }
}

impl Drop for ClusterSide {
    fn drop(&mut self) {
        // They hold what holds this.
        self.shared.sessions.lock().take();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where clients are told to connect: an address that means every interface is no address
/// for others.
fn advertised(config: &config::Cluster, client: SocketAddr) -> String {
    let own = config.replicas().find(|r| r.id == config.replica_id);
    match own {
        Some(own) if client.ip().is_unspecified() => {
            let host = own.host();
            match host.contains(':') {
                true => format!("[{host}]:{}", client.port()),
                false => format!("{host}:{}", client.port()),
            }
        }
        _ => client.to_string(),
    }
}

/// From the configured times to ticks.
fn pace(config: &config::Cluster) -> Pace {
    let tick = (config.heartbeat / 2).clamp(Duration::from_millis(5), Duration::from_millis(50));
    let ticks = |time: Duration| {
        let ticks = time.as_micros().div_ceil(tick.as_micros());
        usize::try_from(ticks).unwrap_or(usize::MAX).max(1)
    };
    Pace {
        tick,
        heartbeat_ticks: ticks(config.heartbeat),
        election_ticks: ticks(config.election_timeout),
    }
}

/// What the first replica of a cluster is made with: it alone votes, until others join.
pub(crate) fn first(config: &config::Cluster, segment_bytes: u64) -> Box<dyn StartReplica> {
    let me = member_of(config.replica_id);
    let draw = || {
        let mut bytes = [0; 16];
        SystemEntropy.fill(&mut bytes);
        bytes
    };
    Box::new(Member {
        outbox: Arc::new(NoPeers),
        pace: Pace::default(),
        batch_max: BLOCK_EVENTS_MAX,
        rests: false,
        founding: Some(Founding {
            identity: Identity {
                cluster_id: draw(),
                lineage: Lineage(draw()),
                replica_id: me,
                segment_bytes,
            },
            configuration: Members::first([me]).encode(),
        }),
        node: Arc::new(OnceLock::new()),
    })
}
