//! `kimberlite start`: a node from a configuration.

use std::sync::Arc;

use kimberlite_sql::Engine;
use kimberlite_storage::{EnvKeyProvider, FileKeyProvider, KeyProvider};

use crate::config::{Config, MasterKeySource, Mode};
use crate::server::{self, Addresses, Host, NodeError, NodeOptions, Wanted};
use crate::{logging, tls};

/// Bytes of a log segment.
pub(crate) const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// Set for a process that has to end with the one that started it.
pub(crate) const ENDS_WITH_PARENT: &str = "KIMBERLITE_ENDS_WITH_PARENT";

/// Runs a node until it is told to stop.
///
/// # Errors
/// [`NodeError`].
pub fn run(config: Config) -> Result<(), NodeError> {
    logging::start(&config.monitoring.log)?;
    if std::env::var_os(ENDS_WITH_PARENT).is_some() {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::TERM)).map_err(|e| NodeError::System {
            what: "watching the process that started this one",
            source: e.into(),
        })?;
    }
    require_initialised(&config)?;
    let options = NodeOptions {
        master_key: master_key(&config.crypto.master_key)?,
        client: Wanted::exactly(config.security.client_address),
        health: Wanted::exactly(config.monitoring.health_check_address),
        metrics: Wanted::exactly(config.monitoring.metrics_address),
        tls: config.security.tls.as_ref().map(tls::load).transpose()?,
        max_connections: config.security.max_connections,
        segment_bytes: SEGMENT_BYTES,
        scrub_interval: config.storage.scrub_interval,
        copy_directories: config.storage.copy_directories,
        cluster: config.cluster,
        data_dir: config.storage.data_dir,
    };
    server::run(options, Production)
}

/// Opens the source of the master key.
///
/// # Errors
/// [`NodeError::Key`] when there is no usable key.
pub(crate) fn master_key(source: &MasterKeySource) -> Result<Arc<dyn KeyProvider>, NodeError> {
    Ok(match source {
        MasterKeySource::File(path) => {
            Arc::new(FileKeyProvider::open(path).map_err(NodeError::Key)?)
        }
        MasterKeySource::Env => Arc::new(EnvKeyProvider::from_env().map_err(NodeError::Key)?),
    })
}

/// Starting on an empty directory would make a database that nobody can log in
/// to, or hide that the disk with the real one is not mounted.
fn require_initialised(config: &Config) -> Result<(), NodeError> {
    let dir = &config.storage.data_dir;
    // The replicas of a cluster but the first begin with nothing, and join.
    let joins = config
        .cluster
        .as_ref()
        .is_some_and(|c| c.replicas().count() > 1);
    if !joins && !dir.join("superblock").exists() {
        return Err(NodeError::DataDir(format!(
            "{} holds no database. For a new one run `kimberlite init` with the same \
             configuration; if there should be one, its disk may not be mounted",
            dir.display()
        )));
    }
    if config.mode == Mode::Production && dir.join("dev").exists() {
        return Err(NodeError::DataDir(format!(
            "{} was made by `kimberlite dev`, which keeps the master key beside the data. Make a \
             new directory with `kimberlite init`",
            dir.display()
        )));
    }
    Ok(())
}

/// What a production node does around serving: nothing but say so.
struct Production;

impl Host for Production {
    async fn opened(&self, _engine: &Arc<Engine>) -> Result<(), NodeError> {
        Ok(())
    }

    fn accepting(&self, addresses: &Addresses) -> Result<(), NodeError> {
        tracing::info!(
            client = %addresses.client,
            health = %addresses.health,
            metrics = %addresses.metrics,
            "ready"
        );
        Ok(())
    }

    fn closing(&self) {}
}
