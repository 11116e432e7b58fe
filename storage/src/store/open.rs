//! Opening a data directory, step by step.

use super::{Progress, Store, StoreOptions};
use crate::apply::{ApplySink as _, EventOpener, Replay, replay};
use crate::chain::ChainHead;
use crate::crypto::{Key, Keyring, Opener, Sealer};
use crate::disk::{Disk, DiskLock};
use crate::env::draw;
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::event::EventKind;
use crate::ids::{Lineage, NO_HASH, TenantId};
use crate::log::recovery::{Recovered, recover};
use crate::log::{LogReader, LogWriter, ThreadedSegments};
use crate::metrics::StoreMetrics;
use crate::projection::{Projection, ProjectionOptions, create_replica_key, load_replica_key};
use crate::replica::{Founding, Identity, ReplicaParts};
use crate::segment::{LOG_DIR, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, list};
use crate::superblock::{self, Superblock, SuperblockFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK_FILE: &str = "LOCK";
const PROJECTION_DIR: &str = "projection";
const KEYS_DIR: &str = "keys";
const TMP_DIR: &str = "tmp";

/// Discards the projection of a stopped data directory and makes it again from
/// the log. Returns how many blocks were applied.
///
/// # Errors
/// As [`Store::open`].
pub fn rebuild_projection(options: StoreOptions) -> Result<u64> {
    let store = open(options, true)?;
    let blocks = store.metrics().replayed_blocks.get();
    store.close()?;
    Ok(blocks)
}

pub(super) fn open(options: StoreOptions, discard_projection: bool) -> Result<Store> {
    check_segment_bytes(options.segment_bytes)?;
    let opening = Opening::begin(options)?;
    let replica_key = opening.replica_key()?;
    opening.clear_tmp()?;
    let recovered = opening.recover()?;
    opening.set_log_bytes(&recovered)?;
    let projection = opening.projection(&replica_key, &recovered, discard_projection)?;
    let store = opening.start(projection, recovered)?;
    if store.replica.is_alone() && !store.keyring.has_tenant(TenantId::SYSTEM) {
        let records = store.keyring.create_keys(TenantId::SYSTEM)?;
        store.commit_keys(TenantId::SYSTEM, &records)?;
    }
    Ok(store)
}

fn check_segment_bytes(bytes: u64) -> Result<()> {
    let good = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes)
        && bytes.is_multiple_of(crate::segment::PAGE_BYTES);
    if good {
        return Ok(());
    }
    Err(crate::error::FormatError::Field {
        what: "segment size (64 KiB to 4 GiB, whole pages of 4 KiB)",
        value: bytes,
    }
    .into())
}

struct Opening {
    options: StoreOptions,
    lock: Box<dyn DiskLock>,
    superblock: SuperblockFile,
    keyring: Arc<Keyring>,
    opener: Arc<Opener>,
    reader: Arc<LogReader>,
    metrics: Arc<StoreMetrics>,
}

