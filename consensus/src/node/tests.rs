//! Nodes over disks in memory, alone and three together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

use kimberlite_storage::apply::{EventOpener, MemSink, Replay, replay};
use kimberlite_storage::env::fixed::{FixedClock, FixedEntropy};
use kimberlite_storage::log::recovery::recover;
use kimberlite_storage::log::{InlineSegments, LogReader, LogWriter};
use kimberlite_storage::superblock::{Superblock, SuperblockFile};
use kimberlite_storage::txn::{Space, encode};
use kimberlite_storage::{
    Change, CommitLog as _, Committed, Disk, EnvKeyProvider, EventKind, Fault, Keyring, Lineage,
    MemDisk, Op, Opener, Result, SealedEvent, SealedTransaction, Sealer, StorageError,
    StreamChanges, TenantId, Txn,
};

use super::*;

const LINEAGE: Lineage = Lineage([4; 16]);
const SEGMENT: u64 = 128 << 10;

fn dir() -> PathBuf {
    PathBuf::from("/data")
}

struct TestNode {
    node: Arc<Node>,
    sink: Arc<MemSink>,
    keyring: Arc<Keyring>,
    sealer: Sealer,
    fatal: Arc<AtomicUsize>,
}

/// A data directory of a member of a cluster.
fn create(disk: &MemDisk, replica: u64, voters: &[u64]) -> Result<()> {
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
        segment_bytes: SEGMENT,
        created_us: 0,
        clean: true,
        configuration: Members::first(voters.iter().copied()).encode(),
    };
    SuperblockFile::create(disk, &dir(), &tmp, superblock).map(drop)
}

fn open(disk: &MemDisk, seed: u64, outbox: Arc<dyn Outbox>) -> Result<TestNode> {
    let tmp = dir().join("tmp");
    let io = |e| StorageError::io("test", e);
    disk.remove_dir_all(&tmp).map_err(io)?;
    disk.create_dir(&tmp).map_err(io)?;
    let superblock = SuperblockFile::open(disk, &dir())?;
    let recovered = recover(disk, &dir(), superblock.get(), &|_| {})?;
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let reader = Arc::new(LogReader::new(Arc::clone(&shared), &dir()));
    let provider = EnvKeyProvider::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")?;
    let entropy = Arc::new(FixedEntropy::new(seed));
    let keyring = Arc::new(Keyring::new(Arc::new(provider), entropy.clone()));
    let opener = EventOpener::new(keyring.clone(), Arc::new(Opener::new(keyring.clone())));
    let sink = Arc::new(MemSink::new());
    if Members::decode(&superblock.get().configuration)?
        .voters
        .len()
        == 1
    {
        let work = Replay {
            reader: &reader,
            opener: &opener,
            head: &recovered.head,
            progress: &|_| {},
        };
        replay(&work, sink.as_ref())?;
    }
    let source = InlineSegments::new(Arc::clone(&shared), tmp, SEGMENT);
    let (head, tail) = (recovered.head, recovered.tail);
    let writer = LogWriter::open(shared, &dir(), SEGMENT, Box::new(source), head, tail)?;
    let fatal = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fatal);
    let node = Node::start(NodeParts {
        writer,
        reader,
        sink: sink.clone(),
        opener,
        superblock,
        clock: Arc::new(FixedClock::new(1_000_000, 1)),
        metrics: Arc::default(),
        on_fatal: Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }),
        outbox,
        pace: Pace {
            tick: Duration::from_millis(5),
            heartbeat_ticks: 2,
            election_ticks: 10,
        },
        seed,
    })?;
    Ok(TestNode {
        node: Arc::new(node),
        sealer: Sealer::new(keyring.clone(), entropy),
        keyring,
        sink,
        fatal,
    })
}

fn alone(disk: &MemDisk, seed: u64) -> Result<TestNode> {
    if !disk.exists(&dir().join("superblock")).unwrap_or(false) {
        create(disk, 1, &[1])?;
    }
    open(disk, seed, Arc::new(NoPeers))
}

