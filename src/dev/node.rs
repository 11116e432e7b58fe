//! `kimberlite dev`: a node that needs nothing but a directory.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use kimberlite_sql::{Engine, SYSTEM_DATABASE, SqlError};
use kimberlite_storage::FileKeyProvider;

use super::{DATABASE, DevDirectory, ROLE};
use crate::scrub::SCRUB_INTERVAL_DEFAULT;
use crate::server::{self, Addresses, Host, NodeError, NodeOptions, Wanted};
use crate::{tls, verifier};

/// Bytes of a log segment: small, so that a first start is quick.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Most client connections at one time.
const MAX_CONNECTIONS: usize = crate::config::MAX_CONNECTIONS_DEFAULT;

/// What `kimberlite dev` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data lives; made if it is not there.
    pub data_dir: PathBuf,
    /// Where clients connect.
    pub client: Wanted,
    /// Where `/health`, `/ready` and `/status` answer.
    pub health: Wanted,
    /// Where `/metrics` answers.
    pub metrics: Wanted,
    /// Directories whose files `COPY … FROM 'file'` may read.
    pub copy_directories: Vec<PathBuf>,
}

/// Runs a development node until it is told to stop.
///
/// # Errors
/// [`NodeError`].
pub fn run(options: Options) -> Result<(), NodeError> {
    let directory = DevDirectory::prepare(&options.data_dir)?;
    let key = FileKeyProvider::open(directory.master_key()).map_err(NodeError::Key)?;
    let node = NodeOptions {
        data_dir: options.data_dir.clone(),
        master_key: Arc::new(key),
        client: options.client,
        health: options.health,
        metrics: options.metrics,
        tls: Some(tls::load(&directory.tls())?),
        max_connections: MAX_CONNECTIONS,
        segment_bytes: SEGMENT_BYTES,
        scrub_interval: SCRUB_INTERVAL_DEFAULT,
        copy_directories: options.copy_directories,
        cluster: None,
    };
    let host = DevHost {
        directory,
        data_dir: options.data_dir,
    };
    server::run(node, host)
}

struct DevHost {
    directory: DevDirectory,
    data_dir: PathBuf,
}

impl Host for DevHost {
    async fn opened(&self, engine: &Arc<Engine>) -> Result<(), NodeError> {
        let password = self.directory.password().to_owned();
        let engine = Arc::clone(engine);
        tokio::task::spawn_blocking(move || ensure_role(&engine, &password))
            .await
            .map_err(|_| NodeError::Ended("making the databases"))??;
        Ok(())
    }

    fn accepting(&self, addresses: &Addresses) -> Result<(), NodeError> {
        self.directory
            .publish_addresses(addresses.client, addresses.health, addresses.metrics)?;
        self.directory.publish_url(addresses.client)?;
        print_welcome(&self.data_dir, &self.directory, addresses);
        Ok(())
    }

    fn closing(&self) {
        self.directory.withdraw();
    }
}

/// The line with `psql` is the last: tools wait for it.
fn print_welcome(data_dir: &std::path::Path, directory: &DevDirectory, addresses: &Addresses) {
    let text = format!(
        "Kimberlite {} is ready. Data: {}  Clients: {}\n\
         Metrics: http://{}/metrics  Health: http://{}/ready  Stop: Ctrl-C\n\
         Connect: psql \"$(cat {})\"\n",
        env!("CARGO_PKG_VERSION"),
        data_dir.display(),
        addresses.client,
        addresses.metrics,
        addresses.health,
        shell_quoted(&directory.url_file()),
    );
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A path as a shell word inside double quotes and `$(…)`.
pub(super) fn shell_quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Makes both databases where they are missing, and lets [`ROLE`] in with the
/// password of the URL, also when its file was lost and made again.
pub(super) fn ensure_role(engine: &Engine, password: &str) -> Result<(), SqlError> {
    for database in [SYSTEM_DATABASE, DATABASE] {
        let secret = engine.scram_secret(database, ROLE);
        if !secret.is_some_and(|secret| verifier::fits(&secret, password)) {
            engine.bootstrap_role(database, ROLE, &verifier::scram_verifier(password))?;
        }
    }
    Ok(())
}
