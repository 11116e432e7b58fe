//! Servers in this process: one that leads, and one that passes its clients on to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kimberlite::os::{SystemClock, SystemEntropy};
use kimberlite::verifier::scram_verifier;
use kimberlite::wire::{
    Asserted, Duplex, Forwarder, Sessions, TlsSettings, WireConfig, WireMetrics, WireServer,
    wanted_by_default,
};
use kimberlite_consensus::node::Alone;
use kimberlite_sql::engine::ClusterLink;
use kimberlite_sql::session::STACK_BYTES;
use kimberlite_sql::{Engine, EngineOptions, ServerFiles};

use kimberlite_storage::superblock::Superblock;
use kimberlite_storage::{
    ChainHead, CommitLog, FileKeyProvider, Founding, FsDisk, OnCommit, Replica, ReplicaParts,
    Result, SealedTransaction, StartReplica, Store, StoreOptions,
};
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::support::certificates::{Certificates, certificates};
use crate::support::{Client, PATIENCE};

/// The role of the tests, its password and its database.
pub const USER: &str = "alice";
pub const PASSWORD: &str = "secret";
pub const DATABASE: &str = "clinic";

/// Threads as the server has them.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(4)
        .thread_stack_size(STACK_BYTES)
        .build()
        .unwrap()
}

/// A replica that is alone, and says that it leads as long as it is told to.
struct Switched {
    log: Arc<dyn Replica>,
    leads: Arc<AtomicBool>,
}

struct StartSwitched(Arc<AtomicBool>);

impl StartReplica for StartSwitched {
    fn founding(&self) -> Option<Founding> {
        Alone.founding()
    }

    fn committed(&self, superblock: &Superblock, head: &ChainHead, projected: u64) -> Result<u64> {
        Alone.committed(superblock, head, projected)
    }

    fn start(self: Box<Self>, parts: ReplicaParts) -> Result<Arc<dyn Replica>> {
        let log = Box::new(Alone).start(parts)?;
        Ok(Arc::new(Switched { log, leads: self.0 }))
    }
}

impl Replica for Switched {
    fn is_alone(&self) -> bool {
        self.log.is_alone()
    }

    fn failed(&self) -> Option<String> {
        self.log.failed()
    }

    fn close(&self) -> Result<()> {
        self.log.close()
    }
}

impl CommitLog for Switched {
    fn submit(&self, txn: SealedTransaction, done: OnCommit) {
        self.log.submit(txn, done);
    }

    fn epoch(&self) -> Option<u64> {
        self.log
            .epoch()
            .filter(|_| self.leads.load(Ordering::Relaxed))
    }
}

fn open(folder: &Path, leads: &Arc<AtomicBool>) -> Arc<Engine> {
    std::fs::create_dir(folder).unwrap();
    let key = FileKeyProvider::generate(folder.join("master.key"), &SystemEntropy).unwrap();
    let data_dir = folder.join("data");
    let store = Store::open(StoreOptions {
        data_dir: data_dir.clone(),
        key_provider: Arc::new(key),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(FsDisk),
        segment_bytes: 64 << 20,
        replica: Box::new(StartSwitched(Arc::clone(leads))),
        on_fatal: Box::new(|error| panic!("{error}")),
        progress: Box::new(|_| ()),
    })
    .unwrap();
    let options = EngineOptions {
        query_memory_bytes: 64 << 20,
        column_cache_bytes: 16 << 20,
        spill_dir: data_dir.join("tmp/spill"),
        spill_key: [7; 32],
        query_threads: 2,
        server_files: ServerFiles::default(),
        cluster: ClusterLink::default(),
    };
    Engine::open(Arc::new(store), options).unwrap()
}