impl Opening {
    /// Lock and superblock; creates both in an empty directory.
    fn begin(options: StoreOptions) -> Result<Self> {
        let (disk, dir) = (options.disk.as_ref(), options.data_dir.as_path());
        let io = |what: &str, e| StorageError::io(format!("{what} {}", dir.display()), e);
        if !disk.exists(dir).map_err(|e| io("open", e))? {
            disk.create_dir(dir).map_err(|e| io("create", e))?;
        }
        let lock_path = dir.join(LOCK_FILE);
        let lock = disk.lock(&lock_path).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => StorageError::Locked(lock_path.display().to_string()),
            _ => StorageError::io(format!("lock {}", lock_path.display()), e),
        })?;
        if !disk
            .exists(&dir.join(superblock::FILE_NAME))
            .map_err(|e| io("open", e))?
        {
            genesis(&options)?;
        }
        let superblock = SuperblockFile::open(disk, dir)?;
        let keyring = Arc::new(Keyring::new(
            options.key_provider.clone(),
            options.entropy.clone(),
        ));
        let opener = Arc::new(Opener::new(keyring.clone()));
        let reader = Arc::new(LogReader::new(options.disk.clone(), dir));
        Ok(Self {
            lock,
            superblock,
            keyring,
            opener,
            reader,
            metrics: Arc::default(),
            options,
        })
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.options.data_dir.join(name)
    }

    /// The key of the projection's files. Tells a wrong master key before
    /// anything is changed.
    fn replica_key(&self) -> Result<Key> {
        let provider = self.options.key_provider.as_ref();
        let dir = self.dir(KEYS_DIR);
        match load_replica_key(&dir, provider) {
            Ok(Some(key)) => return Ok(key),
            // Lost or damaged: the projection is lost with it, nothing else is.
            Ok(None) | Err(StorageError::Format(_)) => {}
            Err(error) => return Err(error),
        }
        self.probe_master_key()?;
        Projection::destroy(&self.dir(PROJECTION_DIR))?;
        create_replica_key(&dir, provider, self.options.entropy.as_ref())
    }

    /// Without a replica key, the first key events of the log tell whether the master
    /// key is the right one.
    fn probe_master_key(&self) -> Result<()> {
        let newest = self.superblock.get().verified_index;
        if newest == 0 {
            return Ok(());
        }
        let probe = Keyring::new(
            self.options.key_provider.clone(),
            self.options.entropy.clone(),
        );
        let mut blocks = self.reader.blocks(1)?;
        for _ in 1..=newest {
            let Some((block, _, _)) = blocks.next()? else {
                break;
            };
            let mut found = false;
            for event in &block.events {
                if event.header.kind == EventKind::Key && !event.header.flags.redacted() {
                    probe.load_record(&crate::crypto::KeyRecord::from_bytes(event.body)?)?;
                    found = true;
                }
            }
            // Leaders come before the first keys, and there are few of those.
            if found {
                break;
            }
        }
        probe.check_master_key()
    }

    fn clear_tmp(&self) -> Result<()> {
        let (disk, tmp) = (self.options.disk.as_ref(), self.dir(TMP_DIR));
        let clear = || {
            disk.remove_dir_all(&tmp)?;
            disk.create_dir(&tmp)
        };
        clear().map_err(|e| StorageError::io(format!("clear {}", tmp.display()), e))
    }

    fn recover(&self) -> Result<Recovered> {
        let report = &self.options.progress;
        let progress = |index: u64| {
            if index.is_multiple_of(1000) {
                report(Progress::Walking { index });
            }
        };
        let (disk, dir) = (self.options.disk.as_ref(), &self.options.data_dir);
        let recovered = recover(disk, dir, self.superblock.get(), &progress)?;
        self.metrics.verified_blocks.add(recovered.walked);
        Ok(recovered)
    }

    fn set_log_bytes(&self, recovered: &Recovered) -> Result<()> {
        let firsts = list(self.options.disk.as_ref(), &self.options.data_dir)?;
        let full = firsts.len().saturating_sub(1) as u64 * self.superblock.get().segment_bytes;
        self.metrics.log_bytes.set(full + recovered.tail.offset);
        Ok(())
    }

    /// The projection, with everything in the log applied.
    fn projection(
        &self,
        key: &Key,
        recovered: &Recovered,
        mut discard: bool,
    ) -> Result<Projection> {
        let dir = self.dir(PROJECTION_DIR);
        let options = ProjectionOptions::new(self.options.entropy.clone());
        if !discard {
            match self.existing_projection(key, &options, recovered) {
                Ok(Some(projection)) => return Ok(projection),
                Ok(None) | Err(StorageError::Projection(_)) => discard = true,
                Err(error) => return Err(error),
            }
        }
        if discard {
            Projection::destroy(&dir)?;
        }
        let projection = Projection::open(&dir, key, &options)?;
        if recovered.head.index > 0 {
            self.metrics.rebuilds.add(1);
        }
        let head = self.committed(&projection, recovered)?;
        self.catch_up(&projection, &head, true)?;
        Ok(projection)
    }

    /// The projection that is there, if it belongs to this log.
    fn existing_projection(
        &self,
        key: &Key,
        options: &ProjectionOptions,
        recovered: &Recovered,
    ) -> Result<Option<Projection>> {
        let projection = match Projection::open(&self.dir(PROJECTION_DIR), key, options) {
            // One file that cannot be read any more; made again, it lies elsewhere.
            Err(error) if error.is_medium_failure() => return Ok(None),
            opened => opened?,
        };
        let positions = [projection.applied(), projection.pending_bulk()];
        if positions == [None, None] && recovered.head.index > 0 {
            return Ok(None);
        }
        for (index, hash) in positions.into_iter().flatten() {
            if index > recovered.head.index || !self.log_has(index, &hash)? {
                return Ok(None);
            }
        }
        for record in projection.key_records()? {
            self.keyring.load_record(&record)?;
        }
        self.keyring.check_master_key()?;
        let head = self.committed(&projection, recovered)?;
        self.catch_up(&projection, &head, false)?;
        Ok(Some(projection))
    }

    /// The newest block that is known to be committed: what comes after it is applied
    /// when the replica says so.
    fn committed(&self, projection: &Projection, recovered: &Recovered) -> Result<ChainHead> {
        let positions = [projection.applied(), projection.pending_bulk()];
        let projected = positions.into_iter().flatten().map(|(index, _)| index);
        let (superblock, head) = (self.superblock.get(), &recovered.head);
        let starter = &self.options.replica;
        let index = starter.committed(superblock, head, projected.max().unwrap_or(0))?;
        match index {
            0 => Ok(ChainHead::genesis(head.lineage)),
            _ if index >= head.index => Ok(*head),
            _ => self
                .reader
                .with_block(index, |block, _, _| Ok(ChainHead::of(&block.header))),
        }
    }

    fn log_has(&self, index: u64, hash: &crate::ids::Hash32) -> Result<bool> {
        self.reader
            .with_block(index, |block, _, _| Ok(block.header.block_hash == *hash))
    }

    fn catch_up(&self, projection: &Projection, head: &ChainHead, rebuild: bool) -> Result<()> {
        let (applied, _) = projection.applied().unwrap_or((0, NO_HASH));
        let total = head.index.saturating_sub(applied);
        let report = &self.options.progress;
        let progress = |index: u64| {
            let done = index.saturating_sub(applied);
            if !done.is_multiple_of(256) && done != total {
                return;
            }
            report(if rebuild {
                Progress::Rebuilding { done, total }
            } else {
                Progress::Replaying { done, total }
            });
        };
        let opener = EventOpener::new(self.keyring.clone(), self.opener.clone());
        let work = Replay {
            reader: &self.reader,
            opener: &opener,
            head,
            progress: &progress,
        };
        let count = replay(&work, projection)?;
        self.metrics.replayed_blocks.add(count);
        self.keyring.check_master_key()
    }

    fn start(self, projection: Projection, recovered: Recovered) -> Result<Store> {
        let Self {
            options,
            lock,
            superblock,
            keyring,
            opener,
            reader,
            metrics,
        } = self;
        let tmp = options.data_dir.join(TMP_DIR);
        // Replicas of one log roll their segments at the same places.
        let segment_bytes = superblock.get().segment_bytes;
        let source = ThreadedSegments::start(options.disk.clone(), tmp, segment_bytes)?;
        let writer = LogWriter::open(
            options.disk.clone(),
            &options.data_dir,
            segment_bytes,
            Box::new(source),
            recovered.head,
            recovered.tail,
        )?;
        let Superblock {
            cluster_id,
            lineage,
            replica_id,
            ..
        } = *superblock.get();
        let identity = Identity {
            cluster_id,
            lineage,
            replica_id,
            segment_bytes,
        };
        let seed = u64::from_le_bytes(draw(options.entropy.as_ref()));
        let replica = options.replica.start(ReplicaParts {
            writer,
            reader: reader.clone(),
            sink: Arc::new(projection.clone()),
            opener: EventOpener::new(keyring.clone(), opener.clone()),
            superblock,
            clock: options.clock.clone(),
            metrics: metrics.clone(),
            on_fatal: Arc::from(options.on_fatal),
            seed,
        })?;
        Ok(Store {
            replica,
            projection,
            reader,
            sealer: Arc::new(Sealer::new(keyring.clone(), options.entropy)),
            keyring,
            opener,
            clock: options.clock,
            metrics,
            identity,
            data_dir: options.data_dir,
            notes: recovered.notes,
            _lock: lock,
        })
    }
}

