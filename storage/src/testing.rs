//! A node over a disk in memory, for the tests of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::apply::{ApplySink, EventOpener, MemSink, Replay, replay};
use crate::commit::{CommitLog, Committed, SealedTransaction};
use crate::crypto::{EnvKeyProvider, Keyring, Opener, Sealer};
use crate::disk::{Disk, MemDisk};
use crate::env::fixed::{FixedClock, FixedEntropy};
use crate::error::{Result, StorageError};
use crate::event::{EventKind, SealedEvent};
use crate::ids::{Lineage, NO_HASH, TenantId};
use crate::log::recovery::{Recovered, recover};
use crate::log::{InlineSegments, LogReader, LogWriter};
use crate::metrics::StoreMetrics;
use crate::node::{NodeParts, SingleNode};
use crate::superblock::{Superblock, SuperblockFile};
use crate::txn::{Change, Op, Space, StreamChanges, Txn, encode};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

pub(crate) const LINEAGE: Lineage = Lineage([9; 16]);
pub(crate) const DIR: &str = "/data";

pub(crate) fn dir() -> PathBuf {
    PathBuf::from(DIR)
}

pub(crate) fn first_superblock(segment_bytes: u64) -> Superblock {
    Superblock {
        sequence: 1,
        cluster_id: [1; 16],
        lineage: LINEAGE,
        replica_id: 1,
        term: 1,
        vote: 0,
        commit_floor: 0,
        verified_index: 0,
        verified_hash: NO_HASH,
        segment_bytes,
        created_us: 0,
        clean: true,
        configuration: Vec::new(),
    }
}

/// An open node and what belongs to it.
pub(crate) struct TestNode {
    pub(crate) node: SingleNode,
    pub(crate) sink: Arc<MemSink>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) sealer: Sealer,
    pub(crate) recovered: Recovered,
    pub(crate) metrics: Arc<StoreMetrics>,
    pub(crate) fatal: Arc<AtomicUsize>,
}

/// Does what `Store::open` does, with a projection in memory.
pub(crate) fn open(disk: &MemDisk, segment_bytes: u64, seed: u64) -> Result<TestNode> {
    open_with(disk, segment_bytes, seed, Arc::new(MemSink::new()))
}

pub(crate) fn open_with(
    disk: &MemDisk,
    segment_bytes: u64,
    seed: u64,
    sink: Arc<MemSink>,
) -> Result<TestNode> {
    let dir = dir();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let io = |e| StorageError::io("test", e);
    let tmp = dir.join("tmp");
    disk.create_dir(&dir.join("log")).map_err(io)?;
    if !disk.exists(&dir.join("superblock")).map_err(io)? {
        disk.create_dir(&tmp).map_err(io)?;
        SuperblockFile::create(disk, &dir, &tmp, first_superblock(segment_bytes))?;
    }
    disk.remove_dir_all(&tmp).map_err(io)?;
    disk.create_dir(&tmp).map_err(io)?;
    let superblock = SuperblockFile::open(disk, &dir)?;
    let recovered = recover(disk, &dir, superblock.get(), &|_| {})?;
    let entropy = Arc::new(FixedEntropy::new(seed));
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let provider = Arc::new(EnvKeyProvider::new(key)?);
    let keyring = Arc::new(Keyring::new(provider, entropy.clone()));
    let reader = Arc::new(LogReader::new(shared.clone(), &dir));
    let opener = EventOpener::new(keyring.clone(), Arc::new(Opener::new(keyring.clone())));
    for record in sink.key_records()? {
        keyring.load_record(&record)?;
    }
    let work = Replay {
        reader: &reader,
        opener: &opener,
        head: &recovered.head,
        progress: &|_| {},
    };
    replay(&work, sink.as_ref())?;
    let source = InlineSegments::new(shared.clone(), tmp, segment_bytes);
    let (head, tail) = (recovered.head, recovered.tail);
    let writer = LogWriter::open(shared, &dir, segment_bytes, Box::new(source), head, tail)?;
    let metrics = Arc::new(StoreMetrics::default());
    let fatal = Arc::new(AtomicUsize::new(0));
    let count = fatal.clone();
    let node = SingleNode::start(NodeParts {
        writer,
        reader,
        sink: sink.clone(),
        opener,
        superblock,
        clock: Arc::new(FixedClock::new(1_000_000, 1)),
        metrics: metrics.clone(),
        on_fatal: Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }),
    })?;
    let sealer = Sealer::new(keyring.clone(), entropy);
    Ok(TestNode {
        node,
        sink,
        keyring,
        sealer,
        recovered,
        metrics,
        fatal,
    })
}

