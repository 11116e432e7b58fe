//! Transports on loopback, with real certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod calls;
mod certificates;
mod frames;
mod raw;
mod refusals;
mod stuck;
mod trust;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kimberlite_storage::event::{EventFlags, EventHeader, EventKind};
use kimberlite_storage::{BlockBuilder, BlockKind, ChainHead, KeyId, Lineage, TenantId};
use raft::eraftpb::{Message, MessageType};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use self::certificates::Site;
use super::*;
use crate::block_entry::entry_of;

pub(super) const LINEAGE: Lineage = Lineage([3; 16]);
pub(super) const IDENTITY: Identity = Identity {
    cluster_id: [7; 16],
    lineage: LINEAGE,
};
const PATIENCE: Duration = Duration::from_secs(120);

/// Polls until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("it never came to pass: {what}");
    }
}

#[derive(Default)]
struct TestInbox {
    frames: Mutex<VecDeque<(Frame, Permit)>>,
    came: Notify,
    lost: Mutex<Vec<u64>>,
}

impl Inbox for TestInbox {
    fn deliver(&self, frame: Frame, permit: Permit) {
        self.frames.lock().unwrap().push_back((frame, permit));
        self.came.notify_one();
    }

    fn unreachable(&self, peer: u64) {
        self.lost.lock().unwrap().push(peer);
    }
}

impl TestInbox {
    async fn next(&self) -> Frame {
        let waiting = async {
            loop {
                if let Some((frame, _)) = self.frames.lock().unwrap().pop_front() {
                    return frame;
                }
                self.came.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("no frame came")
    }

    fn waiting(&self) -> usize {
        self.frames.lock().unwrap().len()
    }

    fn lost(&self) -> Vec<u64> {
        self.lost.lock().unwrap().clone()
    }
}

/// Answers with what was asked for, and sends back what comes.
#[derive(Default)]
struct TestHandler {
    callers: Mutex<Vec<Caller>>,
    dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl Handler for TestHandler {
    async fn request(&self, caller: Caller, request: Bytes) -> Bytes {
        self.callers.lock().unwrap().push(caller);
        match &request[..] {
            b"longest" => vec![5; ANSWER_LEN_MAX].into(),
            b"too long" => vec![5; ANSWER_LEN_MAX + 1].into(),
            b"never" => {
                let _on_drop = OnDrop(Arc::clone(&self.dropped));
                std::future::pending().await
            }
            _ => request,
        }
    }

    async fn session(&self, caller: Caller, stream: SessionStream) {
        self.callers.lock().unwrap().push(caller);
        let (mut reader, mut writer) = tokio::io::split(stream);
        drop(tokio::io::copy(&mut reader, &mut writer).await);
        drop(writer.shutdown().await);
    }
}

/// A transport and what it serves.
struct Node {
    replica: u64,
    transport: Arc<Transport>,
    inbox: Arc<TestInbox>,
    handler: Arc<TestHandler>,
    address: String,
}

impl Node {
    async fn start(site: &Site, replica: u64) -> Self {
        Self::with(options(site, replica), "127.0.0.1:0").await
    }

    async fn with(options: TransportOptions, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let inbox = Arc::new(TestInbox::default());
        let handler = Arc::new(TestHandler::default());
        let replica = options.replica;
        let transport = Transport::start(
            options,
            listener,
            Arc::clone(&inbox) as _,
            Arc::clone(&handler) as _,
        );
        Self {
            replica,
            transport: transport.unwrap(),
            inbox,
            handler,
            address,
        }
    }

    fn entry(&self) -> Peer {
        entry(self.replica, &self.address)
    }

    fn status(&self, of: u64) -> PeerStatus {
        let all = self.transport.peers_status();
        all.into_iter()
            .find(|s| s.replica == of)
            .expect("not in the book")
    }

    fn last_error(&self, of: u64) -> String {
        self.status(of).last_error.unwrap_or_default()
    }

    fn strangers(&self) -> String {
        let all = self.transport.strangers();
        all.into_iter()
            .map(|(who, why)| format!("{who}: {why}\n"))
            .collect()
    }
}

fn entry(replica: u64, address: &str) -> Peer {
    Peer {
        replica,
        address: address.to_owned(),
        name: name_of(replica),
    }
}

fn name_of(replica: u64) -> String {
    format!("replica-{replica}.test")
}

fn options(site: &Site, replica: u64) -> TransportOptions {
    let files = site.issue(&format!("r{replica}"), |params| {
        params.subject_alt_names = certificates::dns(&[&name_of(replica)]);
    });
    TransportOptions {
        identity: Some(IDENTITY),
        features: 0b101,
        stall_after: STALL_MIN,
        ..TransportOptions::new(replica, files)
    }
}

/// Gives everybody the same address book.
fn introduce(nodes: &[&Node]) {
    for node in nodes {
        node.transport
            .set_peers(nodes.iter().map(|n| n.entry()).collect());
    }
}

async fn pair(site: &Site) -> (Node, Node) {
    patient_pair(site, STALL_MIN).await
}

/// A pair in which nobody counts as stuck before this time.
async fn patient_pair(site: &Site, stall_after: Duration) -> (Node, Node) {
    let patient = |replica| TransportOptions {
        stall_after,
        ..options(site, replica)
    };
    let a = Node::with(patient(1), "127.0.0.1:0").await;
    let b = Node::with(patient(2), "127.0.0.1:0").await;
    introduce(&[&a, &b]);
    until("connected", || {
        let out = a.status(2).connected_out && b.status(1).connected_out;
        out && a.status(2).connected_in && b.status(1).connected_in
    })
    .await;
    (a, b)
}

/// A small frame with a number in it.
pub(super) fn heartbeat(from: u64, to: u64, number: u64) -> Frame {
    let mut message = Message {
        from,
        to,
        term: 5,
        commit: number,
        ..Message::default()
    };
    message.set_msg_type(MessageType::MsgHeartbeat);
    Frame::new(LINEAGE, message).unwrap()
}

/// A frame with a block of about `len` bytes; made of noise or of one byte.
pub(super) fn large(from: u64, to: u64, len: usize, noise: bool) -> Frame {
    let mut body = vec![0; len];
    if noise {
        rand::Rng::fill_bytes(&mut rand::rng(), &mut body);
    }
    let head = ChainHead::genesis(LINEAGE);
    let mut block = BlockBuilder::after(&head, BlockKind::Data, 5, 9);
    for part in body.chunks(8 << 20) {
        let header = EventHeader {
            kind: EventKind::Txn,
            flags: EventFlags::NONE,
            tenant: TenantId([1; 16]),
            tenant_seq: 0,
            timestamp_us: 9,
            key_id: KeyId(1),
            salt: [0; 32],
            nonce: [0; 12],
            plaintext_len: part.len() as u32 - 16,
            ciphertext_len: part.len() as u32,
            tenant_prev: kimberlite_storage::ids::NO_HASH,
            ciphertext_sha256: kimberlite_storage::ids::NO_HASH,
        };
        block.push(&header, part).unwrap();
    }
    let block = block.finish();
    let mut message = Message {
        from,
        to,
        term: 5,
        ..Message::default()
    };
    message.set_msg_type(MessageType::MsgAppend);
    message
        .mut_entries()
        .push(entry_of(&block.header, block.bytes.into()));
    Frame::new(LINEAGE, message).unwrap()
}

pub(super) fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}
