//! The applier thread: committed blocks into the projection, then the callbacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use kimberlite_storage::apply::{EventOpener, LogParts, apply_block};
use kimberlite_storage::{
    AppliedBlock, ApplySink, Block, Committed, OpenedEvent, Result, StorageError, Txn,
};

use super::OnRead;
use super::engine::Input;
use super::shared::{Shared, Waiter};
use crate::core::Commit;

/// What the applier is told.
pub(super) enum Job {
    /// A committed block, the transactions in it whose plain form is at hand, by ordinal,
    /// and who waits for it.
    Apply(
        Box<Commit>,
        BTreeMap<u16, Arc<Txn>>,
        Vec<(Waiter, Committed)>,
    ),
    /// A read that has to see this index.
    Read(u64, OnRead),
}

pub(super) struct Applier {
    pub(super) shared: Arc<Shared>,
    pub(super) sink: Arc<dyn ApplySink>,
    pub(super) opener: EventOpener,
    pub(super) parts: LogParts,
    pub(super) tell: Sender<Input>,
    pub(super) applied: u64,
    /// Reads that wait, by the index they have to see.
    pub(super) reads: BTreeMap<u64, Vec<OnRead>>,
}

impl Applier {
    /// Runs until nobody tells it anything more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let shared = Arc::clone(&self.shared);
        shared.guard("applier", || {
            for job in jobs {
                match job {
                    Job::Apply(commit, plain, waiters) => self.apply(*commit, plain, waiters),
                    Job::Read(index, done) => {
                        self.reads.entry(index).or_default().push(done);
                        self.answer_reads();
                    }
                }
            }
            for done in std::mem::take(&mut self.reads).into_values().flatten() {
                done(Err(self.shared.refusal()));
            }
        });
        // After a panic: nobody may wait for ever.
        for job in jobs {
            give_up(&shared, job);
        }
    }

    fn apply(
        &mut self,
        commit: Commit,
        plain: BTreeMap<u16, Arc<Txn>>,
        waiters: Vec<(Waiter, Committed)>,
    ) {
        if self.shared.failure().is_some() {
            return refuse(&self.shared, waiters);
        }
        let (index, hash) = (commit.header.index, commit.header.block_hash);
        let start_us = self.shared.clock.now_us();
        let applied = self.opened(&commit, plain).and_then(|block| {
            apply_block(self.sink.as_ref(), &mut self.parts, &block)?;
            self.sink.publish()
        });
        if let Err(error) = applied {
            self.shared.fail(&format!(
                "block {index} is committed but could not be applied: {error}"
            ));
            return refuse(&self.shared, waiters);
        }
        let metrics = &self.shared.metrics;
        let end_us = self.shared.clock.now_us();
        metrics.apply_us.record_between(start_us, end_us);
        metrics.applied_index.set(index);
        self.applied = index;
        self.shared.committed.advance(index, hash);
        for (waiter, committed) in waiters {
            waiter.committed(&self.shared, committed);
        }
        self.answer_reads();
        drop(self.tell.send(Input::Applied(index)));
    }

    /// The block with its events opened.
    fn opened(&self, commit: &Commit, mut plain: BTreeMap<u16, Arc<Txn>>) -> Result<AppliedBlock> {
        let block = Block::decode(&commit.bytes)?;
        let mut events: Vec<OpenedEvent> = Vec::with_capacity(block.events.len());
        // An ordinal has 16 bits, like the number of events of a block.
        for (ordinal, event) in (0_u16..).zip(&block.events) {
            let leaf = event.leaf();
            events.push(match plain.remove(&ordinal) {
                Some(txn) => {
                    let mut opened = EventOpener::unopened(ordinal, &event.header, leaf);
                    opened.txn = Some(Arc::unwrap_or_clone(txn));
                    opened
                }
                None => self.opener.open(ordinal, &event.header, leaf, event.body)?,
            });
        }
        Ok(AppliedBlock {
            index: commit.header.index,
            hash: commit.header.block_hash,
            timestamp_us: commit.header.timestamp_us,
            events,
        })
    }

    fn answer_reads(&mut self) {
        let waiting = self.reads.split_off(&(self.applied + 1));
        for done in std::mem::replace(&mut self.reads, waiting)
            .into_values()
            .flatten()
        {
            done(Ok(self.applied));
        }
    }
}

fn refuse(shared: &Shared, waiters: Vec<(Waiter, Committed)>) {
    for (waiter, _) in waiters {
        waiter.failed(shared, shared.refusal());
    }
}

fn give_up(shared: &Shared, job: Job) {
    match job {
        Job::Apply(_, _, waiters) => refuse(shared, waiters),
        Job::Read(_, done) => done(Err(StorageError::Closed("the applier stopped".into()))),
    }
}
