//! Where the master key comes from.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key::{KEY_LEN, Key};
use super::wrap;
use crate::env::Entropy;
use crate::error::{KeyError, Result, StorageError};

/// The environment variable of [`EnvKeyProvider`].
pub const MASTER_KEY_VARIABLE: &str = "KIMBERLITE_MASTER_KEY";

/// Wraps and unwraps keys with a master key that may never leave where it is.
pub trait KeyProvider: Send + Sync {
    /// Wraps `key` and binds it to `context`.
    ///
    /// # Errors
    /// When the key service cannot be reached or refuses.
    fn wrap(&self, context: &[u8], key: &Key, entropy: &dyn Entropy) -> Result<Vec<u8>>;

    /// Unwraps what [`Self::wrap`] returned for the same `context`.
    ///
    /// # Errors
    /// [`StorageError::WrongMasterKey`] when it was wrapped with another master
    /// key, or changed.
    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Key>;

    /// Where the key is, for messages; never the key.
    fn describe(&self) -> String;
}

fn unwrap_local(
    provider: &dyn KeyProvider,
    key: &Key,
    context: &[u8],
    wrapped: &[u8],
) -> Result<Key> {
    wrap::unwrap(key, context, wrapped).ok_or_else(|| StorageError::WrongMasterKey {
        provider: provider.describe(),
        what: "a key in the data directory".to_owned(),
    })
}

/// A master key in a file that only its owner may read.
///
/// The file holds the 32 bytes in base64, 44 characters and a line end.
pub struct FileKeyProvider {
    path: PathBuf,
    key: Key,
}

impl FileKeyProvider {
    /// Reads the key.
    ///
    /// # Errors
    /// [`KeyError::Source`] when the file can be read by others than its owner or
    /// does not hold a key, [`StorageError::Io`] when it cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let mut file = File::open(&path).map_err(|error| io_error("open", &path, error))?;
        check_permissions(&file, &path)?;
        let text = read_small(&mut file, &path)?;
        let key = parse_key(text.trim_ascii()).ok_or_else(|| {
            KeyError::Source(format!(
                "the key file {} does not hold a master key: it must be the base64 form of 32 \
                 bytes (44 characters)",
                path.display()
            ))
        })?;
        Ok(Self { path, key })
    }

    /// Writes a new random key to a file that must not exist yet, readable by
    /// its owner only, and waits until it is on the disk.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the file exists or cannot be written.
    pub fn generate(path: impl Into<PathBuf>, entropy: &dyn Entropy) -> Result<Self> {
        let path = path.into();
        let key = Key::random(entropy);
        let mut text = Zeroizing::new(STANDARD.encode(key.expose()));
        text.push('\n');
        write_new(&path, text.as_bytes()).map_err(|error| io_error("create", &path, error))?;
        Ok(Self { path, key })
    }
}

impl KeyProvider for FileKeyProvider {
    fn wrap(&self, context: &[u8], key: &Key, entropy: &dyn Entropy) -> Result<Vec<u8>> {
        Ok(wrap::wrap(&self.key, context, key, entropy)?)
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Key> {
        unwrap_local(self, &self.key, context, wrapped)
    }

    fn describe(&self) -> String {
        format!("file {}", self.path.display())
    }
}

impl fmt::Debug for FileKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKeyProvider({})", self.path.display())
    }
}

fn io_error(doing: &str, path: &Path, error: std::io::Error) -> StorageError {
    StorageError::io(format!("{doing} the key file {}", path.display()), error)
}

/// Refuses a file that others can read or write, or that belongs to someone else
/// than the user this process runs as (or root).
fn check_permissions(file: &File, path: &Path) -> Result<()> {
    let metadata = file
        .metadata()
        .map_err(|error| io_error("inspect", path, error))?;
    if !metadata.is_file() {
        return Err(KeyError::Source(format!("{} is not a file", path.display())).into());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(KeyError::Source(format!(
            "the key file {0} has mode {mode:04o}: others than its owner may use it. Run \
             `chmod 600 {0}`, and if others could have read it, replace the key",
            path.display()
        ))
        .into());
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && user != 0 {
        return Err(KeyError::Source(format!(
            "the key file {} belongs to user {}, but this process runs as user {user}",
            path.display(),
            metadata.uid()
        ))
        .into());
    }
    Ok(())
}

/// Reads at most a little more than a key takes.
fn read_small(file: &mut File, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    file.take(256)
        .read_to_end(&mut text)
        .map_err(|error| io_error("read", path, error))?;
    Ok(text)
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()?;
    // The name must survive a crash too: data sealed under a lost key is lost.
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn parse_key(text: &[u8]) -> Option<Key> {
    let mut bytes = Zeroizing::new([0; KEY_LEN + 2]);
    let len = STANDARD.decode_slice(text, bytes.as_mut_slice()).ok()?;
    Key::from_slice(bytes.get(..len)?)
}

/// A master key given in the environment variable [`MASTER_KEY_VARIABLE`].
pub struct EnvKeyProvider {
    key: Key,
}

impl EnvKeyProvider {
    /// Takes the value: the base64 form of 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Source`] when it is not that.
    pub fn new(value: &str) -> Result<Self> {
        let key = parse_key(value.trim().as_bytes()).ok_or_else(|| {
            KeyError::Source(format!(
                "{MASTER_KEY_VARIABLE} does not hold a master key: it must be the base64 form of \
                 32 bytes (44 characters), as `openssl rand -base64 32` prints"
            ))
        })?;
        Ok(Self { key })
    }

    /// Reads the environment variable.
    ///
    /// # Errors
    /// [`KeyError::Source`] when it is not set or not a key.
    pub fn from_env() -> Result<Self> {
        let value = std::env::var(MASTER_KEY_VARIABLE)
            .map(Zeroizing::new)
            .map_err(|_| {
                KeyError::Source(format!(
                    "{MASTER_KEY_VARIABLE} is not set: set it to the base64 form of 32 bytes"
                ))
            })?;
        Self::new(&value)
    }
}

impl KeyProvider for EnvKeyProvider {
    fn wrap(&self, context: &[u8], key: &Key, entropy: &dyn Entropy) -> Result<Vec<u8>> {
        Ok(wrap::wrap(&self.key, context, key, entropy)?)
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Key> {
        unwrap_local(self, &self.key, context, wrapped)
    }

    fn describe(&self) -> String {
        format!("environment variable {MASTER_KEY_VARIABLE}")
    }
}

impl fmt::Debug for EnvKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvKeyProvider(redacted)")
    }
}

#[cfg(test)]
mod tests;
