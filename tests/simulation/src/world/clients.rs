//! Clients that write and read registers.

use kimberlite_consensus::core::{Event, Refusal, RequestId};
use kimberlite_storage::{EventKind, SealedEvent, SealedTransaction, TenantId};

use super::{Due, World};
use crate::check::Violation;
use crate::replica::Written;
use crate::scenario::Mutation;

/// Bytes of each part of a large write; a block takes two.
const PART_BYTES: usize = 400 << 10;

/// What a client waits for.
pub(super) struct Open {
    pub(super) key: u64,
    /// The value written; `None` for a read.
    pub(super) value: Option<u64>,
    /// Where the newest operation on the key was that had finished.
    pub(super) began: u64,
    pub(super) replica: u64,
    /// Of a read: the index it has to see.
    pub(super) read_at: Option<u64>,
}

impl World {
    /// Clients begin something, and the next ones come.
    pub(super) fn clients(&mut self) -> Result<(), Violation> {
        let clients = self.scenario.clients.clone();
        let next = self.now + 1 + self.random.below(clients.pause_max);
        self.at(next, Due::Client);
        for _ in 0..clients.burst {
            let replica = self.any_replica();
            let up = self
                .replicas
                .get(&replica)
                .is_some_and(|r| r.core.is_some());
            if up && !self.paused.contains_key(&replica) {
                self.operation(replica)?;
            }
        }
        Ok(())
    }

    fn operation(&mut self, replica: u64) -> Result<(), Violation> {
        let clients = self.scenario.clients.clone();
        self.requests += 1;
        let request = self.requests;
        if self.random.below(100) < clients.adds {
            return self.begin_add(replica, request);
        }
        let write = self.random.below(100) < clients.writes;
        // The second half are those of `adds`.
        let keys = if write { 1 } else { 2 } * clients.keys;
        let key = self.random.below(keys);
        let local = self.scenario.mutation == Some(Mutation::LocalReads);
        let open = Open {
            key,
            value: write.then_some(request),
            began: self.checker.position(key),
            replica,
            read_at: (local && !write).then_some(0),
        };
        self.open.insert(request, open);
        if write {
            let large = self.random.once_in(clients.large_in);
            let write = Written {
                key,
                value: request,
                seen: None,
            };
            let transaction = transaction(&write, large, 0);
            return self.event(replica, Event::Submit(request, transaction));
        }
        match local {
            true => self.finish_reads(replica),
            false => self.event(replica, Event::Read(request)),
        }
    }

    /// Answers the reads of a replica that see enough now.
    pub(super) fn finish_reads(&mut self, id: u64) -> Result<(), Violation> {
        let Some(replica) = self.replicas.get(&id) else {
            return Ok(());
        };
        let applied = replica.medium().projection.applied;
        let ready =
            |open: &Open| open.replica == id && open.read_at.is_some_and(|at| at <= applied);
        let finished: Vec<(RequestId, Open)> =
            self.open.extract_if(.., |_, open| ready(open)).collect();
        for (_, open) in finished {
            let value = self.value(id, open.key);
            self.checker.read(open.key, value, applied, open.began)?;
            self.summary.reads += 1;
        }
        Ok(())
    }

    fn value(&self, id: u64, key: u64) -> Option<u64> {
        let replica = self.replicas.get(&id)?;
        replica.medium().projection.registers.get(&key).copied()
    }

    pub(super) fn refused(&mut self, request: RequestId, refusal: &Refusal) {
        self.trace.note(0xF << 60 | request);
        let known = self.open.remove(&request);
        if let Some(open) = &known {
            self.unlock(open.replica, open.key, request);
        }
        if let Some(value) = known.and_then(|open| open.value) {
            self.trace.note(u64::from(*refusal == Refusal::Superseded));
            self.checker.refused(value);
        }
    }
}

/// A transaction of one tenant that writes one register; a large one takes several
/// blocks, of which the last says what is written.
pub(super) fn transaction(write: &Written, large: bool, epoch: u64) -> SealedTransaction {
    let tenant = TenantId([write.key as u8 + 2; 16]);
    let part = |_| vec![write.value as u8 | 1; PART_BYTES];
    let parts = (0..if large { 7 } else { 0 }).map(part);
    let parts = parts.map(|body| (EventKind::TxnPart, body));
    let bodies = parts.chain([(EventKind::Audit, write.body())]);
    let events = bodies.map(|(kind, body)| SealedEvent::unsealed(tenant, kind, body));
    SealedTransaction {
        tenant,
        events: events.filter_map(Result::ok).collect(),
        plain: None,
        epoch,
    }
}
