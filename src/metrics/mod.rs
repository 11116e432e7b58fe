//! `/metrics`: what Prometheus scrapes.
//!
//! The names are those of the deployment guide. Only what exists is exported:
//! a metric of something this version does not do would be a promise that an
//! alert rule believes.
//!
//! | Metric | Unit |
//! |---|---|
//! | `kimberlite_storage_log_size_bytes` | bytes of the log, the unused rest of its newest segment not counted |
//! | `kimberlite_storage_disk_usage_percent` | percent of the file system of the data directory |
//! | `kimberlite_storage_fsync_latency_seconds` | histogram of write and barrier of one block |
//! | `kimberlite_storage_apply_latency_seconds` | histogram of applying one block |
//! | `kimberlite_storage_durable_index`, `…_applied_index` | block index |
//! | `kimberlite_storage_commit_queue_bytes` | bytes that wait for the log writer |
//! | `kimberlite_storage_replayed_blocks_total` | blocks applied again at opening |
//! | `kimberlite_consensus_commits_total` | transactions since the start |
//! | `kimberlite_consensus_commit_latency_seconds` | histogram, submission to completion |
//! | `kimberlite_consensus_refusals_total` | transactions refused since the start |
//! | `kimberlite_cluster_replicas_total{status}`, `kimberlite_cluster_leader_id` | of a cluster: replicas that vote, who leads |
//! | `kimberlite_consensus_view_changes_total`, `…_term` | changes of the leader, newest term |
//! | `kimberlite_assertion_failures_total` | messages of replicas that contradict the log; expect 0 |
//! | `kimberlite_replication_lag_ops{replica_id}`, `…_lag_ms` | blocks, milliseconds behind |
//! | `kimberlite_standby_lag_ms{replica_id}`, `…_promotion_eligible` | of a standby |
//! | `kimberlite_encryption_operations_total{operation}` | events sealed and opened |
//! | `kimberlite_hash_chain_verifications_total{result}` | blocks verified |
//! | `kimberlite_storage_scrub_blocks_total`, `…_scrub_passes_total` | blocks verified again, passes over the log |
//! | `kimberlite_storage_scrub_damages` | damaged places that the scrubber knows of; expect 0 |
//! | `kimberlite_connections_…` | client connections |
//! | `kimberlite_node_ready` | 1 when the store is open |
//! | `process_resident_memory_bytes`, `process_open_fds` | of this process |

mod cluster;
mod family;
mod process;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kimberlite_storage::Store;
use kimberlite_storage::metrics::{BUCKET_BOUNDS_US, Histogram};
use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use crate::cluster::ClusterFigures;
use crate::scrub::ScrubMetrics;
use crate::wire::WireMetrics;
use family::{counter, gauge, histogram, labelled_counter};

/// Everything there is to scrape. The store is added when it is open.
pub struct Metrics {
    data_dir: PathBuf,
    wire: Arc<WireMetrics>,
    store: OnceLock<Arc<Store>>,
    scrub: Arc<ScrubMetrics>,
    cluster: OnceLock<OfCluster>,
}

/// Gives the figures of the cluster.
type OfCluster = Box<dyn Fn() -> ClusterFigures + Send + Sync>;

impl Metrics {
    /// Of a node that is starting.
    pub fn new(data_dir: PathBuf, wire: Arc<WireMetrics>) -> Self {
        Self {
            data_dir,
            wire,
            store: OnceLock::new(),
            scrub: Arc::default(),
            cluster: OnceLock::new(),
        }
    }

    /// Where the scrubber notes what it finds.
    pub fn scrub(&self) -> Arc<ScrubMetrics> {
        Arc::clone(&self.scrub)
    }

    /// Adds the store's figures; the first call counts.
    pub fn publish_store(&self, store: Arc<Store>) {
        let _ = self.store.set(store);
    }

    /// Adds the cluster's figures; the first call counts.
    pub(crate) fn publish_cluster(&self, figures: OfCluster) {
        let _ = self.cluster.set(figures);
    }

