//! `kimberlite.toml`: what a node is told before it starts.
//!
//! The rules, in the order they matter:
//!
//! * Nothing is ignored. A key this version does not know is refused with the
//!   nearest known name; a key it knows but cannot honour is refused with the
//!   reason. A setting that silently does nothing is worse than a missing one.
//! * Every problem of a file is reported at once, each with its line.
//! * A file without `[cluster]` is one node. The traffic of a cluster is always
//!   mutual TLS.
//! * Nothing is open by accident: outside `KIMBERLITE_ENV=development`, a
//!   configuration without TLS does not start.
//!
//! Precedence: command line, then environment, then file.

mod cluster;
mod document;
mod environment;
mod host;
mod items;
mod problem;
mod read;
mod schema;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use cluster::{
    BIND_ADDRESS_DEFAULT, Cluster, ClusterTls, ELECTION_HEARTBEATS_MIN, REPLICA_ID_MAX, Replica,
    STANDBYS_MAX, VOTERS_MAX,
};
pub use environment::{Environment, Mode};
pub use problem::{ConfigError, Problem};

/// Largest configuration file read, in bytes. Real ones are a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Everything `kimberlite start` needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether this is a production node or somebody's development machine.
    pub mode: Mode,
    /// `[storage]`.
    pub storage: Storage,
    /// `[crypto]`.
    pub crypto: Crypto,
    /// `[monitoring]`.
    pub monitoring: Monitoring,
    /// `[security]`, but for the replication port.
    pub security: Security,
    /// `[cluster]` and what belongs to it; `None` is one node.
    pub cluster: Option<Cluster>,
}

/// `[storage]`: where the log and what is derived from it live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The data directory: log, keyring and projections.
    pub data_dir: PathBuf,
    /// From the end of one verification of the whole log to the start of the next
    /// (`scrub_interval_seconds`); zero = never.
    pub scrub_interval: Duration,
    /// Directories whose files `COPY … FROM 'file'` may read; none by default.
    pub copy_directories: Vec<PathBuf>,
}

/// `[crypto]`: where the key that wraps all other keys comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// The source of the master key.
    pub master_key: MasterKeySource,
}

/// A place the master key is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// The environment variable `KIMBERLITE_MASTER_KEY`.
    Env,
}

/// `[monitoring]`: metrics, health and the text log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// Where Prometheus scrapes `/metrics`.
    pub metrics_address: SocketAddr,
    /// Where `/health`, `/ready` and `/status` answer.
    pub health_check_address: SocketAddr,
    /// The text log.
    pub log: LogSettings,
}

/// How much is logged, how it looks and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// Where lines go.
    pub output: LogOutput,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The names accepted in configuration, most severe first.
    pub const NAMES: [&'static str; 5] = ["error", "warn", "info", "debug", "trace"];

    /// The level called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

/// The look of the text log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Where the text log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
}

/// `[security]`: the client port and who may speak on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// Where clients connect.
    pub client_address: SocketAddr,
    /// TLS of the client port; `None` only in development, on loopback.
    pub tls: Option<Tls>,
    /// Most client connections at one time; one more gets SQLSTATE 53300.
    pub max_connections: usize,
}

/// TLS of the client port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate chain, PEM, leaf first.
    pub cert_path: PathBuf,
    /// The private key of the leaf, PEM.
    pub key_path: PathBuf,
    /// When set, clients must present a certificate signed by one of these.
    pub client_ca_path: Option<PathBuf>,
}

/// Connections allowed when the file does not say.
pub const MAX_CONNECTIONS_DEFAULT: usize = 2_000;
/// Largest accepted `max_connections`: file descriptors and memory end first.
pub const MAX_CONNECTIONS_LIMIT: usize = 100_000;
/// Client port when the file does not say. Loopback, so that a forgotten key
/// does not open the node to a network.
pub const CLIENT_ADDRESS_DEFAULT: &str = "127.0.0.1:7001";
/// Metrics port when the file does not say.
pub const METRICS_ADDRESS_DEFAULT: &str = "127.0.0.1:9090";
/// Health port when the file does not say.
pub const HEALTH_ADDRESS_DEFAULT: &str = "127.0.0.1:8080";

impl Config {
    /// Reads and checks the file at `path`; `environment` overrides it.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found, or why the file could not be
    /// read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = read_bounded(path).map_err(|reason| ConfigError {
            path: path.to_owned(),
            problems: vec![Problem::of_file(reason)],
        })?;
        Self::parse(path, &text, environment)
    }

    /// Checks the text of a configuration file. `path` is for messages only.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        read::config(text, environment).map_err(|problems| ConfigError {
            path: path.to_owned(),
            problems,
        })
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let file = std::fs::File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot be read: {e}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "is larger than {FILE_BYTES_MAX} bytes; this is not a configuration"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
