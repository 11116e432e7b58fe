//! How fast frames go from one replica to another, over loopback with mutual TLS.
//!
//! ```text
//! cargo run --release -p kimberlite-consensus --example transport_speed [frames] [bytes]
//! ```
//!
//! Both replicas are in this process, each on a thread of its own. The frames hold one block
//! of noise, as sealed events look like noise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use kimberlite_consensus::frame::{FRAME_HEADER_LEN, Frame};
use kimberlite_consensus::node::Outbox as _;
use kimberlite_consensus::transport::{
    Caller, Handler, Identity, Inbox, Peer, Permit, QUEUE_BYTES_MAX, SessionStream, TlsFiles,
    Transport, TransportOptions,
};
use kimberlite_storage::event::{EventFlags, EventHeader, EventKind};
use kimberlite_storage::ids::NO_HASH;
use kimberlite_storage::{BlockBuilder, BlockKind, ChainHead, KeyId, Lineage, TenantId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const IDENTITY: Identity = Identity {
    cluster_id: [7; 16],
    lineage: Lineage([3; 16]),
};

/// Counts what comes and forgets it.
#[derive(Default)]
struct Counter(AtomicU64);

impl Inbox for Counter {
    fn deliver(&self, _: Frame, _: Permit) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn unreachable(&self, _: u64) {}
}

#[async_trait]
impl Handler for Counter {
    async fn request(&self, _: Caller, request: Bytes) -> Bytes {
        request
    }

    async fn session(&self, _: Caller, _: SessionStream) {}
}

/// An append of one block of `len` bytes, as bytes, from replica 1 to replica 2.
fn frame(len: usize) -> Frame {
    let mut body = vec![0; len];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut body);
    let head = ChainHead::genesis(IDENTITY.lineage);
    let mut block = BlockBuilder::after(&head, BlockKind::Data, 1, 0);
    let header = EventHeader {
        kind: EventKind::Txn,
        flags: EventFlags::NONE,
        tenant: TenantId([1; 16]),
        tenant_seq: 0,
        timestamp_us: 0,
        key_id: KeyId(1),
        salt: [0; 32],
        nonce: [0; 12],
        plaintext_len: len as u32 - 16,
        ciphertext_len: len as u32,
        tenant_prev: NO_HASH,
        ciphertext_sha256: NO_HASH,
    };
    block
        .push(&header, &body)
        .expect("a body of at most 16 MiB");
    let mut bytes = vec![1, 0, 1, 0];
    bytes.extend_from_slice(&IDENTITY.lineage.0);
    for word in [1_u64, 2, 1, 0, 0, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes.len(), FRAME_HEADER_LEN);
    bytes.extend_from_slice(&block.finish().bytes);
    Frame::decode(&bytes.into()).expect("a frame")
}

fn issue(dir: &Path, authority: &CertifiedIssuer<'_, KeyPair>, replica: u64) -> TlsFiles {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let files = TlsFiles {
        certificate: dir.join(format!("{replica}.pem")),
        key: dir.join(format!("{replica}-key.pem")),
        authority: dir.join("ca.pem"),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.authority, authority.pem()).unwrap();
    files
}

/// A replica, and the runtime whose one thread carries it.
struct Replica {
    runtime: Runtime,
    transport: Arc<Transport>,
    counter: Arc<Counter>,
    address: String,
}

fn start(replica: u64, tls: TlsFiles) -> Replica {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let inside = runtime.enter();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counter = Arc::new(Counter::default());
    let mut options = TransportOptions::new(replica, tls);
    options.identity = Some(IDENTITY);
    let (inbox, handler) = (Arc::clone(&counter), Arc::clone(&counter));
    let transport = Transport::start(options, listener, inbox, handler).unwrap();
    drop(inside);
    Replica {
        runtime,
        transport,
        counter,
        address,
    }
}

fn wait(mut until: impl FnMut() -> bool) {
    while !until() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse().expect("a number"));
    let frames: u64 = args.next().unwrap_or(2000);
    let len = args.next().unwrap_or(1 << 20) as usize;
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let [a, b] = [1, 2].map(|replica| start(replica, issue(dir.path(), &authority, replica)));
    a.transport.set_peers(vec![Peer::at(2, &b.address)]);
    b.transport.set_peers(vec![Peer::at(1, &a.address)]);
    wait(|| {
        a.transport
            .peers_status()
            .iter()
            .all(|peer| peer.connected_out)
    });

    let frame = frame(len);
    let began = Instant::now();
    for sent in 1..=frames {
        a.transport.send(frame.clone());
        // As the core does: no more under way than the queue holds.
        let under_way = || (sent - b.counter.0.load(Ordering::Relaxed)) as usize;
        wait(|| under_way() < 500 && under_way() * len < QUEUE_BYTES_MAX / 2);
    }
    wait(|| b.counter.0.load(Ordering::Relaxed) == frames);
    let seconds = began.elapsed().as_secs_f64();
    let bytes = frames as f64 * len as f64;
    println!(
        "{frames} frames of {len} bytes in {seconds:.2} s: {:.0} MB/s",
        bytes / seconds / 1e6
    );
    for replica in [a, b] {
        replica.runtime.block_on(replica.transport.close());
    }
}
