//! The open RocksDB database, and its errors in our terms.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{
    Cache, ColumnFamilyDescriptor, DB, ErrorKind, FlushOptions, Options, ReadOptions, WriteBatch,
    WriteOptions,
};

use super::cipher::FileCipher;
use super::encrypted_env::encrypted_env;
use super::layout::{Families, Family};
use super::options::{self, ProjectionOptions};
use crate::crypto::Key;
use crate::error::{Result, StorageError};

/// Whether the database may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// The open database and what its readers and the applier share.
pub(super) struct Engine {
    pub(super) db: DB,
    /// What ingested files are written with, in the order of [`Family::ALL`].
    table_options: Vec<(Family, Options)>,
    pub(super) block_cache: Cache,
    pub(super) block_cache_bytes: usize,
    /// Reads of the newest state, for the applier.
    pub(super) newest: ReadOptions,
    write_options: WriteOptions,
    pub(super) ingest_dir: PathBuf,
}

impl Engine {
    /// Opens or creates the database in `dir/db`; `dir/ingest` is for table files
    /// on their way into it.
    pub(super) fn open(
        dir: &Path,
        key: &Key,
        options: &ProjectionOptions,
        access: Access,
    ) -> Result<Self> {
        let (db_dir, ingest_dir) = (dir.join("db"), dir.join("ingest"));
        if access == Access::ReadWrite {
            create_dir(&db_dir)?;
            empty_dir(&ingest_dir)?;
        }
        let cipher = FileCipher::new(key, Arc::clone(&options.entropy));
        let other_key = cipher.other_key_seen();
        let env = encrypted_env(cipher)?;
        let block_cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
        let table_options: Vec<_> = Family::ALL
            .into_iter()
            .map(|family| (family, options::family(family, options, &block_cache, &env)))
            .collect();
        let families = table_options
            .iter()
            .map(|(family, options)| ColumnFamilyDescriptor::new(family.name(), options.clone()));
        let db_options = options::database(options, &env);
        let opened = match access {
            Access::ReadWrite => DB::open_cf_descriptors(&db_options, &db_dir, families),
            Access::ReadOnly => {
                DB::open_cf_descriptors_read_only(&db_options, &db_dir, families, false)
            }
        };
        let db = opened.map_err(|error| open_failed(&db_dir, &other_key, error))?;
        let mut write_options = WriteOptions::default();
        // The log is the write-ahead log.
        write_options.disable_wal(true);
        let newest = ReadOptions::default();
        Ok(Self {
            db,
            table_options,
            block_cache,
            block_cache_bytes: options.block_cache_bytes,
            newest,
            write_options,
            ingest_dir,
        })
    }

    pub(super) fn families(&self) -> Result<Families<'_>> {
        Families::of(&self.db)
    }

    /// Options for writing a table file of `family` that is to be ingested.
    pub(super) fn table_options(&self, family: Family) -> Result<&Options> {
        let found = self.table_options.iter().find(|(of, _)| *of == family);
        found.map(|(_, options)| options).ok_or_else(|| {
            StorageError::Projection(format!("no options for family {}", family.name()))
        })
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<()> {
        self.db
            .write_opt(batch, &self.write_options)
            .map_err(|error| failed("write", &error))
    }

    /// Writes the memtables of all families to disk, as one step; waits for it
    /// when `wait`, else only begins it.
    pub(super) fn flush(&self, wait: bool) -> Result<()> {
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        let families = self.families()?;
        self.db
            .flush_cfs_opt(families.all(), &options)
            .map_err(|error| failed("flush", &error))
    }
}

/// Deletes everything that [`Engine::open`] creates under `dir`.
pub(super) fn destroy(dir: &Path) -> Result<()> {
    for part in ["db", "ingest"] {
        let path = dir.join(part);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(StorageError::io(
                    format!("remove {}", path.display()),
                    error,
                ));
            }
        }
    }
    Ok(())
}

fn create_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)
        .map_err(|error| StorageError::io(format!("create {}", dir.display()), error))
}

/// What a crash left half-ingested is not referred to by anything.
fn empty_dir(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::io(format!("empty {}", dir.display()), error))
        }
        _ => create_dir(dir),
    }
}

fn open_failed(dir: &Path, other_key: &AtomicBool, error: rocksdb::Error) -> StorageError {
    if other_key.load(Ordering::Relaxed) {
        return StorageError::Projection(format!(
            "the files in {} are encrypted under another replica key or were changed; \
             the projection has to be rebuilt from the log",
            dir.display()
        ));
    }
    failed(&format!("open {}", dir.display()), &error)
}

/// RocksDB's errors are text; those that a person can do something about are
/// recognised by what the operating system's message says.
pub(super) fn failed(doing: &str, error: &rocksdb::Error) -> StorageError {
    let text: &str = error.as_ref();
    let context = || format!("projection: {doing}: {text}");
    let says = |words: &str| text.contains(words);
    if error.kind() != ErrorKind::IOError {
        return StorageError::Projection(format!("{doing}: {text}"));
    }
    if says("No space left on device") || says("Disk quota exceeded") {
        StorageError::Full { context: context() }
    } else if says("Read-only file system") {
        StorageError::ReadOnly { context: context() }
    } else if says("lock hold by current process") || says("While lock file") {
        StorageError::Locked(context())
    } else if says("Permission denied") {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        StorageError::Io {
            context: context(),
            source,
        }
    } else if says("Too many open files") {
        StorageError::Io {
            context: context(),
            source: io::Error::other("too many open files"),
        }
    } else if says("Input/output error") {
        StorageError::Io {
            context: context(),
            source: rustix::io::Errno::IO.into(),
        }
    } else {
        StorageError::Projection(format!("{doing}: {text}"))
    }
}
