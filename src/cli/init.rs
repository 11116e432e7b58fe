//! `kimberlite init`: an empty directory becomes a database with one operator.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kimberlite_consensus::node::Alone;
use kimberlite_sql::{Engine, SYSTEM_DATABASE, SqlError};
use kimberlite_storage::{FileKeyProvider, FsDisk, KeyProvider, StartReplica, Store, StoreOptions};

use super::password;
use crate::cluster;
use crate::config::{Config, MasterKeySource};
use crate::os::{SystemClock, SystemEntropy};
use crate::server::{NodeError, engine_options};
use crate::{start, verifier};

/// Arguments of `kimberlite init`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password of the operator comes from --password-file, else from the variable
KIMBERLITE_INIT_PASSWORD, else it is asked for at the terminal. It is stored as a
SCRAM-SHA-256 verifier only. Databases are then made with CREATE DATABASE.

Examples:
  kimberlite init --config kimberlite.toml --create-master-key
  kimberlite init --config kimberlite.toml --superuser ops --password-file pw.txt")]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "KIMBERLITE_CONFIG")]
    pub(super) config: PathBuf,
    /// The first operator, in the database `kimberlite`
    #[arg(long, value_name = "NAME", default_value = "kimberlite")]
    superuser: String,
    /// A file with the operator's password on one line
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Make the master key file that master_key_id names; it must not exist
    #[arg(long)]
    create_master_key: bool,
}

/// Makes the database.
///
/// # Errors
/// [`NodeError`]; nothing that exists is replaced.
pub(super) fn run(arguments: &Arguments, config: Config) -> Result<(), NodeError> {
    let data_dir = config.storage.data_dir;
    refuse_existing(&data_dir)?;
    check_name(&arguments.superuser)?;
    let password = password::obtain(arguments.password_file.as_deref(), &arguments.superuser)
        .map_err(NodeError::Usage)?;
    let master_key = master_key(arguments, &config.crypto.master_key)?;
    let secret = verifier::scram_verifier(&password);
    let replica: Box<dyn StartReplica> = match &config.cluster {
        Some(cluster) => cluster::first(cluster, start::SEGMENT_BYTES),
        None => Box::new(Alone),
    };
    create(&data_dir, replica, master_key, |engine| {
        engine.bootstrap_role(SYSTEM_DATABASE, &arguments.superuser, &secret)
    })?;
    println!(
        "{} is ready: operator \"{}\", database \"{}\". Next: kimberlite start --config {}",
        data_dir.display(),
        arguments.superuser,
        SYSTEM_DATABASE,
        arguments.config.display(),
    );
    Ok(())
}

/// A directory with anything in it may be somebody's, or the wrong one.
fn refuse_existing(data_dir: &Path) -> Result<(), NodeError> {
    let mut entries = match std::fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(NodeError::DataDir(format!("{}: {e}", data_dir.display())));
        }
    };
    // A disk of its own has this folder at its root.
    if entries.any(|entry| entry.is_ok_and(|e| e.file_name() != "lost+found")) {
        return Err(NodeError::DataDir(format!(
            "{} is not empty; `kimberlite init` makes a new database only in an empty directory",
            data_dir.display()
        )));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), NodeError> {
    // PostgreSQL's limit: NAMEDATALEN - 1 bytes.
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(NodeError::Usage(
            "the name of the operator must have 1 to 63 bytes".to_owned(),
        ));
    }
    Ok(())
}

fn master_key(
    arguments: &Arguments,
    source: &MasterKeySource,
) -> Result<Arc<dyn KeyProvider>, NodeError> {
    if !arguments.create_master_key {
        return existing_master_key(source);
    }
    match source {
        MasterKeySource::File(path) => {
            let provider =
                FileKeyProvider::generate(path, &SystemEntropy).map_err(NodeError::Key)?;
            println!(
                "Made the master key {}. Keep a copy where the data is not: without it nothing \
                 can be read.",
                path.display()
            );
            Ok(Arc::new(provider))
        }
        MasterKeySource::Env => Err(NodeError::Usage(
            "--create-master-key makes a file, and master_key_source is \"env\": set \
             KIMBERLITE_MASTER_KEY to the output of `openssl rand -base64 32`"
                .to_owned(),
        )),
    }
}

/// The key that is there. One that an `init` made which was killed then may not be on
/// the disk yet, and the log must not outlive it.
fn existing_master_key(source: &MasterKeySource) -> Result<Arc<dyn KeyProvider>, NodeError> {
    let MasterKeySource::File(path) = source else {
        return start::master_key(source);
    };
    if !path.exists() {
        return Err(NodeError::Usage(format!(
            "the key file {} does not exist; add --create-master-key to make it",
            path.display()
        )));
    }
    let provider = FileKeyProvider::open(path).map_err(NodeError::Key)?;
    provider.make_durable().map_err(NodeError::Key)?;
    Ok(Arc::new(provider))
}

/// Makes a store in an empty directory, and what `fill` puts there.
///
/// # Errors
/// [`NodeError`].
pub(crate) fn create(
    data_dir: &Path,
    replica: Box<dyn StartReplica>,
    key_provider: Arc<dyn KeyProvider>,
    fill: impl FnOnce(&Engine) -> Result<(), SqlError>,
) -> Result<(), NodeError> {
    let storage = |source| NodeError::Storage {
        source,
        data_dir: data_dir.to_owned(),
    };
    let store = Store::open(StoreOptions {
        data_dir: data_dir.to_owned(),
        key_provider,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(FsDisk),
        segment_bytes: start::SEGMENT_BYTES,
        replica,
        // The failed statement itself is what `init` reports.
        on_fatal: Box::new(|_| ()),
        progress: Box::new(|_| ()),
    })
    .map_err(storage)?;
    let store = Arc::new(store);
    let engine = Engine::open(Arc::clone(&store), engine_options(data_dir))?;
    fill(&engine)?;
    drop(engine);
    store.close().map_err(storage)
}
