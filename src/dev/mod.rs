//! What `kimberlite dev` makes for itself, under `DIR/dev/`.
//!
//! | File | Holds |
//! |---|---|
//! | `lock` | locked while a server runs on the directory |
//! | `master.key` | the master key of the log in `DIR` |
//! | `password` | the password of the role `kimberlite` |
//! | `ca.crt` | the certificate that signed `server.crt`; its key was never stored |
//! | `server.crt`, `server.key` | the certificate of the client port |
//! | `url` | a complete libpq connection string; exists only while the server accepts |
//! | `addresses.json` | the addresses of this run, for tools |
//! | `cluster-ca.crt` | of a cluster: what signed its replicas' certificates |
//!
//! Everything is readable by its owner only. The key lies beside the data it
//! protects, which is why `kimberlite start` refuses such a directory: this is
//! for a developer's machine.

mod address;
mod certificate;
pub mod cluster;
mod node;
mod private_file;
mod secrets;
mod url;

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use address::{NotLoopback, loopback};
pub use node::{Options, run};

use crate::config::Tls;

/// The role that `kimberlite dev` makes, in both of its databases.
pub const ROLE: &str = "kimberlite";
/// The database that `kimberlite dev` makes, and that its URL names.
pub const DATABASE: &str = "dev";

/// Why `DIR/dev/` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// Another server runs on the directory.
    #[error("{} is in use by another `kimberlite dev`; stop it first, or use its {}/dev/url", .0.display(), .0.display())]
    Locked(PathBuf),
    /// The directory holds a log whose key is not where `kimberlite dev` keeps it.
    #[error(
        "{} holds a log, but {} is missing: either it was made by `kimberlite start`, or its key \
         was removed, and without the key it cannot be read. Restore the key or choose an empty \
         --data-dir",
        data_dir.display(), key.display()
    )]
    KeyMissing {
        /// The data directory.
        data_dir: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The master key could not be made.
    #[error(transparent)]
    Key(#[from] kimberlite_storage::StorageError),
    /// The certificate could not be made.
    #[error("the certificate of the client port could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

fn io_error(path: &Path, source: io::Error) -> DevError {
    DevError::Io {
        path: path.to_owned(),
        source,
    }
}

/// `DIR/dev/`, locked for this process.
#[derive(Debug)]
pub struct DevDirectory {
    path: PathBuf,
    password: String,
    /// Held, not read: the lock ends with the file.
    _lock: File,
}

impl DevDirectory {
    /// Takes the directory, and makes whatever is not there yet.
    ///
    /// # Errors
    /// [`DevError`]; nothing that exists is ever replaced, except a certificate
    /// without its key.
    pub fn prepare(data_dir: &Path) -> Result<Self, DevError> {
        let path = data_dir.join("dev");
        private_file::create_directory(&path).map_err(|e| io_error(&path, e))?;
        // Absolute, because the URL names files and is used from anywhere.
        let path = path.canonicalize().map_err(|e| io_error(&path, e))?;
        let lock = lock(data_dir, &path)?;
        let key = path.join("master.key");
        if !key.exists() && data_dir.join("superblock").exists() {
            return Err(DevError::KeyMissing {
                data_dir: data_dir.to_owned(),
                key,
            });
        }
        let password = secrets::prepare(&path)?;
        certificate::prepare(&path)?;
        let directory = Self {
            path,
            password,
            _lock: lock,
        };
        // Whatever a killed server left behind must not look like readiness.
        directory.withdraw();
        Ok(directory)
    }

    /// The file of the master key.
    pub fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// The password of [`ROLE`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate and key of the client port.
    pub fn tls(&self) -> Tls {
        Tls {
            cert_path: self.path.join("server.crt"),
            key_path: self.path.join("server.key"),
            client_ca_path: None,
        }
    }

    /// The file with the connection string.
    pub fn url_file(&self) -> PathBuf {
        self.path.join("url")
    }

    /// Writes the addresses of this run.
    ///
    /// # Errors
    /// [`DevError::Io`].
    pub fn publish_addresses(
        &self,
        client: SocketAddr,
        health: SocketAddr,
        metrics: SocketAddr,
    ) -> Result<(), DevError> {
        let file = self.path.join("addresses.json");
        let text = serde_json::json!({ "client": client, "health": health, "metrics": metrics });
        private_file::replace(&file, format!("{text}\n").as_bytes()).map_err(|e| io_error(&file, e))
    }

    /// Writes the connection string: from here on the server accepts.
    ///
    /// # Errors
    /// [`DevError::Io`].
    pub fn publish_url(&self, client: SocketAddr) -> Result<(), DevError> {
        let url = url::connection(client, &self.password, &self.path.join("ca.crt"));
        let file = self.url_file();
        private_file::replace(&file, format!("{url}\n").as_bytes()).map_err(|e| io_error(&file, e))
    }

    /// Writes the connection string of a cluster: whichever replica answers.
    ///
    /// # Errors
    /// [`DevError::Io`].
    pub fn publish_urls(&self, clients: &[SocketAddr]) -> Result<(), DevError> {
        let url = url::to_any(clients, &self.password, &self.path.join("ca.crt"));
        let file = self.url_file();
        private_file::replace(&file, format!("{url}\n").as_bytes()).map_err(|e| io_error(&file, e))
    }

    /// Removes the connection string: from here on the server does not accept.
    pub fn withdraw(&self) {
        for name in ["url", "addresses.json"] {
            // Absent is what is wanted; anything else shows at the next write.
            let _ = std::fs::remove_file(self.path.join(name));
        }
    }
}

fn lock(data_dir: &Path, path: &Path) -> Result<File, DevError> {
    let file = path.join("lock");
    let handle = private_file::open_lock(&file).map_err(|e| io_error(&file, e))?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(std::fs::TryLockError::WouldBlock) => Err(DevError::Locked(data_dir.to_owned())),
        Err(std::fs::TryLockError::Error(e)) => Err(io_error(&file, e)),
    }
}

#[cfg(test)]
mod tests;