impl TestNode {
    fn commit(&self, txn: SealedTransaction) -> Result<Committed> {
        let (send, receive) = mpsc::channel();
        self.node.submit(
            txn,
            Box::new(move |result| {
                let _ = send.send(result);
            }),
        );
        receive.recv().expect("nobody was told")
    }

    fn new_tenant(&self) -> Result<TenantId> {
        let (tenant, records) = self.keyring.create_tenant()?;
        let event = |record: &kimberlite_storage::KeyRecord| {
            SealedEvent::unsealed(tenant, EventKind::Key, record.to_bytes()).unwrap()
        };
        self.commit(SealedTransaction {
            tenant,
            events: records.iter().map(event).collect(),
            plain: None,
        })?;
        Ok(tenant)
    }

    fn set(&self, tenant: TenantId, key: &str, value: &[u8]) -> Result<Committed> {
        let txn = sets(key, value);
        let event = self
            .sealer
            .seal(tenant, EventKind::Txn, encode(&txn).unwrap())?;
        self.commit(SealedTransaction {
            tenant,
            events: vec![event],
            plain: Some(Arc::new(txn)),
        })
    }

    fn value(&self, tenant: TenantId, key: &str) -> Option<Vec<u8>> {
        let key = (tenant, Space::Rows as i32, 7, key.as_bytes().to_vec());
        self.sink.rows().get(&key).cloned()
    }

    fn read(&self) -> Result<u64> {
        let (send, receive) = mpsc::channel();
        self.node.read(Box::new(move |result| {
            let _ = send.send(result);
        }));
        receive.recv().expect("nobody was told")
    }
}

fn sets(key: &str, value: &[u8]) -> Txn {
    Txn {
        principal: "tester".into(),
        time_us: 5,
        statements: Vec::new(),
        streams: vec![StreamChanges {
            stream: 7,
            space: Space::Rows as i32,
            changes: vec![Change {
                op: Op::Insert as i32,
                key: key.as_bytes().to_vec().into(),
                value: value.to_vec().into(),
                changed: Vec::new(),
            }],
        }],
        part_count: 0,
    }
}