    /// The text of a scrape.
    ///
    /// # Errors
    /// When the encoder refuses a family; the names and values here are valid.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut families = self.of_process();
        families.extend(self.of_wire());
        families.push(gauge(
            "kimberlite_node_ready",
            "1 when the store is open, 0 while it is opened.",
            if self.store.get().is_some() { 1.0 } else { 0.0 },
        ));
        if let Some(store) = self.store.get() {
            families.extend(of_store(store));
            families.extend(self.of_scrubber());
        }
        if let Some(figures) = self.cluster.get() {
            families.extend(cluster::families(&figures()));
        }
        families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&families)
    }

    fn of_scrubber(&self) -> Vec<MetricFamily> {
        vec![
            counter(
                "kimberlite_storage_scrub_blocks_total",
                "Blocks of the log read again and verified.",
                self.scrub.blocks(),
            ),
            counter(
                "kimberlite_storage_scrub_passes_total",
                "Complete verifications of the log by the running node.",
                self.scrub.passes(),
            ),
            gauge(
                "kimberlite_storage_scrub_damages",
                "Damaged places in the log that the scrubber knows of; expect 0.",
                self.scrub.damages() as f64,
            ),
        ]
    }

    fn of_process(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        if let Some(percent) = process::disk_usage_percent(&self.data_dir) {
            families.push(gauge(
                "kimberlite_storage_disk_usage_percent",
                "Used share of the file system that holds the data directory.",
                percent,
            ));
        }
        if let Some(bytes) = process::resident_bytes() {
            families.push(gauge(
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                bytes as f64,
            ));
        }
        if let Some(files) = process::open_files() {
            families.push(gauge(
                "process_open_fds",
                "Number of open file descriptors.",
                files as f64,
            ));
        }
        families
    }

    fn of_wire(&self) -> Vec<MetricFamily> {
        let wire = &self.wire;
        vec![
            gauge(
                "kimberlite_connections_active",
                "Open client connections.",
                wire.connections_active() as f64,
            ),
            counter(
                "kimberlite_connections_total",
                "Client connections accepted.",
                wire.connections_total(),
            ),
            counter(
                "kimberlite_connections_refused_total",
                "Client connections refused at a limit.",
                wire.connections_refused(),
            ),
            counter(
                "kimberlite_authentication_failures_total",
                "Logins refused.",
                wire.auth_failures(),
            ),
            counter(
                "kimberlite_cancel_requests_total",
                "Cancel requests received.",
                wire.cancel_requests(),
            ),
            counter(
                "kimberlite_connection_panics_total",
                "Connections ended by a fault of the server; expect 0.",
                wire.panics(),
            ),
        ]
    }
}

fn of_store(store: &Store) -> Vec<MetricFamily> {
    let metrics = store.metrics();
    let (sealed, opened) = store.seal_counts();
    vec![
        gauge(
            "kimberlite_storage_log_size_bytes",
            "Size of the log, the unused rest of its newest segment not counted.",
            metrics.log_bytes.get() as f64,
        ),
        gauge(
            "kimberlite_storage_durable_index",
            "Index of the newest durable block.",
            metrics.durable_index.get() as f64,
        ),
        gauge(
            "kimberlite_storage_applied_index",
            "Index of the newest block that readers see.",
            metrics.applied_index.get() as f64,
        ),
        gauge(
            "kimberlite_storage_commit_queue_bytes",
            "Bytes of transactions that wait for the log writer.",
            metrics.queue_bytes.get() as f64,
        ),
        counter(
            "kimberlite_storage_replayed_blocks_total",
            "Blocks applied to the projections at opening.",
            metrics.replayed_blocks.get(),
        ),
        latency(
            "kimberlite_storage_fsync_latency_seconds",
            "Writing one block to the log and making it durable.",
            &metrics.fsync_us,
        ),
        latency(
            "kimberlite_storage_apply_latency_seconds",
            "Applying one block to the projections.",
            &metrics.apply_us,
        ),
        counter(
            "kimberlite_consensus_commits_total",
            "Transactions committed.",
            metrics.commits.get(),
        ),
        counter(
            "kimberlite_consensus_refusals_total",
            "Transactions refused before they were sequenced.",
            metrics.refusals.get(),
        ),
        latency(
            "kimberlite_consensus_commit_latency_seconds",
            "From submitting a transaction to its being durable and visible.",
            &metrics.commit_us,
        ),
        labelled_counter(
            "kimberlite_encryption_operations_total",
            "Events sealed and opened.",
            "operation",
            &[("encrypt", sealed), ("decrypt", opened)],
        ),
        labelled_counter(
            "kimberlite_hash_chain_verifications_total",
            "Blocks whose hashes and chain were verified.",
            "result",
            &[
                ("success", metrics.verified_blocks.get()),
                ("failure", metrics.damage.get()),
            ],
        ),
    ]
}

fn latency(name: &str, help: &str, source: &Histogram) -> MetricFamily {
    let snapshot = source.snapshot();
    let seconds = |us: u64| us as f64 / 1e6;
    let bounded = BUCKET_BOUNDS_US
        .iter()
        .zip(&snapshot.buckets)
        .map(|(bound, inside)| (seconds(*bound), *inside));
    let overflow = snapshot.buckets.last().copied().unwrap_or_default();
    histogram(name, help, bounded, overflow, seconds(snapshot.sum_us))
}
