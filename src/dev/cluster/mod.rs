//! `kimberlite dev --replicas N`: a cluster on one machine, for trying things out.
//!
//! Each replica is a process of its own with a data directory and a configuration of its
//! own, as it would be on a machine of its own. One that dies is started again after a
//! moment, so that killing one shows what a cluster is for.

mod files;
mod processes;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kimberlite_storage::FileKeyProvider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::files::ClusterFiles;
use self::processes::Processes;
use super::DevDirectory;
use super::node::{ensure_role, shell_quoted};
use crate::cli::create_store;
use crate::cluster;
use crate::server::NodeError;
use crate::signals::StopSignals;

/// Bytes of a log segment: small, so that a first start is quick.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// How long the replicas may take to be ready.
const READY_MAX: Duration = Duration::from_secs(120);

/// What `kimberlite dev --replicas` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lives; made if it is not there.
    pub data_dir: PathBuf,
    /// How many replicas vote: 3, 5, 7 or 9.
    pub replicas: u32,
}

/// Runs a cluster for development until it is told to stop.
///
/// # Errors
/// [`NodeError`].
pub fn run(options: &Options) -> Result<(), NodeError> {
    let directory = DevDirectory::prepare(&options.data_dir)?;
    let files = ClusterFiles::prepare(&options.data_dir, &directory, options.replicas)?;
    found(&directory, &files)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| NodeError::System {
            what: "starting threads",
            source,
        })?;
    let outcome = runtime.block_on(live(options, &directory, &files));
    directory.withdraw();
    outcome
}

/// Makes the first replica's database, once; the others join.
fn found(directory: &DevDirectory, files: &ClusterFiles) -> Result<(), NodeError> {
    let Some(first) = files.replicas.first() else {
        return Err(NodeError::Usage("a cluster has replicas".to_owned()));
    };
    if first.data_dir.join("superblock").exists() {
        return Ok(());
    }
    let key = FileKeyProvider::open(directory.master_key()).map_err(NodeError::Key)?;
    let config = first.cluster()?;
    let replica = cluster::first(&config, SEGMENT_BYTES);
    let password = directory.password().to_owned();
    create_store(&first.data_dir, replica, Arc::new(key), |engine| {
        ensure_role(engine, &password)
    })
}

async fn live(
    options: &Options,
    directory: &DevDirectory,
    files: &ClusterFiles,
) -> Result<(), NodeError> {
    let mut signals = StopSignals::install().map_err(|source| NodeError::System {
        what: "taking over SIGTERM and SIGINT",
        source,
    })?;
    let mut processes = Processes::start(files)?;
    let outcome = tokio::select! {
        ready = all_ready(files) => match ready {
            Ok(()) => {
                directory.publish_urls(&files.clients())?;
                welcome(options, directory, files, &processes);
                tokio::select! {
                    ended = processes.keep_running(files) => ended,
                    _ = signals.next() => Ok(()),
                }
            }
            Err(error) => Err(error),
        },
        _ = signals.next() => Ok(()),
    };
    directory.withdraw();
    processes.stop().await;
    outcome
}

async fn all_ready(files: &ClusterFiles) -> Result<(), NodeError> {
    let began = Instant::now();
    for replica in &files.replicas {
        while !is_ready(replica.health).await {
            if began.elapsed() > READY_MAX {
                return Err(NodeError::DataDir(format!(
                    "replica {} is not ready after {} s: see {}",
                    replica.id,
                    READY_MAX.as_secs(),
                    replica.log.display()
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Asks `/ready`, with HTTP/1.0 (RFC 1945).
async fn is_ready(address: std::net::SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n").await?;
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(1), ask).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.windows(4).any(|w| w == b" 200")))
}

fn welcome(
    options: &Options,
    directory: &DevDirectory,
    files: &ClusterFiles,
    processes: &Processes,
) {
    let mut text = format!(
        "Kimberlite {} is ready: {} replicas. Data: {}  Stop: Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        files.replicas.len(),
        options.data_dir.display(),
    );
    for (replica, process) in files.replicas.iter().zip(processes.ids()) {
        text.push_str(&format!(
            "  replica {}: clients {}, process {process}, log {}\n",
            replica.id,
            replica.client,
            replica.log.display()
        ));
    }
    let first = files.replicas.first();
    text.push_str(&format!(
        "Status:  kimberlite-cli cluster status --data-dir {}\n\
         Connect: psql \"$(cat {})\"\n",
        first.map_or_else(String::new, |first| shell_quoted(&first.data_dir)),
        shell_quoted(&directory.url_file()),
    ));
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
