//! Where the tools find the master key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kimberlite_storage::crypto::MASTER_KEY_VARIABLE;
use kimberlite_storage::{EnvKeyProvider, FileKeyProvider, KeyProvider};

use super::output::CouldNotRun;

/// The source of the master key.
#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    /// The file of the master key [default: KIMBERLITE_MASTER_KEY, then DIR/dev/master.key]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
}

impl KeyArguments {
    /// The key, or `None` when none was named and none is at hand.
    pub(super) fn find(
        &self,
        data_dir: &Path,
    ) -> Result<Option<Arc<dyn KeyProvider>>, CouldNotRun> {
        let open = |path: &Path| {
            FileKeyProvider::open(path)
                .map(|provider| Some(Arc::new(provider) as Arc<dyn KeyProvider>))
                .map_err(|e| CouldNotRun(e.to_string()))
        };
        if let Some(path) = &self.master_key_file {
            return open(path);
        }
        if std::env::var_os(MASTER_KEY_VARIABLE).is_some() {
            let provider = EnvKeyProvider::from_env().map_err(|e| CouldNotRun(e.to_string()))?;
            return Ok(Some(Arc::new(provider)));
        }
        let of_dev = data_dir.join("dev").join("master.key");
        if of_dev.exists() {
            return open(&of_dev);
        }
        Ok(None)
    }

    /// The key, where nothing can be done without it.
    pub(super) fn require(&self, data_dir: &Path) -> Result<Arc<dyn KeyProvider>, CouldNotRun> {
        self.find(data_dir)?.ok_or_else(|| {
            CouldNotRun(format!(
                "this needs the master key: name its file with --master-key-file, or set \
                 {MASTER_KEY_VARIABLE}"
            ))
        })
    }
}

/// Refuses a directory that holds no store, so that a mistyped path is not
/// answered with "clean", or with a new and empty store.
pub(super) fn require_store(data_dir: &Path) -> Result<(), CouldNotRun> {
    match std::fs::metadata(data_dir.join("superblock")) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(CouldNotRun(format!(
            "{} is not a data directory: it holds no superblock",
            data_dir.display()
        ))),
        Err(e) => Err(CouldNotRun(format!("{}: {e}", data_dir.display()))),
    }
}
