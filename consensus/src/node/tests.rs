//! Three nodes together, over disks in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

use kimberlite_storage::apply::MemSink;
use kimberlite_storage::{Committed, EventKind, MemDisk, SealedEvent, StorageError, TenantId};

use super::testing::{TestNode, create, open, start};
use super::*;
use crate::members::Peer;

const SEGMENT: u64 = 128 << 10;

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
            to.deliver(frame, Box::new(()));
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
            create(&disk, SEGMENT, *id, voters).unwrap();
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
        let sink = Arc::new(MemSink::new());
        let disk = &self.disks[&id];
        let node = start(disk, SEGMENT, id, sink, Arc::new(link)).unwrap();
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
fn what_the_log_says_of_replicas_is_known_after_a_restart() {
    let disk = MemDisk::new();
    let peer = |byte: u8| Peer {
        incarnation: [byte; 16],
        address: "localhost:7000".into(),
        name: "one".into(),
    };
    let change = |node: &TestNode, change| {
        let (send, receive) = mpsc::channel();
        let done = Box::new(move |answer| drop(send.send(answer)));
        node.node.change(change, done);
        receive.recv().expect("nobody was told")
    };
    let node = open(&disk, SEGMENT, 1).unwrap();
    node.new_tenant().unwrap();
    change(&node, MemberChange::update(1, peer(1))).unwrap();
    // What comes after it is committed after it.
    node.new_tenant().unwrap();
    // Whether this one is committed before the end is not known, and makes no difference.
    change(&node, MemberChange::admit(2, peer(2))).unwrap();
    node.node.close().unwrap();
    drop(node);
    for seed in 2..4 {
        let node = open(&disk, SEGMENT, seed).unwrap();
        node.new_tenant().unwrap();
        assert_eq!(node.node.status().members.standbys, [2]);
        for replica in [1, 2] {
            let other = MemberChange::update(replica, peer(9));
            let refused = change(&node, other).unwrap_err();
            assert!(matches!(refused, Refusal::Unsafe(_)), "{refused}");
        }
        change(&node, MemberChange::update(1, peer(1))).unwrap();
        node.node.close().unwrap();
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
        epoch: 0,
    });
    assert!(
        matches!(refused, Err(StorageError::NotCommitted(_))),
        "{refused:?}"
    );
    // What began here, or before, is not put in the log.
    assert_eq!(cluster.nodes[&follower].node.epoch(), None);
    let leader = &cluster.nodes[&cluster.leader()];
    let epoch = leader.node.epoch().unwrap();
    for (epoch, good) in [(epoch - 1, false), (epoch, true), (epoch + 1, false)] {
        let audit = SealedEvent::unsealed(tenant, EventKind::Audit, vec![1]).unwrap();
        let told = leader.commit(SealedTransaction {
            tenant,
            events: vec![audit],
            plain: None,
            epoch,
        });
        match told {
            Ok(_) => assert!(good),
            Err(StorageError::NotCommitted(why)) => assert!(!good, "{why}"),
            Err(error) => panic!("{error}"),
        }
    }
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