/// A server, on a port of its own.
pub struct Node {
    pub address: SocketAddr,
    pub sessions: Sessions,
    pub metrics: Arc<WireMetrics>,
    pub engine: Arc<Engine>,
    /// Whether it says that it leads.
    pub leads: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Node {
    /// Serves a new database in `folder`, which is made.
    pub fn start(runtime: &Runtime, folder: &Path, config: WireConfig) -> Self {
        let leads = Arc::new(AtomicBool::new(true));
        let engine = open(folder, &leads);
        engine
            .bootstrap_role(DATABASE, USER, &scram_verifier(PASSWORD))
            .unwrap();
        let metrics = Arc::clone(&config.metrics);
        let (server, sessions) = WireServer::new(Arc::clone(&engine), Arc::new(config));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        Node {
            address,
            sessions,
            metrics,
            engine,
            leads,
            stop,
            serving: runtime.spawn(server.serve(listener, stopped)),
        }
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub fn stopped(self, runtime: &Runtime) {
        let stopped = async { tokio::time::timeout(PATIENCE, self.serving).await };
        let stopped = runtime.block_on(stopped).expect("it does not stop");
        stopped.unwrap().unwrap();
    }

    /// Waits until so many clients are connected.
    pub fn wait_for_connections(&self, wanted: u64) {
        let start = Instant::now();
        while self.metrics.connections_active() != wanted {
            assert!(start.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }
}

/// The way from one node to another: a connection for each session, which can be cut.
#[derive(Default)]
pub struct Way {
    leader: Mutex<Option<Sessions>>,
    cuts: Mutex<Vec<AbortHandle>>,
    pub opened: AtomicU64,
    pub cancels: AtomicU64,
}

impl Way {
    /// Leads to a node from now on, or nowhere.
    pub fn lead_to(&self, sessions: Option<Sessions>) {
        *self.leader.lock() = sessions;
    }

    /// Cuts every stream.
    pub fn cut(&self) {
        self.cuts.lock().drain(..).for_each(|stream| stream.abort());
    }
}

async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[async_trait]
impl Forwarder for Way {
    fn wanted(&self, session: &Asserted) -> bool {
        wanted_by_default(session, false, true, false)
    }

    async fn open(&self) -> std::result::Result<Box<dyn Duplex>, String> {
        let leader = self.leader.lock().clone();
        let leader = leader.ok_or("nobody leads")?;
        let ((near, mut inlet), (mut outlet, far)) = tokio::join!(connection(), connection());
        let copy = tokio::spawn(async move { copy_bidirectional(&mut inlet, &mut outlet).await });
        self.cuts.lock().push(copy.abort_handle());
        self.opened.fetch_add(1, Ordering::Relaxed);
        leader.serve_forwarded(Box::new(far), "the other replica");
        Ok(Box::new(near))
    }

    async fn cancel(&self, process_id: i32, secret: &[u8]) {
        self.cancels.fetch_add(1, Ordering::Relaxed);
        let leader = self.leader.lock().clone();
        if let Some(leader) = leader {
            leader.cancel(process_id, secret);
        }
    }
}

/// A node that leads, and one that passes its clients on.
pub struct Pair {
    pub leader: Node,
    pub follower: Node,
    pub way: Arc<Way>,
    pub certificates: Certificates,
}

impl Pair {
    pub fn start(runtime: &Runtime, dir: &Path) -> Self {
        Self::configured(runtime, dir, WireConfig::default())
    }

    /// With this configuration of the node that leads.
    pub fn configured(runtime: &Runtime, dir: &Path, leader: WireConfig) -> Self {
        let follower = WireConfig {
            // Who does not end by itself makes a test fail.
            shutdown_grace: 2 * PATIENCE,
            ..WireConfig::default()
        };
        Self::both(runtime, dir, leader, follower)
    }

    /// With a node that passes clients on and does not wait when it stops.
    pub fn start_impatient(runtime: &Runtime, dir: &Path) -> Self {
        let follower = WireConfig {
            shutdown_grace: Duration::ZERO,
            ..WireConfig::default()
        };
        Self::both(runtime, dir, WireConfig::default(), follower)
    }

    /// TLS is required nowhere.
    fn both(runtime: &Runtime, dir: &Path, leader: WireConfig, follower: WireConfig) -> Self {
        let certificates = certificates(dir);
        let read = |file| std::fs::read(file).unwrap();
        let tls = TlsSettings::from_pem(
            &read(&certificates.server),
            &read(&certificates.server_key),
            false,
        );
        let leader = WireConfig {
            tls_required: false,
            ..leader
        };
        let leader = Node::start(runtime, &dir.join("leader"), leader);
        let way = Arc::new(Way::default());
        way.lead_to(Some(leader.sessions.clone()));
        let config = WireConfig {
            tls: Some(tls.unwrap()),
            tls_required: false,
            forward: Some(Arc::<Way>::clone(&way)),
            ..follower
        };
        let follower = Node::start(runtime, &dir.join("follower"), config);
        follower.leads.store(false, Ordering::Relaxed);
        Pair {
            leader,
            follower,
            way,
            certificates,
        }
    }

    /// The URL of a node, with or without TLS.
    pub fn url(&self, node: &Node, tls: bool) -> String {
        let port = node.address.port();
        let url = format!("postgres://{USER}:{PASSWORD}@localhost:{port}/{DATABASE}");
        match tls {
            true => format!(
                "{url}?sslmode=verify-full&sslrootcert={}",
                self.certificates.ca.display()
            ),
            false => url,
        }
    }

    /// A client of the node that passes it on.
    pub async fn client(&self, tls: bool) -> Client {
        let url = self.url(&self.follower, tls);
        crate::support::connect(&url).await.unwrap()
    }
}
