//! The writer thread: gives transactions their place, makes blocks durable.

use super::queue::{Pending, Waiter, again};
use super::{BLOCK_EVENTS_MAX, BLOCK_PAYLOAD_BYTES, Shared};
use crate::apply::ApplySink;
use crate::block::{BlockBuilder, BlockKind};
use crate::chain::TenantHead;
use crate::commit::Committed;
use crate::error::{Result, StorageError};
use crate::event::{EventHeader, EventKind, SealedEvent};
use crate::ids::{Hash32, TenantId};
use crate::log::LogWriter;
use crate::txn::Txn;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// A durable block on its way to the applier.
pub(crate) struct Durable {
    pub(crate) index: u64,
    pub(crate) hash: Hash32,
    pub(crate) timestamp_us: i64,
    pub(crate) events: Vec<PlacedEvent>,
    pub(crate) waiters: Vec<(Waiter, Committed)>,
}

/// An event in a durable block.
pub(crate) struct PlacedEvent {
    pub(crate) ordinal: u16,
    pub(crate) header: EventHeader,
    pub(crate) leaf: Hash32,
    pub(crate) content: Content,
}

/// How the applier gets at what an event says.
pub(crate) enum Content {
    /// Not needed, or read back from the log when it is.
    Left,
    /// As the submitter had it.
    Plain(Arc<Txn>),
    /// To be opened.
    Body(Vec<u8>),
}

struct Sequencer<'a> {
    shared: &'a Shared,
    log: LogWriter,
    sink: Arc<dyn ApplySink>,
    /// The newest event of each tenant that this thread has written; for others
    /// the sink knows, since nothing came after it.
    heads: HashMap<TenantId, TenantHead>,
    send: SyncSender<Durable>,
}

/// A block in the making.
struct Draft {
    builder: BlockBuilder,
    heads: HashMap<TenantId, TenantHead>,
    events: Vec<PlacedEvent>,
    /// An event that no block takes. `SealedTransaction::check` and the batch's
    /// bounds exclude it; if they did not, the draft must not be written.
    misfit: Option<StorageError>,
}

/// Runs until the queue is closed and empty, or the log fails.
pub(crate) fn run(
    shared: &Shared,
    log: LogWriter,
    sink: Arc<dyn ApplySink>,
    send: SyncSender<Durable>,
) -> LogWriter {
    let mut sequencer = Sequencer {
        shared,
        log,
        sink,
        heads: HashMap::new(),
        send,
    };
    shared.guard("log-writer", || {
        while let Some(batch) = shared.queue.take(shared) {
            sequencer.commit(batch);
        }
    });
    shared.queue.close();
    for pending in shared.queue.drain(shared) {
        pending.done.failed(shared, shared.queue.refused());
    }
    sequencer.log
}

