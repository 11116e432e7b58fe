//! A log over a disk in memory, for the tests of this crate: one block for each transaction,
//! written and applied before the call returns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::apply::{ApplySink, EventOpener, LogParts, MemSink, Replay, apply_block, replay};
use crate::block::{Block, BlockBuilder, BlockKind};
use crate::commit::{Committed, SealedTransaction};
use crate::crypto::{EnvKeyProvider, Keyring, Opener, Sealer};
use crate::disk::{Disk, MemDisk};
use crate::env::fixed::FixedEntropy;
use crate::error::{Result, StorageError};
use crate::event::{EventKind, SealedEvent};
use crate::ids::{Lineage, NO_HASH, TenantId};
use crate::log::recovery::{Recovered, recover};
use crate::log::{InlineSegments, LogReader, LogWriter};
use crate::projection::AppliedBlock;
use crate::superblock::{Superblock, SuperblockFile};
use crate::txn::{Change, Op, Space, StreamChanges, Txn, encode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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

/// An open log and what belongs to it.
pub(crate) struct TestNode {
    log: Mutex<TestLog>,
    pub(crate) sink: Arc<MemSink>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) sealer: Sealer,
    pub(crate) recovered: Recovered,
}

struct TestLog {
    writer: LogWriter,
    parts: LogParts,
    opener: EventOpener,
    superblock: SuperblockFile,
}

/// Does what `Store::open` does, with a projection in memory.
pub(crate) fn open(disk: &MemDisk, segment_bytes: u64, seed: u64) -> Result<TestNode> {
    let sink = Arc::new(MemSink::new());
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
    let mut superblock = superblock;
    superblock.update(|s| {
        s.clean = false;
        (s.verified_index, s.verified_hash) = (head.index, head.hash);
    })?;
    Ok(TestNode {
        log: Mutex::new(TestLog {
            writer,
            parts: LogParts::new(reader, opener.clone()),
            opener,
            superblock,
        }),
        sink,
        sealer: Sealer::new(keyring.clone(), entropy),
        keyring,
        recovered,
    })
}

impl TestLog {
    fn commit(&mut self, sink: &MemSink, txn: SealedTransaction) -> Result<Committed> {
        txn.check()?;
        let head = *self.writer.head();
        let now_us = head.timestamp_us + 1;
        let mut builder = BlockBuilder::after(&head, BlockKind::Data, head.term.max(1), now_us);
        let mut tenant = sink.tenant_head(txn.tenant)?;
        for event in &txn.events {
            let header = tenant.place(event, now_us);
            let leaf = builder.push(&header, &event.body)?;
            tenant.advance(&header, leaf).unwrap();
        }
        let mut block = builder.finish();
        self.writer.append(&mut block)?;
        self.apply(sink, &block.bytes)?;
        Ok(Committed {
            index: block.header.index,
            ordinal: txn.events.len() as u16 - 1,
            timestamp_us: block.header.timestamp_us,
        })
    }

    fn apply(&mut self, sink: &MemSink, bytes: &[u8]) -> Result<()> {
        let block = Block::decode(bytes)?;
        let open = |(event, ordinal): (&crate::event::EventRef<'_>, u16)| {
            let leaf = event.leaf();
            self.opener.open(ordinal, &event.header, leaf, event.body)
        };
        let applied = AppliedBlock {
            index: block.header.index,
            hash: block.header.block_hash,
            timestamp_us: block.header.timestamp_us,
            events: block
                .events
                .iter()
                .zip(0..)
                .map(open)
                .collect::<Result<_>>()?,
        };
        apply_block(sink, &mut self.parts, &applied)?;
        sink.publish()
    }
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
    pub(crate) fn commit(&self, txn: SealedTransaction) -> Result<Committed> {
        self.log.lock().unwrap().commit(&self.sink, txn)
    }

    /// Notes that the log ends in good order.
    pub(crate) fn close(self) -> Result<()> {
        let mut log = self.log.into_inner().unwrap();
        let head = *log.writer.head();
        log.superblock.update(|s| {
            (s.verified_index, s.verified_hash) = (head.index, head.hash);
            s.commit_floor = head.index;
            s.clean = true;
        })
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
            epoch: 0,
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
            epoch: 0,
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
            epoch: 0,
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
