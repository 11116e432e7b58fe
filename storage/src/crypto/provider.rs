//! Where the master key comes from.

use std::ffi::OsString;
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
use crate::env::{Entropy, draw};
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
    /// its owner only, and waits until it is on the disk. Data sealed under a key
    /// that a power failure took is lost, so the file gets its name only when its
    /// content is durable, and loses it when the name cannot be made durable. A
    /// process that is killed may leave `.<digits>.<name>`, which nothing uses.
    ///
    /// # Errors
    /// [`StorageError::Io`] when the file exists or cannot be written.
    pub fn generate(path: impl Into<PathBuf>, entropy: &dyn Entropy) -> Result<Self> {
        let path = path.into();
        let key = Key::random(entropy);
        let mut text = Zeroizing::new(STANDARD.encode(key.expose()));
        text.push('\n');
        write_new(&path, text.as_bytes(), entropy)
            .map_err(|error| io_error("create", &path, error))?;
        Ok(Self { path, key })
    }

    /// Waits until the file and its name are on the disk: a process that was
    /// killed while it made the key may have left that undone.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn make_durable(&self) -> Result<()> {
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| sync_folder_of(&self.path))
            .map_err(|error| io_error("flush", &self.path, error))
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

fn write_new(path: &Path, text: &[u8], entropy: &dyn Entropy) -> std::io::Result<()> {
    // Refused here too, so that nothing is written when it must fail.
    if path.try_exists()? {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    let temporary = temporary_beside(path, entropy);
    let written = write_durably(&temporary, text).and_then(|()| publish(&temporary, path));
    // What is left of it is used by nobody.
    let _ = std::fs::remove_file(&temporary);
    written
}

/// A name that no other process uses. It ends like the file's own.
fn temporary_beside(path: &Path, entropy: &dyn Entropy) -> PathBuf {
    let number = u64::from_le_bytes(draw(entropy));
    let mut name = OsString::from(format!(".{number:016x}."));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn write_durably(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Gives the temporary file the name as well, unless there is such a file, and
/// takes the name back when it cannot be made durable.
fn publish(temporary: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::hard_link(temporary, path)?;
    let synced = sync_folder_of(path);
    if synced.is_err() {
        // If this fails too, the first error says what matters.
        let _ = std::fs::remove_file(path);
    }
    synced
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
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
