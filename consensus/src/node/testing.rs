//! Nodes over disks in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kimberlite_storage::apply::{EventOpener, MemSink, Replay, replay};
use kimberlite_storage::env::fixed::{FixedClock, FixedEntropy};
use kimberlite_storage::log::recovery::{Recovered, recover};
use kimberlite_storage::log::{InlineSegments, LogReader, LogWriter};
use kimberlite_storage::superblock::{Superblock, SuperblockFile};
use kimberlite_storage::txn::{Space, encode};
use kimberlite_storage::{
    ApplySink as _, Change, CommitLog as _, Committed, Disk, Entropy as _, EnvKeyProvider,
    EventKind, Keyring, Lineage, MemDisk, Op, Opener, Result, SealedEvent, SealedTransaction,
    Sealer, StorageError, StoreMetrics, StreamChanges, TenantId, Txn,
};

use super::*;

const LINEAGE: Lineage = Lineage([4; 16]);

pub(super) fn dir() -> PathBuf {
    PathBuf::from("/data")
}

pub(super) struct TestNode {
    pub(super) node: Arc<Node>,
    pub(super) sink: Arc<MemSink>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) sealer: Sealer,
    pub(super) recovered: Recovered,
    pub(super) metrics: Arc<StoreMetrics>,
    pub(super) fatal: Arc<AtomicUsize>,
}

/// A data directory of a member of a cluster.
pub(super) fn create(disk: &MemDisk, segment: u64, replica: u64, voters: &[u64]) -> Result<()> {
    let tmp = dir().join("tmp");
    let io = |e| StorageError::io("test", e);
    disk.create_dir(&dir().join("log")).map_err(io)?;
    disk.create_dir(&tmp).map_err(io)?;
    let superblock = Superblock {
        sequence: 1,
        cluster_id: [1; 16],
        lineage: LINEAGE,
        replica_id: replica,
        term: 1,
        vote: 0,
        commit_floor: 0,
        verified_index: 0,
        verified_hash: [0; 32],
        segment_bytes: segment,
        created_us: 0,
        clean: true,
        configuration: Members::first(voters.iter().copied()).encode(),
    };
    SuperblockFile::create(disk, &dir(), &tmp, superblock).map(drop)
}

/// Does what opening a store does, with a projection in memory.
pub(super) fn start(
    disk: &MemDisk,
    segment: u64,
    seed: u64,
    sink: Arc<MemSink>,
    outbox: Arc<dyn Outbox>,
) -> Result<TestNode> {
    let tmp = dir().join("tmp");
    let io = |e| StorageError::io("test", e);
    disk.remove_dir_all(&tmp).map_err(io)?;
    disk.create_dir(&tmp).map_err(io)?;
    let superblock = SuperblockFile::open(disk, &dir())?;
    let recovered = recover(disk, &dir(), superblock.get(), &|_| {})?;
    let (head, tail) = (recovered.head, recovered.tail);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let reader = Arc::new(LogReader::new(Arc::clone(&shared), &dir()));
    let provider = EnvKeyProvider::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")?;
    let entropy = Arc::new(FixedEntropy::new(seed));
    let keyring = Arc::new(Keyring::new(Arc::new(provider), entropy.clone()));
    let opener = EventOpener::new(keyring.clone(), Arc::new(Opener::new(keyring.clone())));
    for record in sink.key_records()? {
        keyring.load_record(&record)?;
    }
    if super::start::committed(superblock.get(), &head, 0)? == head.index {
        let work = Replay {
            reader: &reader,
            opener: &opener,
            head: &head,
            progress: &|_| {},
        };
        replay(&work, sink.as_ref())?;
    }
    let source = InlineSegments::new(Arc::clone(&shared), tmp, segment);
    let writer = LogWriter::open(shared, &dir(), segment, Box::new(source), head, tail)?;
    let fatal = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fatal);
    let metrics = Arc::new(StoreMetrics::default());
    let node = Node::start(NodeParts {
        replica: ReplicaParts {
            writer,
            reader,
            sink: sink.clone(),
            opener,
            superblock,
            clock: Arc::new(FixedClock::new(1_000_000, 1)),
            metrics: Arc::clone(&metrics),
            on_fatal: Arc::new(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            }),
            seed,
        },
        outbox,
        pace: Pace {
            tick: Duration::from_millis(5),
            heartbeat_ticks: 2,
            election_ticks: 10,
        },
        batch_max: usize::MAX,
        rests: false,
    })?;
    Ok(TestNode {
        node: Arc::new(node),
        sealer: Sealer::new(keyring.clone(), entropy),
        keyring,
        sink,
        recovered,
        metrics,
        fatal,
    })
}