#[test]
fn what_is_committed_is_there_after_opening_again() {
    let disk = MemDisk::new();
    let node = alone(&disk, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    let first = node.set(tenant, "a", b"1").unwrap();
    let second = node.set(tenant, "a", b"2").unwrap();
    assert!(second.index > first.index && second.timestamp_us > first.timestamp_us);
    assert_eq!(node.value(tenant, "a"), Some(b"2".to_vec()));
    assert!(node.read().unwrap() >= second.index);
    node.node.close().unwrap();
    node.node.close().unwrap();
    let late = node.set(tenant, "b", b"3");
    assert!(matches!(late, Err(StorageError::Closed(_))), "{late:?}");
    let again = alone(&disk, 2).unwrap();
    assert_eq!(again.value(tenant, "a"), Some(b"2".to_vec()));
    again.set(tenant, "c", b"4").unwrap();
    drop(again);
    let third = alone(&disk, 3).unwrap();
    assert_eq!(third.value(tenant, "c"), Some(b"4".to_vec()));
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_was_acknowledged() {
    let mut struck = 0;
    for at in 10..140 {
        let disk = MemDisk::new();
        create(&disk, 1, &[1]).unwrap();
        disk.inject(Fault::CrashAt(disk.operations() + at));
        let mut acknowledged = Vec::new();
        let mut tenant = None;
        if let Ok(node) = open(&disk, 1, Arc::new(NoPeers)) {
            tenant = node.new_tenant().ok();
            for number in 0..30_u8 {
                let Some(tenant) = tenant else { break };
                let value = vec![number; 5_000];
                match node.set(tenant, &format!("k{number}"), &value) {
                    Ok(_) => acknowledged.push((number, value)),
                    Err(error) => {
                        assert!(matches!(error, StorageError::Closed(_)), "{error}");
                        assert_eq!(node.fatal.load(Ordering::SeqCst), 1);
                        struck += 1;
                        break;
                    }
                }
            }
        }
        let after = disk.crash(at);
        let node = alone(&after, 2).unwrap_or_else(|e| panic!("crash at {at}: {e}"));
        for (number, value) in acknowledged {
            let found = node.value(tenant.unwrap(), &format!("k{number}"));
            assert_eq!(found, Some(value), "crash at {at}: write {number}");
        }
        let tenant = node.new_tenant().unwrap();
        node.set(tenant, "new", b"1").unwrap();
    }
    assert!(struck > 60, "only {struck} crashes struck a commit");
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = MemDisk::new();
    let node = alone(&disk, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    disk.set_free_bytes(Some(0));
    let mut stored = 0;
    let refused = loop {
        match node.set(tenant, &format!("k{stored}"), &vec![stored; 20_000]) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StorageError::Full { .. }), "{refused}");
    let again = node.set(tenant, "b", b"2");
    assert!(matches!(again, Err(StorageError::Full { .. })), "{again:?}");
    disk.set_free_bytes(None);
    node.set(tenant, "c", b"3").unwrap();
    for number in 0..stored {
        let found = node.value(tenant, &format!("k{number}"));
        assert_eq!(found, Some(vec![number; 20_000]));
    }
    assert_eq!(node.fatal.load(Ordering::SeqCst), 0);
}

#[test]
fn many_sessions_share_blocks() {
    let disk = MemDisk::new();
    let node = alone(&disk, 1).unwrap();
    let tenant = node.new_tenant().unwrap();
    std::thread::scope(|scope| {
        for session in 0..8 {
            let node = &node;
            scope.spawn(move || {
                for number in 0..50 {
                    let key = format!("s{session}-{number}");
                    node.set(tenant, &key, key.as_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(node.sink.transactions(), 400);
    assert_eq!(node.value(tenant, "s7-49"), Some(b"s7-49".to_vec()));
}

/// Replicas in one process; frames go straight to their receiver.
#[derive(Default)]
struct Network {
    nodes: Mutex<BTreeMap<u64, Weak<Node>>>,
}

struct Link {
    from: u64,
    network: Arc<Network>,
}

impl Outbox for Link {
    fn send(&self, frame: Frame) {
        let nodes = self.network.nodes.lock().unwrap();
        // Who is not there hears nothing, nor is heard.
        let to = nodes.get(&frame.to()).and_then(Weak::upgrade);
        if let Some(to) = to.filter(|_| nodes.contains_key(&self.from)) {
            to.deliver(frame);
        }
    }
}

struct Cluster {
    network: Arc<Network>,
    disks: BTreeMap<u64, MemDisk>,
    nodes: BTreeMap<u64, TestNode>,
}

impl Cluster {
    fn of(voters: &[u64]) -> Self {
        let mut cluster = Self {
            network: Arc::default(),
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        for id in voters {
            let disk = MemDisk::new();
            create(&disk, *id, voters).unwrap();
            cluster.disks.insert(*id, disk);
            cluster.start(*id);
        }
        cluster
    }

    fn start(&mut self, id: u64) {
        let link = Link {
            from: id,
            network: Arc::clone(&self.network),
        };
        let node = open(&self.disks[&id], id, Arc::new(link)).unwrap();
        let mut nodes = self.network.nodes.lock().unwrap();
        nodes.insert(id, Arc::downgrade(&node.node));
        drop(nodes);
        self.nodes.insert(id, node);
    }

    /// A replica loses power.
    fn kill(&mut self, id: u64) {
        self.network.nodes.lock().unwrap().remove(&id);
        let disk = self.disks[&id].crash(id);
        drop(self.nodes.remove(&id));
        self.disks.insert(id, disk);
    }

    /// Waits until one of the running replicas leads, and all know it.
    fn leader(&self) -> u64 {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let leaders: Vec<Leadership> = self
                .nodes
                .values()
                .map(|node| node.node.status().leadership)
                .collect();
            let first = leaders[0];
            if leaders.iter().all(|l| *l == first) && self.nodes.contains_key(&first.leader) {
                return first.leader;
            }
            std::thread::yield_now();
        }
        panic!("nobody leads");
    }

    /// Commits on whoever leads, as a client that tries again does.
    fn set(&self, tenant: TenantId, key: &str, value: &[u8]) -> Committed {
        loop {
            match self.nodes[&self.leader()].set(tenant, key, value) {
                Ok(committed) => return committed,
                Err(StorageError::NotCommitted(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_cluster_goes_on_without_its_leader_and_loses_nothing() {
    let mut cluster = Cluster::of(&[1, 2, 3]);
    let first = cluster.leader();
    let tenant = cluster.nodes[&first].new_tenant().unwrap();
    for number in 0..20 {
        cluster.set(tenant, &format!("a{number}"), b"before");
    }
    let follower = (1..=3).find(|id| *id != first).unwrap();
    let refused = cluster.nodes[&follower].commit(SealedTransaction {
        tenant,
        events: vec![SealedEvent::unsealed(tenant, EventKind::Audit, vec![1]).unwrap()],
        plain: None,
    });
    assert!(
        matches!(refused, Err(StorageError::NotCommitted(_))),
        "{refused:?}"
    );
    // A read on a follower sees what the leader has acknowledged.
    let newest = cluster.set(tenant, "b", b"read me");
    assert!(cluster.nodes[&follower].read().unwrap() >= newest.index);
    let seen = cluster.nodes[&follower].value(tenant, "b");
    assert_eq!(seen, Some(b"read me".to_vec()));

    cluster.kill(first);
    let second = cluster.leader();
    assert_ne!(second, first);
    for number in 0..20 {
        cluster.set(tenant, &format!("c{number}"), b"after");
    }
    cluster.start(first);
    let newest = cluster.set(tenant, "d", b"all are back");
    for node in cluster.nodes.values() {
        assert!(node.read().unwrap() >= newest.index);
        assert_eq!(node.value(tenant, "a19"), Some(b"before".to_vec()));
        assert_eq!(node.value(tenant, "c19"), Some(b"after".to_vec()));
        assert_eq!(node.value(tenant, "d"), Some(b"all are back".to_vec()));
        assert_eq!(node.node.status().last_alarm, None);
    }
    let rows: Vec<_> = cluster
        .nodes
        .values()
        .map(|node| node.sink.rows())
        .collect();
    assert!(rows.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn leadership_is_passed_on_when_asked() {
    let cluster = Cluster::of(&[1, 2, 3]);
    let first = cluster.leader();
    let tenant = cluster.nodes[&first].new_tenant().unwrap();
    let next = first % 3 + 1;
    cluster.set(tenant, "a", b"1");
    while cluster.leader() != next {
        cluster.nodes[&cluster.leader()].node.transfer(next);
        std::thread::yield_now();
    }
    cluster.set(tenant, "a", b"2");
    assert_eq!(cluster.nodes[&next].value(tenant, "a"), Some(b"2".to_vec()));
}

#[test]
fn a_minority_acknowledges_nothing() {
    let mut cluster = Cluster::of(&[1, 2, 3]);
    let leader = cluster.leader();
    let tenant = cluster.nodes[&leader].new_tenant().unwrap();
    for id in 1..=3 {
        if id != leader {
            cluster.kill(id);
        }
    }
    let answer = cluster.nodes[&leader].set(tenant, "a", b"1");
    let open = matches!(
        answer,
        Err(StorageError::Unknown(_) | StorageError::NotCommitted(_))
    );
    assert!(open, "{answer:?}");
    assert_eq!(cluster.nodes[&leader].value(tenant, "a"), None);
}