impl Sequencer<'_> {
    fn commit(&mut self, mut batch: Vec<Pending>) {
        let large =
            |p: &Pending| p.bytes > BLOCK_PAYLOAD_BYTES || p.txn.events.len() > BLOCK_EVENTS_MAX;
        match batch.pop() {
            Some(pending) if batch.is_empty() && large(&pending) => self.commit_large(pending),
            last => {
                batch.extend(last);
                self.commit_block(batch);
            }
        }
    }

    /// All transactions of the batch in one block.
    fn commit_block(&mut self, batch: Vec<Pending>) {
        let mut draft = self.draft();
        let mut waiting = Vec::with_capacity(batch.len());
        for pending in batch {
            if let Err(error) = self.know_head(&mut draft, pending.txn.tenant) {
                pending.done.failed(self.shared, error);
                continue;
            }
            let ordinal = draft.add_all(pending.txn);
            waiting.push((pending.done, ordinal));
        }
        if !waiting.is_empty() {
            self.append(draft, waiting);
        }
    }

    /// One transaction over as many blocks as it takes. Its parts do not count
    /// before the block with its last event is durable, so one barrier each is
    /// only for the rule that one flush is one block.
    fn commit_large(&mut self, pending: Pending) {
        let SealedIter {
            tenant,
            mut events,
            mut plain,
        } = SealedIter::of(pending.txn);
        let mut draft = self.draft();
        while let Some(event) = events.next() {
            if draft.is_full_for(&event) {
                if let Err(error) = self.append_part(draft) {
                    return pending.done.failed(self.shared, error);
                }
                // Only now: it must come after the block just written.
                draft = self.draft();
            }
            if let Err(error) = self.know_head(&mut draft, tenant) {
                return pending.done.failed(self.shared, error);
            }
            let last = events.len() == 0;
            draft.add(event, plain.take_if(|_| last));
        }
        let ordinal = draft.last_ordinal();
        self.append(draft, vec![(pending.done, ordinal)]);
    }

    fn draft(&self) -> Draft {
        let head = self.log.head();
        let now_us = self.shared.clock.now_us();
        // A single node is the leader of one endless term.
        let term = head.term.max(1);
        Draft {
            builder: BlockBuilder::after(head, BlockKind::Data, term, now_us),
            heads: HashMap::new(),
            events: Vec::new(),
            misfit: None,
        }
    }

    fn know_head(&self, draft: &mut Draft, tenant: TenantId) -> Result<()> {
        if let Entry::Vacant(slot) = draft.heads.entry(tenant) {
            slot.insert(match self.heads.get(&tenant) {
                Some(head) => *head,
                None => self.sink.tenant_head(tenant)?,
            });
        }
        Ok(())
    }

    /// Makes a draft durable and passes it on; on failure tells those who wait.
    fn append(&mut self, draft: Draft, waiting: Vec<(Waiter, u16)>) {
        match self.make_durable(draft) {
            Ok(mut block) => {
                let (index, timestamp_us) = (block.index, block.timestamp_us);
                let committed = |ordinal| Committed {
                    index,
                    ordinal,
                    timestamp_us,
                };
                let waiters = waiting.into_iter();
                block.waiters = waiters
                    .map(|(waiter, at)| (waiter, committed(at)))
                    .collect();
                self.pass_on(block);
            }
            Err(error) => {
                for (waiter, _) in waiting {
                    waiter.failed(self.shared, again(&error));
                }
            }
        }
    }

    fn append_part(&mut self, draft: Draft) -> Result<()> {
        let block = self.make_durable(draft)?;
        self.pass_on(block);
        match self.shared.queue.failure() {
            Some(reason) => Err(StorageError::Closed(reason)),
            None => Ok(()),
        }
    }

    fn make_durable(&mut self, draft: Draft) -> Result<Durable> {
        let Draft {
            builder,
            heads,
            events,
            misfit,
        } = draft;
        if let Some(misfit) = misfit {
            return Err(misfit);
        }
        let mut block = builder.finish();
        let start_us = self.shared.clock.now_us();
        let appended = self.log.append(&mut block);
        let metrics = &self.shared.metrics;
        metrics
            .fsync_us
            .record_between(start_us, self.shared.clock.now_us());
        if let Some(reason) = self.log.poisoned() {
            let reason = reason.to_owned();
            self.shared.fail(&reason);
            return Err(StorageError::Closed(reason));
        }
        appended?;
        self.heads.extend(heads);
        metrics.blocks.add(1);
        metrics.log_bytes_appended.add(block.bytes.len() as u64);
        metrics
            .log_bytes
            .add(crate::segment::align(block.bytes.len() as u64));
        metrics.durable_index.set(block.header.index);
        self.shared
            .durable
            .advance(block.header.index, block.header.block_hash);
        Ok(Durable {
            index: block.header.index,
            hash: block.header.block_hash,
            timestamp_us: block.header.timestamp_us,
            events,
            waiters: Vec::new(),
        })
    }

    fn pass_on(&self, block: Durable) {
        if let Err(refused) = self.send.send(block) {
            // The applier is gone, so the log has failed.
            self.shared.fail("the applier stopped");
            for (waiter, _) in refused.0.waiters {
                waiter.failed(self.shared, self.shared.queue.refused());
            }
        }
    }
}

/// A transaction taken apart.
struct SealedIter {
    tenant: TenantId,
    events: std::vec::IntoIter<SealedEvent>,
    plain: Option<Arc<Txn>>,
}

impl SealedIter {
    fn of(txn: crate::commit::SealedTransaction) -> Self {
        Self {
            tenant: txn.tenant,
            events: txn.events.into_iter(),
            plain: txn.plain,
        }
    }
}

impl Draft {
    fn is_full_for(&self, event: &SealedEvent) -> bool {
        let (bytes, count) = (self.builder.payload_len(), self.builder.event_count());
        count > 0 && (bytes + event.event_len() > BLOCK_PAYLOAD_BYTES || count >= BLOCK_EVENTS_MAX)
    }

    fn last_ordinal(&self) -> u16 {
        self.builder.event_count().saturating_sub(1) as u16
    }

    /// Adds a whole transaction; returns the ordinal of its last event.
    fn add_all(&mut self, txn: crate::commit::SealedTransaction) -> u16 {
        let SealedIter {
            mut events,
            mut plain,
            ..
        } = SealedIter::of(txn);
        while let Some(event) = events.next() {
            let last = events.len() == 0;
            self.add(event, plain.take_if(|_| last));
        }
        self.last_ordinal()
    }

    fn add(&mut self, event: SealedEvent, plain: Option<Arc<Txn>>) {
        let head = self.heads.entry(event.tenant).or_default();
        let header = head.place(&event, self.builder.timestamp_us());
        let ordinal = self.builder.event_count() as u16;
        let leaf = match self.builder.push(&header, &event.body) {
            Ok(leaf) => leaf,
            Err(error) => return self.misfit = Some(error.into()),
        };
        *head = TenantHead {
            next_seq: header.tenant_seq + 1,
            prev: leaf,
        };
        let content = match (event.kind, plain) {
            (EventKind::Txn, Some(plain)) => Content::Plain(plain),
            (EventKind::Txn | EventKind::Key, _) => Content::Body(event.body),
            _ => Content::Left,
        };
        self.events.push(PlacedEvent {
            ordinal,
            header,
            leaf,
            content,
        });
    }
}
