//! A small log whose every byte is committed: three blocks, two tenants, fixed
//! time and randomness. Regenerating it must give the committed bytes, and reading
//! them must give the committed hashes and plaintexts. When this fails, the format
//! has changed and stored logs can no longer be read.
//!
//! `KIMBERLITE_WRITE_VECTORS=1 cargo test --test vector_log` writes the files anew;
//! do that only together with a new format version.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kimberlite_storage::env::fixed::{FixedClock, FixedEntropy};
use kimberlite_storage::ids::Hex;
use kimberlite_storage::{
    Block, BlockBuilder, BlockKind, ChainHead, Change, Clock, EncodedBlock, Entropy,
    EnvKeyProvider, EventKind, Frontier, KeyRecord, Keyring, Lineage, Op, Opener, SealedEvent,
    Sealer, Space, StreamChanges, TenantHead, TenantId, Txn, fuzz_entry, txn,
};

/// Base64 of the bytes 0 to 31.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const LINEAGE: Lineage = Lineage(*b"vector lineage 1");

/// The crate's folder, asked for when the test runs: two checkouts that share a
/// target folder may share the test program.
fn manifest_dir() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

fn folder() -> PathBuf {
    manifest_dir().join("tests/vectors")
}

fn keyring(entropy: &Arc<dyn Entropy>) -> Arc<Keyring> {
    let provider = EnvKeyProvider::new(MASTER_KEY).unwrap();
    Arc::new(Keyring::new(Arc::new(provider), Arc::clone(entropy)))
}

fn transaction(n: u8, rows: u8) -> Txn {
    let change = |row: u8| Change {
        op: if row.is_multiple_of(2) {
            Op::Insert
        } else {
            Op::Update
        } as i32,
        key: Bytes::from(vec![n, row]),
        value: Bytes::from(vec![row; 40]),
        changed: if row.is_multiple_of(2) {
            vec![]
        } else {
            vec![1, 3]
        },
    };
    Txn {
        principal: format!("user{n}"),
        time_us: 1_700_000_000_000_000 + i64::from(n),
        statements: vec!["insert into t values ($1, $2)".into()],
        streams: vec![StreamChanges {
            stream: 100 + u64::from(n),
            space: Space::Rows as i32,
            changes: (0..rows).map(change).collect(),
        }],
        part_count: 0,
    }
}

/// The three blocks. The entropy is drawn in a fixed order: tenant, its keys, the
/// next tenant; then salts as sealing needs them.
struct Maker {
    head: ChainHead,
    clock: FixedClock,
    tenants: BTreeMap<TenantId, TenantHead>,
    blocks: Vec<EncodedBlock>,
}

impl Maker {
    fn add(&mut self, kind: BlockKind, events: &[SealedEvent]) {
        let mut builder = BlockBuilder::after(&self.head, kind, 1, self.clock.now_us());
        for event in events {
            let tenant = self.tenants.entry(event.tenant).or_default();
            let header = tenant.place(event, builder.timestamp_us());
            let leaf = builder.push(&header, &event.body).unwrap();
            tenant.advance(&header, leaf).unwrap();
        }
        let block = builder.finish();
        self.head.advance(&block.header).unwrap();
        self.blocks.push(block);
    }
}

fn make() -> Vec<EncodedBlock> {
    let entropy: Arc<dyn Entropy> = Arc::new(FixedEntropy::new(2));
    let keyring = keyring(&entropy);
    let (alice, of_alice) = keyring.create_tenant().unwrap();
    let (bob, of_bob) = keyring.create_tenant().unwrap();
    let mut maker = Maker {
        head: ChainHead::genesis(LINEAGE),
        clock: FixedClock::new(1_700_000_000_000_000, 1_000),
        tenants: BTreeMap::new(),
        blocks: Vec::new(),
    };

    let records = of_alice.iter().chain(&of_bob);
    let events: Vec<SealedEvent> = records
        .map(|record| {
            keyring.load_record(record).unwrap();
            let tenant = record.tenant_id().unwrap();
            SealedEvent::unsealed(tenant, EventKind::Key, record.to_bytes()).unwrap()
        })
        .collect();
    maker.add(BlockKind::Data, &events);

    let sealer = Sealer::new(Arc::clone(&keyring), entropy);
    let seal = |tenant, kind, n, rows| {
        sealer
            .seal(tenant, kind, txn::encode(&transaction(n, rows)).unwrap())
            .unwrap()
    };
    let events = [
        seal(alice, EventKind::Txn, 1, 2),
        seal(bob, EventKind::Txn, 2, 1),
        seal(alice, EventKind::Txn, 3, 3),
    ];
    maker.add(BlockKind::Data, &events);

    // A transaction in parts, with a key that was rotated in between.
    let record = keyring.rotate(bob).unwrap();
    keyring.load_record(&record).unwrap();
    let key = SealedEvent::unsealed(bob, EventKind::Key, record.to_bytes()).unwrap();
    let mut events = vec![key];
    let parts = txn::split(transaction(4, 12), 400);
    for (n, part) in parts.iter().enumerate() {
        let kind = if n + 1 == parts.len() {
            EventKind::Txn
        } else {
            EventKind::TxnPart
        };
        events.push(sealer.seal(bob, kind, txn::encode(part).unwrap()).unwrap());
    }
    maker.add(BlockKind::Data, &events);
    maker.blocks
}

