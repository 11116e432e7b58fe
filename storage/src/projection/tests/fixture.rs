//! Small logs, and projections to apply them to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::crypto::{Key, KeyRecord};
use crate::env::fixed::FixedEntropy;
use crate::error::Result;
use crate::event::EventKind;
use crate::ids::TenantId;
use crate::projection::{AppliedBlock, OpenedEvent, PartSource, Projection, ProjectionOptions};
use crate::txn::{Change, Op, Space, StreamChanges, Txn};

pub(super) const ALICE: TenantId = TenantId([0xA1; 16]);
pub(super) const BOB: TenantId = TenantId([0xB0; 16]);

pub(super) fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

pub(super) fn options() -> ProjectionOptions {
    ProjectionOptions {
        block_cache_bytes: 8 << 20,
        memtable_bytes: 4 << 20,
        ..ProjectionOptions::new(Arc::new(FixedEntropy::new(1)))
    }
}

pub(super) fn open(dir: &Path) -> Projection {
    Projection::open(dir, &key(7), &options()).unwrap()
}

pub(super) fn fresh() -> (TempDir, Projection) {
    let dir = tempfile::tempdir().unwrap();
    let projection = open(dir.path());
    (dir, projection)
}

pub(super) fn change(op: Op, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Change {
    Change {
        op: op as i32,
        key: Bytes::copy_from_slice(key.as_ref()),
        value: Bytes::copy_from_slice(value.as_ref()),
        changed: Vec::new(),
    }
}

pub(super) fn insert(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Change {
    change(Op::Insert, key, value)
}

pub(super) fn update(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Change {
    change(Op::Update, key, value)
}

pub(super) fn delete(key: impl AsRef<[u8]>) -> Change {
    change(Op::Delete, key, b"")
}

pub(super) fn stream(space: Space, stream: u64, changes: Vec<Change>) -> StreamChanges {
    StreamChanges {
        stream,
        space: space as i32,
        changes,
    }
}

pub(super) fn rows(changes: Vec<Change>) -> Txn {
    txn(vec![stream(Space::Rows, 1, changes)])
}

pub(super) fn txn(streams: Vec<StreamChanges>) -> Txn {
    Txn {
        principal: "tester".into(),
        streams,
        ..Txn::default()
    }
}

pub(super) fn physical(tenant: TenantId, stream: u64, key: impl AsRef<[u8]>) -> Vec<u8> {
    [tenant.0.as_slice(), &stream.to_be_bytes(), key.as_ref()].concat()
}

/// What happens in a block.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Txn(TenantId, Txn),
    Part(TenantId),
    Key(KeyRecord),
    Control(Vec<u8>),
}

/// Makes blocks that follow each other.
#[derive(Default)]
pub(super) struct Log {
    next_index: u64,
    next_seq: HashMap<TenantId, u64>,
}

impl Log {
    pub(super) fn block(&mut self, happenings: Vec<Happening>) -> AppliedBlock {
        self.next_index += 1;
        let index = self.next_index;
        let events = happenings.into_iter().enumerate();
        let events = events.map(|(at, happening)| self.event(index, at as u16, happening));
        AppliedBlock {
            index,
            hash: digest(&[b"block", &index.to_le_bytes()]),
            timestamp_us: 1_000_000 * index as i64,
            events: events.collect(),
        }
    }

    /// A block of one transaction.
    pub(super) fn one(&mut self, tenant: TenantId, txn: Txn) -> AppliedBlock {
        self.block(vec![Happening::Txn(tenant, txn)])
    }

    fn event(&mut self, index: u64, ordinal: u16, happening: Happening) -> OpenedEvent {
        let (mut txn, mut key, mut control) = (None, None, None);
        let (tenant, kind) = match happening {
            Happening::Txn(tenant, it) => {
                txn = Some(it);
                (tenant, EventKind::Txn)
            }
            Happening::Part(tenant) => (tenant, EventKind::TxnPart),
            Happening::Key(it) => {
                let tenant = it.tenant_id().unwrap();
                key = Some(it);
                (tenant, EventKind::Key)
            }
            Happening::Control(body) => {
                control = Some(body);
                (TenantId::SYSTEM, EventKind::Control)
            }
        };
        let seq = self.next_seq.entry(tenant).or_default();
        let tenant_seq = *seq;
        *seq += 1;
        let leaf = digest(&[b"leaf", &index.to_le_bytes(), &ordinal.to_le_bytes()]);
        OpenedEvent {
            ordinal,
            tenant,
            tenant_seq,
            kind,
            leaf,
            txn,
            key,
            control,
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// Parts kept in memory; calls `before` with the number of each part.
pub(super) struct Parts<F = fn(usize) -> Result<()>> {
    pub(super) parts: Vec<Txn>,
    pub(super) before: F,
}

impl Parts {
    pub(super) fn of(parts: Vec<Txn>) -> Self {
        Self {
            parts,
            before: |_| Ok(()),
        }
    }
}

impl<F: FnMut(usize) -> Result<()>> PartSource for Parts<F> {
    fn for_each_part(
        &mut self,
        _index: u64,
        _close: &OpenedEvent,
        each: &mut dyn FnMut(Txn) -> Result<()>,
    ) -> Result<()> {
        for (at, part) in self.parts.iter().enumerate() {
            (self.before)(at)?;
            each(part.clone())?;
        }
        Ok(())
    }
}

/// Everything stored in a space, in key order.
pub(super) fn all(projection: &Projection, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let each = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        Ok(())
    };
    projection.snapshot().iterate_all(space, each).unwrap();
    entries
}

/// What the disk would hold if the machine stopped now: what was flushed, since
/// there is no write-ahead log.
pub(super) fn crash_image(projection: &Projection, dir: &Path) -> TempDir {
    // Nothing may write while the files are copied.
    let engine = &projection.inner.engine;
    engine
        .db
        .wait_for_compact(&rocksdb::WaitForCompactOptions::default())
        .unwrap();
    let image = tempfile::tempdir().unwrap();
    for file in files(dir) {
        let to = image.path().join(file.strip_prefix(dir).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    image
}

/// All files below a directory.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
