//! Why a node does not start, or stops by itself.

use std::path::PathBuf;

use kimberlite_sql::SqlError;
use kimberlite_storage::StorageError;

use crate::cluster::ClusterError;
use crate::dev::DevError;
use crate::exit::{Exit, storage_hint};
use crate::listen::AddressError;
use crate::logging::LoggingError;
use crate::tls::TlsError;

/// Why a node does not start, or stops by itself. The message is for the
/// operator; [`NodeError::hint`] says what helps, [`NodeError::exit`] tells the
/// supervisor.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The text log cannot be written.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// `DIR/dev/` cannot be used.
    #[error(transparent)]
    Dev(#[from] DevError),
    /// The store does not open or close.
    #[error("{source}")]
    Storage {
        /// What storage said.
        source: StorageError,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The master key cannot be used.
    #[error("{0}")]
    Key(StorageError),
    /// The SQL engine does not open, or refuses a statement of the set-up.
    #[error("{0}")]
    Sql(#[from] SqlError),
    /// The command cannot be done as it was given.
    #[error("{0}")]
    Usage(String),
    /// The data directory is not one that this command starts.
    #[error("{0}")]
    DataDir(String),
    /// The operating system refused something that has no file.
    #[error("{what}: {source}")]
    System {
        /// What was refused.
        what: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The cluster side does not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A part of the server ended that should not.
    #[error("{0} ended unexpectedly; please report this")]
    Ended(&'static str),
}

impl NodeError {
    /// The exit status.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Address(_) | Self::Cluster(ClusterError::Port { .. }) => Exit::Address,
            Self::Tls(_)
            | Self::Logging(_)
            | Self::Usage(_)
            | Self::Cluster(ClusterError::Transport(_) | ClusterError::NoCertificates) => {
                Exit::Usage
            }
            Self::Dev(DevError::Locked(_)) => Exit::Locked,
            Self::Dev(DevError::Key(source)) | Self::Key(source) if disk_refused(source) => {
                Exit::DataDir
            }
            Self::Dev(DevError::KeyMissing { .. } | DevError::Key(_)) | Self::Key(_) => Exit::Key,
            Self::Dev(DevError::Io { .. })
            | Self::DataDir(_)
            | Self::Cluster(ClusterError::File { .. }) => Exit::DataDir,
            Self::Storage { source, .. } => Exit::of_storage(source),
            Self::Dev(DevError::Certificate(_))
            | Self::Sql(_)
            | Self::System { .. }
            | Self::Ended(_) => Exit::Failure,
        }
    }

    /// What helps, where the message does not say it already.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Storage { source, data_dir } => storage_hint(source, data_dir),
            Self::Dev(DevError::Io { source, path }) => match source.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    Some(format!(
                        "{} must be writable by this user; choose another --data-dir.",
                        path.parent().unwrap_or(path).display()
                    ))
                }
                _ => None,
            },
            Self::Sql(error) => error.get_hint().map(str::to_owned),
            _ => None,
        }
    }
}

/// Whether the key is not to blame, but the disk that it lies on or should lie on.
fn disk_refused(error: &StorageError) -> bool {
    error.is_medium_failure()
        || matches!(
            error,
            StorageError::Full { .. } | StorageError::ReadOnly { .. }
        )
}
