//! From a transaction's changes to sealed events in the log.

use std::sync::Arc;

use bytes::Bytes;
use kimberlite_storage::{
    Change, CommitLog, Committed, EventKind, Op, SealedTransaction, Sealer, StreamChanges,
    TenantId, Txn,
};
use tokio::sync::oneshot;

use super::layer::{Entry, EntryKind, Layer};
use crate::error::SqlError;

/// Plaintext bytes after which a transaction is cut into parts: small enough
/// that a sealed part fits a block of 1 MiB.
const PART_BYTES: usize = 768 << 10;

/// Who commits, and where to.
pub struct CommitSource<'a> {
    /// The log.
    pub log: &'a dyn CommitLog,
    /// Seals under the tenant's key.
    pub sealer: &'a Sealer,
    /// Whose transaction it is.
    pub tenant: TenantId,
    /// The role that made the changes.
    pub principal: &'a str,
    /// When and under whom the transaction began.
    pub began: Began,
}

/// The beginning of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    /// When, in microseconds since 1970.
    pub time_us: i64,
    /// The epoch of the log, as [`CommitLog::epoch`] said then.
    pub epoch: u64,
}

/// Seals `changes`, hands them to the log, and waits until they are durable and
/// visible to new snapshots.
///
/// # Errors
/// 53100 when the disk is full, 08007 when the outcome is unknown because the
/// log failed, XX000 when sealing fails. Nothing was committed unless the state
/// is 08007.
pub async fn commit_changes(
    source: CommitSource<'_>,
    changes: Layer,
) -> Result<Committed, SqlError> {
    let (done, outcome) = oneshot::channel();
    submit_changes(&source, changes, move |result| {
        // A session that is gone does not need to know.
        let _ = done.send(result);
    })?;
    match outcome.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(SqlError::outcome_unknown()),
    }
}

/// Seals `changes` and hands them to the log, which calls `done` when they are
/// durable and visible to new snapshots. What is handed over later is later in the
/// log.
///
/// # Errors
/// XX000 when sealing fails; nothing was handed over then.
pub fn submit_changes(
    source: &CommitSource<'_>,
    changes: Layer,
    done: impl FnOnce(kimberlite_storage::Result<Committed>) + Send + 'static,
) -> Result<(), SqlError> {
    let sealed = if changes.weight() > PART_BYTES {
        tokio::task::block_in_place(|| seal(source, changes))?
    } else {
        seal(source, changes)?
    };
    let large = sealed.events.len() > 1;
    let submit = || source.log.submit(sealed, Box::new(done));
    if large {
        tokio::task::block_in_place(submit);
    } else {
        submit();
    }
    Ok(())
}

fn seal(source: &CommitSource<'_>, changes: Layer) -> Result<SealedTransaction, SqlError> {
    let mut pieces = Pieces::new(source);
    for (stream, entries) in changes.into_streams() {
        pieces.open_stream(stream.stream, stream.space as i32);
        for (key, entry) in entries {
            pieces.add(key, entry)?;
        }
        pieces.close_stream();
    }
    pieces.finish()
}

/// Cuts changes into parts as they come.
struct Pieces<'a> {
    source: &'a CommitSource<'a>,
    events: Vec<kimberlite_storage::SealedEvent>,
    current: Txn,
    bytes: usize,
    stream: StreamChanges,
}

impl<'a> Pieces<'a> {
    fn new(source: &'a CommitSource<'a>) -> Self {
        Self {
            source,
            events: Vec::new(),
            current: Txn::default(),
            bytes: 0,
            stream: StreamChanges::default(),
        }
    }

    fn open_stream(&mut self, stream: u64, space: i32) {
        self.stream = StreamChanges {
            stream,
            space,
            changes: Vec::new(),
        };
    }

    fn close_stream(&mut self) {
        let stream = std::mem::take(&mut self.stream);
        if !stream.changes.is_empty() {
            self.current.streams.push(stream);
        }
    }

    fn add(&mut self, key: Box<[u8]>, entry: Entry) -> Result<(), SqlError> {
        self.bytes += key.len() + entry.value.len() + CHANGE_OVERHEAD;
        let op = match entry.kind {
            EntryKind::Insert => Op::Insert,
            EntryKind::Update => Op::Update,
            EntryKind::Delete => Op::Delete,
        };
        self.stream.changes.push(Change {
            op: op as i32,
            key: Bytes::from(key),
            value: entry.value,
            changed: entry.changed.into_iter().map(u32::from).collect(),
        });
        if self.bytes >= PART_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    /// Seals what has gathered as a part, and goes on with the same stream.
    fn cut(&mut self) -> Result<(), SqlError> {
        let (stream, space) = (self.stream.stream, self.stream.space);
        self.close_stream();
        let part = std::mem::take(&mut self.current);
        self.events.push(self.seal_one(EventKind::TxnPart, &part)?);
        self.bytes = 0;
        self.open_stream(stream, space);
        Ok(())
    }

    fn finish(mut self) -> Result<SealedTransaction, SqlError> {
        self.current.principal = self.source.principal.to_owned();
        self.current.time_us = self.source.began.time_us;
        self.current.part_count = u32::try_from(self.events.len())
            .map_err(|_| SqlError::internal("more than 2^32 parts in a transaction"))?;
        let closing = std::mem::take(&mut self.current);
        self.events.push(self.seal_one(EventKind::Txn, &closing)?);
        let plain = (self.events.len() == 1).then(|| Arc::new(closing));
        Ok(SealedTransaction {
            tenant: self.source.tenant,
            events: self.events,
            plain,
            epoch: self.source.began.epoch,
        })
    }

    fn seal_one(
        &self,
        kind: EventKind,
        txn: &Txn,
    ) -> Result<kimberlite_storage::SealedEvent, SqlError> {
        let plaintext = kimberlite_storage::txn::encode(txn)?;
        Ok(self
            .source
            .sealer
            .seal(self.source.tenant, kind, plaintext)?)
    }
}

/// What a change costs besides its key and value, roughly, in bytes.
const CHANGE_OVERHEAD: usize = 16;
