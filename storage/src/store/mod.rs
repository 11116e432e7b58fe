//! A data directory, open: the log, the keys and the projection of one node.
//!
//! | Path | What it is |
//! |---|---|
//! | `LOCK` | held while a process has the directory open |
//! | `superblock` | [`superblock`](crate::superblock) |
//! | `log/` | [`segment`](crate::segment)s |
//! | `projection/` | derived; may be deleted while nothing runs |
//! | `keys/replica.key` | the key of the projection's files, wrapped by the master key |
//! | `tmp/` | emptied at every start |
//! | `quarantine/` | copies of bytes that could not be judged ([`recovery`](crate::log::recovery)) |

mod open;
mod progress;
mod sink;

pub use open::rebuild_projection;
pub use progress::Progress;

use crate::commit::{CommitLog, Committed, SealedTransaction};
use crate::crypto::{KeyProvider, KeyRecord, Keyring, Opener, Sealer};
use crate::disk::{Disk, DiskLock};
use crate::env::{Clock, Entropy};
use crate::error::{Damage, Result, StorageError};
use crate::event::{EventKind, SealedEvent};
use crate::ids::{Lineage, TenantId};
use crate::log::LogReader;
use crate::metrics::StoreMetrics;
use crate::projection::{Projection, Snapshot};
use crate::replica::{Identity, Replica, StartReplica};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

/// How a store is opened.
pub struct StoreOptions {
    /// Where everything is. Created when missing.
    pub data_dir: PathBuf,
    /// Wraps and unwraps the tenants' keys.
    pub key_provider: Arc<dyn KeyProvider>,
    /// Gives blocks their time.
    pub clock: Arc<dyn Clock>,
    /// Keys, salts and identities come from here.
    pub entropy: Arc<dyn Entropy>,
    /// The medium of the log.
    pub disk: Arc<dyn Disk>,
    /// Size of segments in bytes, for a new directory.
    pub segment_bytes: u64,
    /// What orders and commits transactions.
    pub replica: Box<dyn StartReplica>,
    /// Called once when the log cannot go on. The process should exit soon after:
    /// what is on the medium is only known after opening again. Those who wait for
    /// a commit are told when this has returned.
    pub on_fatal: Box<dyn Fn(&StorageError) + Send + Sync>,
    /// Called while long steps of opening go on.
    pub progress: Box<dyn Fn(Progress) + Send + Sync>,
}

/// An open data directory. Dropping it closes it.
pub struct Store {
    replica: Arc<dyn Replica>,
    projection: Projection,
    reader: Arc<LogReader>,
    keyring: Arc<Keyring>,
    sealer: Arc<Sealer>,
    opener: Arc<Opener>,
    clock: Arc<dyn Clock>,
    metrics: Arc<StoreMetrics>,
    identity: Identity,
    data_dir: PathBuf,
    notes: Vec<Damage>,
    /// Last, so that it is released after everything else is closed.
    _lock: Box<dyn DiskLock>,
}

impl Store {
    /// Opens a data directory, creating it when there is nothing, and brings the
    /// projection up to the end of the log.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it open,
    /// [`StorageError::WrongMasterKey`] before anything is changed,
    /// [`StorageError::Damaged`] when an acknowledged block is not good,
    /// [`StorageError::ReadOnly`], [`StorageError::Full`], [`StorageError::Io`].
    pub fn open(options: StoreOptions) -> Result<Self> {
        open::open(options, false)
    }

    /// The newest state that is visible.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.projection.snapshot()
    }

    /// The projection.
    #[must_use]
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// Seals transactions.
    #[must_use]
    pub fn sealer(&self) -> Arc<Sealer> {
        self.sealer.clone()
    }

    /// Opens events read from the log.
    #[must_use]
    pub fn opener(&self) -> Arc<Opener> {
        self.opener.clone()
    }

    /// The keys of all tenants.
    #[must_use]
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.clone()
    }

    /// Where transactions are committed.
    #[must_use]
    pub fn commit_log(&self) -> Arc<dyn CommitLog> {
        self.replica.clone()
    }

    /// Reads committed blocks.
    #[must_use]
    pub fn log_reader(&self) -> Arc<LogReader> {
        self.reader.clone()
    }

    /// The clock the store was opened with.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Counters and latencies.
    #[must_use]
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// How many events were sealed and opened since the store was opened.
    #[must_use]
    pub fn seal_counts(&self) -> (u64, u64) {
        (self.sealer.seal_count(), self.opener.open_count())
    }

    /// The identity of the history.
    #[must_use]
    pub const fn lineage(&self) -> Lineage {
        self.identity.lineage
    }

    /// Whose data directory it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// Where everything is.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// What opening removed or made good again; none of it was acknowledged.
    #[must_use]
    pub fn recovery_notes(&self) -> &[Damage] {
        &self.notes
    }

    /// Why nothing can be committed any more, if so.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.replica.failed()
    }

    /// Makes a new tenant: its keys, and with them its identity. On return they
    /// are durable.
    ///
    /// # Errors
    /// When the master key's provider fails, or as [`CommitLog::submit`].
    pub fn create_tenant(&self) -> Result<TenantId> {
        let (tenant, records) = self.keyring.create_tenant()?;
        self.commit_keys(tenant, &records)?;
        Ok(tenant)
    }

    /// Gives the tenant a new data key; what is sealed from now on is sealed
    /// under it.
    ///
    /// # Errors
    /// As [`Self::create_tenant`], and when there is no such tenant.
    pub fn rotate_key(&self, tenant: TenantId) -> Result<()> {
        let record = self.keyring.rotate(tenant)?;
        self.commit_keys(tenant, &[record]).map(drop)
    }

    fn commit_keys(&self, tenant: TenantId, records: &[KeyRecord]) -> Result<Committed> {
        let events = records
            .iter()
            .map(|record| SealedEvent::unsealed(tenant, EventKind::Key, record.to_bytes()))
            .collect::<Result<_, _>>()?;
        self.commit(SealedTransaction {
            tenant,
            events,
            plain: None,
            epoch: 0,
        })
    }

    /// Commits a transaction and waits until it is durable and visible. Not for
    /// threads that must not block.
    ///
    /// # Errors
    /// As [`CommitLog::submit`].
    pub fn commit(&self, txn: SealedTransaction) -> Result<Committed> {
        let (send, receive) = mpsc::sync_channel(1);
        self.replica.submit(
            txn,
            Box::new(move |result| {
                let _ = send.send(result);
            }),
        );
        let closed = |_| StorageError::Closed("the log stopped".into());
        receive.recv().map_err(closed)?
    }

    /// Completes what waits, refuses what comes, flushes the projection, and notes
    /// that the log ends in good order. Closing again does nothing.
    ///
    /// # Errors
    /// [`StorageError::Closed`] when the log had failed before, and when the last
    /// writes fail.
    pub fn close(&self) -> Result<()> {
        self.replica.close()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}
