//! Committing a transaction: what goes in, what comes back.

use crate::error::{Result, StorageError};
use crate::event::{EVENT_BODY_LEN_MAX, EventKind, SealedEvent};
use crate::ids::TenantId;
use crate::txn::Txn;
use std::sync::Arc;

/// A transaction, sealed, before it has its place in the log.
#[derive(Debug)]
pub struct SealedTransaction {
    /// Whose it is; the tenant of every event.
    pub tenant: TenantId,
    /// Its events in order. All but the last may be of kind `TxnPart`; the last
    /// is not, and makes them count.
    pub events: Vec<SealedEvent>,
    /// What the last event says, if the submitter still has it: the applier then
    /// need not open the event again. It must be exactly what was sealed.
    pub plain: Option<Arc<Txn>>,
    /// The leader's term in which the transaction began ([`CommitLog::epoch`]): it is
    /// put in the log in that term or not at all, because what it read, and the locks
    /// under which it did, are that leader's. `0` stands for any term: only for what
    /// depends on no state read before, such as key records.
    pub epoch: u64,
}

impl SealedTransaction {
    /// Length of the events in a block, in bytes.
    #[must_use]
    pub fn events_len(&self) -> usize {
        self.events.iter().map(SealedEvent::event_len).sum()
    }

    /// Checks what the writer relies on.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`], or [`StorageError::Format`] for events that
    /// are not one transaction.
    pub fn check(&self) -> Result<()> {
        let malformed = |what| crate::error::FormatError::Field { what, value: 0 };
        for event in &self.events {
            if event.tenant != self.tenant {
                return Err(malformed("tenant of an event in a transaction").into());
            }
            if event.body.len() > EVENT_BODY_LEN_MAX as usize {
                return Err(StorageError::TooLarge {
                    what: "an event",
                    len: event.body.len() as u64,
                    max: EVENT_BODY_LEN_MAX.into(),
                });
            }
        }
        match self.events.split_last() {
            Some((last, _)) if last.kind != EventKind::TxnPart => Ok(()),
            _ => Err(malformed("last event of a transaction").into()),
        }
    }
}

/// Where a transaction is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Index of the block with the transaction's last event.
    pub index: u64,
    /// Place of that event in the block, from 0.
    pub ordinal: u16,
    /// The block's timestamp, microseconds since 1970 UTC.
    pub timestamp_us: i64,
}

/// Called once when a transaction is durable *and* visible to new snapshots, or
/// when it failed. Called on a thread of the log: it must not block.
pub type OnCommit = Box<dyn FnOnce(Result<Committed>) + Send>;

/// Puts transactions into one order and makes them durable.
pub trait CommitLog: Send + Sync {
    /// Commits a transaction. Returns when it is queued; waits while the queue is
    /// full. `done` is called in the order of the log.
    ///
    /// `done` gets [`StorageError::Full`], [`StorageError::TooLarge`] or
    /// [`StorageError::NotCommitted`] when the transaction was refused and certainly
    /// not committed;
    /// [`StorageError::Closed`] when the log has failed or was closed and it may
    /// or may not be committed.
    fn submit(&self, txn: SealedTransaction, done: OnCommit);

    /// The epoch for a transaction that begins now ([`SealedTransaction::epoch`]):
    /// `None` while this replica does not lead, or leads and has not applied
    /// everything from before its term. Ask before the first read of the
    /// transaction: whatever was committed in earlier epochs is then visible to it.
    /// Cheap: it is asked for every transaction.
    fn epoch(&self) -> Option<u64>;
}
