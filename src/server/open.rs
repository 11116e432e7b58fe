//! Opening the store and the engine, off the threads that serve.

use std::path::Path;
use std::sync::Arc;

use kimberlite_sql::engine::ClusterLink;
use kimberlite_sql::{Engine, EngineOptions, ServerFiles};
use kimberlite_storage::{Entropy as _, FsDisk, StartReplica, Store, StoreOptions};
use serde_json::json;

use super::fatal::Alarm;
use super::{NodeError, NodeOptions};
use crate::http::NodeStatus;
use crate::os::{SystemClock, SystemEntropy};
use crate::wire::WireMetrics;

/// Opens the store of `options`, replaying what is to be replayed. The alarm is
/// raised when its log cannot go on.
pub(super) async fn open(
    options: NodeOptions,
    replica: Box<dyn StartReplica>,
    link: ClusterLink,
    status: Arc<NodeStatus>,
    alarm: Alarm,
) -> Result<(Arc<Store>, Arc<Engine>), NodeError> {
    tokio::task::spawn_blocking(move || open_blocking(options, replica, link, status, alarm))
        .await
        .map_err(|_| NodeError::Ended("opening the store"))?
}

fn open_blocking(
    options: NodeOptions,
    replica: Box<dyn StartReplica>,
    link: ClusterLink,
    status: Arc<NodeStatus>,
    alarm: Alarm,
) -> Result<(Arc<Store>, Arc<Engine>), NodeError> {
    let data_dir = options.data_dir.clone();
    let mut engine = engine_options(&data_dir);
    engine.server_files = ServerFiles::new(options.copy_directories);
    engine.cluster = link;
    let store = Store::open(StoreOptions {
        data_dir: options.data_dir,
        key_provider: options.master_key,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(FsDisk),
        segment_bytes: options.segment_bytes,
        replica,
        on_fatal: Box::new(move |error| alarm.raise(error)),
        progress: Box::new(move |progress| status.progress(progress.to_string())),
    })
    .map_err(|source| NodeError::Storage { source, data_dir })?;
    let store = Arc::new(store);
    let engine = Engine::open(Arc::clone(&store), engine)?;
    Ok((store, engine))
}

/// Memory for sorts, joins and aggregates of all queries, in bytes.
const QUERY_MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// Memory for columns of tables kept for scans, in bytes.
const COLUMN_CACHE_BYTES: usize = 256 * 1024 * 1024;

/// How the engine is set up: spill files under the data directory, encrypted
/// with a key that exists only in this process.
pub(crate) fn engine_options(data_dir: &Path) -> EngineOptions {
    let mut spill_key = [0; 32];
    SystemEntropy.fill(&mut spill_key);
    EngineOptions {
        query_memory_bytes: QUERY_MEMORY_BYTES,
        column_cache_bytes: COLUMN_CACHE_BYTES,
        spill_dir: data_dir.join("tmp").join("spill"),
        spill_key,
        query_threads: std::thread::available_parallelism().map_or(2, usize::from),
        server_files: ServerFiles::default(),
        cluster: ClusterLink::default(),
    }
}

/// The figures of `/status` that only an open store has.
pub(super) fn figures(store: Arc<Store>, wire: Arc<WireMetrics>) -> crate::http::Figures {
    Box::new(move || {
        let metrics = store.metrics();
        json!({
            "connections": wire.connections_active(),
            "commits": metrics.commits.get(),
            "applied_index": metrics.applied_index.get(),
            "log_bytes": metrics.log_bytes.get(),
        })
    })
}