/// Makes an empty directory a data directory. The superblock comes last: with it
/// the directory is complete, without it the next start begins again.
fn genesis(options: &StoreOptions) -> Result<()> {
    let (disk, dir) = (options.disk.as_ref(), options.data_dir.as_path());
    refuse_remains(disk, dir)?;
    let make = || {
        for name in [LOG_DIR, PROJECTION_DIR, KEYS_DIR, TMP_DIR] {
            disk.create_dir(&dir.join(name))?;
        }
        disk.sync_dir(dir)
    };
    make().map_err(|e| StorageError::io(format!("create {}", dir.display()), e))?;
    let entropy = options.entropy.as_ref();
    create_replica_key(&dir.join(KEYS_DIR), options.key_provider.as_ref(), entropy)?;
    let founding = options.replica.founding().unwrap_or_else(|| Founding {
        identity: Identity {
            cluster_id: draw(entropy),
            lineage: Lineage(draw(entropy)),
            replica_id: 1,
            segment_bytes: options.segment_bytes,
        },
        configuration: Vec::new(),
    });
    let identity = founding.identity;
    let superblock = Superblock {
        sequence: 1,
        cluster_id: identity.cluster_id,
        lineage: identity.lineage,
        replica_id: identity.replica_id,
        term: 1,
        vote: 0,
        commit_floor: 0,
        verified_index: 0,
        verified_hash: NO_HASH,
        segment_bytes: identity.segment_bytes,
        created_us: options.clock.now_us(),
        clean: true,
        configuration: founding.configuration,
    };
    SuperblockFile::create(disk, dir, &dir.join(TMP_DIR), superblock).map(drop)
}

/// A directory with a log but no superblock is not empty, it is damaged.
fn refuse_remains(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let log = dir.join(LOG_DIR);
    let exists = disk
        .exists(&log)
        .map_err(|e| StorageError::io(format!("open {}", log.display()), e))?;
    if !exists || list(disk, dir)?.is_empty() {
        return Ok(());
    }
    Err(Damage {
        kind: DamageKind::Missing,
        file: superblock::FILE_NAME.into(),
        offset: 0,
        block_index: None,
        expected: None,
        found: None,
        tenants: Vec::new(),
        detail: "the directory has a log but no superblock; restore the file from a backup of \
                 this data directory"
            .into(),
    }
    .into())
}