/// A transaction that sets keys to values.
pub(crate) fn sets(pairs: &[(&str, &[u8])]) -> Txn {
    let change = |(key, value): &(&str, &[u8])| Change {
        op: Op::Insert as i32,
        key: key.as_bytes().to_vec().into(),
        value: value.to_vec().into(),
        changed: Vec::new(),
    };
    Txn {
        principal: "tester".into(),
        time_us: 5,
        statements: Vec::new(),
        streams: vec![StreamChanges {
            stream: 7,
            space: Space::Rows as i32,
            changes: pairs.iter().map(change).collect(),
        }],
        part_count: 0,
    }
}

impl TestNode {
    pub(crate) fn submit(&self, txn: SealedTransaction) -> mpsc::Receiver<Result<Committed>> {
        let (send, receive) = mpsc::channel();
        self.node.submit(
            txn,
            Box::new(move |result| {
                let _ = send.send(result);
            }),
        );
        receive
    }

    pub(crate) fn commit(&self, txn: SealedTransaction) -> Result<Committed> {
        let lost = |_| StorageError::Closed("the callback was dropped".into());
        self.submit(txn).recv().map_err(lost)?
    }

    pub(crate) fn new_tenant(&self) -> Result<TenantId> {
        let (tenant, records) = self.keyring.create_tenant()?;
        let events = records.iter().map(|record| {
            SealedEvent::unsealed(tenant, EventKind::Key, record.to_bytes()).unwrap()
        });
        self.commit(SealedTransaction {
            tenant,
            events: events.collect(),
            plain: None,
        })?;
        Ok(tenant)
    }

    /// Seals a transaction; the applier has to open it again when `plain` is not
    /// handed over.
    pub(crate) fn seal(&self, tenant: TenantId, txn: Txn, plain: bool) -> SealedTransaction {
        let event = self
            .sealer
            .seal(tenant, EventKind::Txn, encode(&txn).unwrap())
            .unwrap();
        SealedTransaction {
            tenant,
            events: vec![event],
            plain: plain.then(|| Arc::new(txn)),
        }
    }

    /// Seals the transactions as parts of one, closed by an empty one.
    pub(crate) fn seal_parts(&self, tenant: TenantId, parts: &[Txn]) -> SealedTransaction {
        let seal = |kind, txn: &Txn| {
            self.sealer
                .seal(tenant, kind, encode(txn).unwrap())
                .unwrap()
        };
        let mut events: Vec<_> = parts.iter().map(|p| seal(EventKind::TxnPart, p)).collect();
        let close = Txn {
            part_count: parts.len() as u32,
            ..sets(&[])
        };
        events.push(seal(EventKind::Txn, &close));
        SealedTransaction {
            tenant,
            events,
            plain: None,
        }
    }

    pub(crate) fn set(&self, tenant: TenantId, key: &str, value: &[u8]) -> Result<Committed> {
        self.commit(self.seal(tenant, sets(&[(key, value)]), true))
    }

    pub(crate) fn value(&self, tenant: TenantId, key: &str) -> Option<Vec<u8>> {
        let key = (tenant, Space::Rows as i32, 7, key.as_bytes().to_vec());
        self.sink.rows().get(&key).cloned()
    }
}

/// Bytes that do not compress and have no zeroes in a row.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    use crate::env::Entropy as _;
    let mut bytes = vec![0; len];
    FixedEntropy::new(seed).fill(&mut bytes);
    bytes
}

/// The only segment of a small log.
pub(crate) fn first_segment() -> PathBuf {
    Path::new(DIR)
        .join("log")
        .join(crate::segment::file_name(1))
}