/// A replica that is alone.
pub(super) fn open(disk: &MemDisk, segment: u64, seed: u64) -> Result<TestNode> {
    open_with(disk, segment, seed, Arc::new(MemSink::new()))
}

/// The same with a projection that may have something already.
pub(super) fn open_with(
    disk: &MemDisk,
    segment: u64,
    seed: u64,
    sink: Arc<MemSink>,
) -> Result<TestNode> {
    if !disk.exists(&dir().join("superblock")).unwrap_or(false) {
        create(disk, segment, 1, &[1])?;
    }
    start(disk, segment, seed, sink, Arc::new(NoPeers))
}

impl TestNode {
    pub(super) fn submit(&self, txn: SealedTransaction) -> mpsc::Receiver<Result<Committed>> {
        let (send, receive) = mpsc::channel();
        self.node.submit(
            txn,
            Box::new(move |result| {
                let _ = send.send(result);
            }),
        );
        receive
    }

    pub(super) fn commit(&self, txn: SealedTransaction) -> Result<Committed> {
        self.submit(txn).recv().expect("nobody was told")
    }

    pub(super) fn new_tenant(&self) -> Result<TenantId> {
        let (tenant, records) = self.keyring.create_tenant()?;
        let event = |record: &kimberlite_storage::KeyRecord| {
            SealedEvent::unsealed(tenant, EventKind::Key, record.to_bytes()).unwrap()
        };
        self.commit(SealedTransaction {
            tenant,
            events: records.iter().map(event).collect(),
            plain: None,
            epoch: 0,
        })?;
        Ok(tenant)
    }

    /// Seals a transaction; the applier has to open it again when `plain` is not handed
    /// over.
    pub(super) fn seal(&self, tenant: TenantId, txn: Txn, plain: bool) -> SealedTransaction {
        let bytes = encode(&txn).unwrap();
        let event = self.sealer.seal(tenant, EventKind::Txn, bytes).unwrap();
        SealedTransaction {
            tenant,
            events: vec![event],
            plain: plain.then(|| Arc::new(txn)),
            epoch: 0,
        }
    }

    /// Seals the transactions as parts of one, closed by an empty one.
    pub(super) fn seal_parts(&self, tenant: TenantId, parts: &[Txn]) -> SealedTransaction {
        let seal = |kind, txn: &Txn| {
            let bytes = encode(txn).unwrap();
            self.sealer.seal(tenant, kind, bytes).unwrap()
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
            epoch: 0,
        }
    }

    pub(super) fn set(&self, tenant: TenantId, key: &str, value: &[u8]) -> Result<Committed> {
        self.commit(self.seal(tenant, sets(&[(key, value)]), true))
    }

    pub(super) fn value(&self, tenant: TenantId, key: &str) -> Option<Vec<u8>> {
        let key = (tenant, Space::Rows as i32, 7, key.as_bytes().to_vec());
        self.sink.rows().get(&key).cloned()
    }

    pub(super) fn read(&self) -> Result<u64> {
        let (send, receive) = mpsc::channel();
        self.node.read(Box::new(move |result| {
            let _ = send.send(result);
        }));
        receive.recv().expect("nobody was told")
    }
}

/// A transaction that sets keys to values.
pub(super) fn sets(pairs: &[(&str, &[u8])]) -> Txn {
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

/// Bytes that do not compress and have no zeroes in a row.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    FixedEntropy::new(seed).fill(&mut bytes);
    bytes
}

/// The indices of the first blocks of the segments.
pub(super) fn segments(disk: &MemDisk) -> Vec<u64> {
    kimberlite_storage::segment::list(disk, Path::new("/data")).unwrap()
}