/// Sixty-four digits a line.
fn to_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).fold(String::new(), |mut text, line| {
        writeln!(text, "{}", Hex(line)).unwrap();
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

/// Everything a third party should arrive at, in words.
fn describe(blocks: &[Vec<u8>]) -> String {
    let mut text = String::from("A log of three blocks and two tenants; all hashes SHA-256.\n");
    let mut trees: BTreeMap<TenantId, Frontier> = BTreeMap::new();
    for bytes in blocks {
        let block = Block::decode(bytes).unwrap();
        let header = &block.header;
        writeln!(
            text,
            "\nblock {}\n  prev_hash    {}",
            header.index,
            Hex(&header.prev_hash)
        )
        .unwrap();
        writeln!(text, "  payload_hash {}", Hex(&header.payload_hash)).unwrap();
        writeln!(text, "  block_hash   {}", Hex(&header.block_hash)).unwrap();
        for event in &block.events {
            let header = &event.header;
            let (kind, seq, tenant) = (header.kind, header.tenant_seq, header.tenant);
            writeln!(text, "  event {kind:?} {seq} of tenant {tenant}").unwrap();
            writeln!(
                text,
                "    key  {}\n    leaf {}",
                header.key_id,
                Hex(&event.leaf())
            )
            .unwrap();
            trees.entry(tenant).or_default().append(event.leaf());
        }
    }
    text.push('\n');
    for (tenant, tree) in trees {
        writeln!(
            text,
            "tenant {tenant}: {} events, tree root {}",
            tree.size(),
            Hex(&tree.root())
        )
        .unwrap();
    }
    text
}

fn committed() -> Vec<Vec<u8>> {
    let read = |n: u8| std::fs::read_to_string(folder().join(format!("block{n}.hex"))).unwrap();
    (1..=3).map(|n| from_hex(&read(n))).collect()
}

#[test]
fn the_log_is_made_as_committed() {
    let made: Vec<Vec<u8>> = make().into_iter().map(|block| block.bytes).collect();
    if std::env::var_os("KIMBERLITE_WRITE_VECTORS").is_some() {
        for (n, bytes) in made.iter().enumerate() {
            let path = folder().join(format!("block{}.hex", n + 1));
            std::fs::write(path, to_hex(bytes)).unwrap();
        }
        std::fs::write(folder().join("hashes.txt"), describe(&made)).unwrap();
    }
    for (n, (made, committed)) in made.iter().zip(committed()).enumerate() {
        assert_eq!(to_hex(made), to_hex(&committed), "block {}", n + 1);
    }
    assert_eq!(made.len(), 3);
}

#[test]
fn the_committed_log_has_the_committed_hashes() {
    let text = std::fs::read_to_string(folder().join("hashes.txt")).unwrap();
    assert_eq!(describe(&committed()), text);
    let mut head = ChainHead::genesis(LINEAGE);
    for bytes in committed() {
        let block = Block::decode(&bytes).unwrap();
        block.verify_full().unwrap();
        head.advance(&block.header).unwrap();
    }
    assert_eq!(head.index, 3);
}

#[test]
fn the_committed_log_opens_with_the_master_key_alone() {
    let entropy: Arc<dyn Entropy> = Arc::new(FixedEntropy::new(999));
    let keyring = keyring(&entropy);
    let opener = Opener::new(Arc::clone(&keyring));
    let mut opened = Vec::new();
    for bytes in committed() {
        for event in Block::decode(&bytes).unwrap().events {
            let plain = opener.open(&event.header, event.body).unwrap();
            if event.header.kind == EventKind::Key {
                keyring
                    .load_record(&KeyRecord::from_bytes(&plain).unwrap())
                    .unwrap();
            } else {
                opened.push(txn::decode(plain).unwrap());
            }
        }
    }
    let mut expected = vec![transaction(1, 2), transaction(2, 1), transaction(3, 3)];
    expected.extend(txn::split(transaction(4, 12), 400));
    assert_eq!(opened, expected);
    assert!(opened.len() > 4, "the fourth transaction came in parts");
    assert_eq!(opener.open_count(), opened.len() as u64);
}

#[test]
fn damaged_forms_of_the_vectors_are_read_or_refused() {
    let entries: [fn(&[u8]); 8] = [
        fuzz_entry::event,
        fuzz_entry::block,
        fuzz_entry::block_mended,
        fuzz_entry::transaction,
        fuzz_entry::key_record,
        fuzz_entry::master_key,
        fuzz_entry::frontier,
        fuzz_entry::proof,
    ];
    for bytes in committed() {
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] = damaged[at].wrapping_mul(31).wrapping_add(at as u8);
            let tail = &damaged[at..];
            entries.iter().for_each(|entry| entry(tail));
            entries.iter().for_each(|entry| entry(&damaged));
            fuzz_entry::block_mended(&damaged[..damaged.len() - at % 7]);
        }
    }
}
