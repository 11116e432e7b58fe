//! What a leader does: blocks out of waiting transactions, changes of the members.

use kimberlite_storage::{
    Block, BlockBuilder, BlockKind, ChainHead, Committed, EncodedBlock, SealedTransaction,
    TenantHead, TenantId,
};
use raft::eraftpb::Entry;

use super::fatal::{Fatal, Step};
use super::queue::{Filled, control_block};
use super::{Action, Core, Leadership, LogSource, Refusal, RequestId, UNCOMMITTED_BYTES_MAX};
use crate::members::MemberChange;

/// How many times the least time of an election somebody waits who was led by a replica
/// that leads no more.
const LOST_ELECTIONS: usize = 5;

/// A block of ours that is not committed yet.
pub(super) struct Placed {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) done: Vec<(RequestId, Committed)>,
}

/// A change of the members that was asked for.
pub(super) struct OpenChange {
    pub(super) id: RequestId,
    pub(super) change: MemberChange,
    pub(super) index: u64,
}

/// Whether the log has room for another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It has, as far as is known.
    Sure,
    /// It has not.
    Full,
    /// It had not; it is being tried again.
    Asked,
}

impl<S: LogSource> Core<S> {
    /// A transaction waits for the next block. What waits is refused as soon as this
    /// replica leads no more, so nothing waits from one term to another.
    pub(super) fn submit(
        &mut self,
        id: RequestId,
        txn: SealedTransaction,
        actions: &mut Vec<Action>,
    ) {
        let refusal = match txn.check() {
            Err(error) => Refusal::Invalid(error.to_string()),
            Ok(()) if self.leads() && ![0, self.raw.raft.term].contains(&txn.epoch) => {
                Refusal::OtherEpoch
            }
            Ok(()) => {
                self.queue.push(id, txn);
                return self.ask_for_room(actions);
            }
        };
        actions.push(Action::Refused(id, refusal));
    }

    /// The log has no room: who waits is told so, rather than waiting for somebody to
    /// clear the disk.
    pub(super) fn no_room(&mut self, actions: &mut Vec<Action>) {
        self.room = Room::Full;
        self.refuse_waiting(&Refusal::Full, actions);
    }

    /// Tries again to get room when there is something to put there.
    pub(super) fn ask_for_room(&mut self, actions: &mut Vec<Action>) {
        if self.room == Room::Full {
            self.room = Room::Asked;
            actions.push(Action::Reserve);
        }
    }

    /// Notes who leads. A new leader finds out what the newest event of each tenant is;
    /// who does not lead refuses what waits.
    pub(super) fn note_leadership(&mut self, actions: &mut Vec<Action>) -> Step {
        let raft = &self.raw.raft;
        let now = Leadership {
            term: raft.term,
            leader: raft.leader_id,
        };
        if now != self.leadership {
            self.leadership = now;
            actions.push(Action::Leader(now));
            self.tenants.clear();
            if self.leads() {
                self.find_tenants()?;
            }
        }
        if !self.leads() {
            let refusal = Refusal::NotLeader { leader: now.leader };
            self.refuse_waiting(&refusal, actions);
        }
        Ok(())
    }

    /// Who waits for a block of ours waits for the next leader to say what became of it,
    /// but not for ever.
    pub(super) fn count_lost_ticks(&mut self, actions: &mut Vec<Action>) {
        if self.leads() || self.placed.is_empty() {
            self.lost_ticks = 0;
            return;
        }
        self.lost_ticks += 1;
        if self.lost_ticks >= self.settings.election_ticks * LOST_ELECTIONS {
            let lost = self.placed.drain(..).flat_map(|placed| placed.done);
            actions.extend(lost.map(|(id, _)| Action::Unknown(id)));
        }
    }

    fn refuse_waiting(&mut self, refusal: &Refusal, actions: &mut Vec<Action>) {
        let refused = self.queue.drain().into_iter();
        actions.extend(refused.map(|id| Action::Refused(id, refusal.clone())));
    }

    /// The newest events in the blocks in memory, which are all that may not be applied.
    fn find_tenants(&mut self) -> Step {
        for kept in self.raw.store().kept() {
            let index = kept.header.index;
            let block = Block::decode(&kept.bytes)
                .map_err(|error| Fatal(format!("block {index} does not read: {error}")))?;
            for event in &block.events {
                let head = TenantHead {
                    next_seq: event.header.tenant_seq + 1,
                    prev: event.leaf(),
                };
                self.tenants.insert(event.header.tenant, head);
            }
        }
        Ok(())
    }

    fn newest(&self, tenant: TenantId) -> kimberlite_storage::Result<TenantHead> {
        match self.tenants.get(&tenant) {
            Some(head) => Ok(*head),
            None => self.raw.store().source().tenant(tenant),
        }
    }

    /// Makes a block of what waits and proposes it, unless the one before is still being
    /// written: meanwhile more comes together. Whether it did.
    pub(super) fn fill_block(&mut self, actions: &mut Vec<Action>) -> bool {
        let busy = !self.unwritten.is_empty() || self.room != Room::Sure;
        if self.queue.is_empty() || !self.leads() || busy {
            return false;
        }
        if self.raw.raft.lead_transferee.is_some() {
            self.refuse_waiting(&Refusal::Transferring, actions);
            return false;
        }
        if self.raw.store().bytes_after(self.committed()) > UNCOMMITTED_BYTES_MAX {
            return false;
        }
        let head = self.head();
        let term = self.raw.raft.term;
        let builder = BlockBuilder::after(&head, BlockKind::Data, term, self.now_us);
        let mut queue = std::mem::take(&mut self.queue);
        let filled = queue.fill(builder, self.settings.block, |tenant| self.newest(tenant));
        self.queue = queue;
        match filled {
            Ok(filled) => self.propose(filled, actions),
            Err((lost, error)) => {
                let refusal = Refusal::Invalid(error.to_string());
                let lost = lost.into_iter();
                actions.extend(lost.map(|id| Action::Refused(id, refusal.clone())));
            }
        }
        true
    }

    fn propose(&mut self, filled: Filled, actions: &mut Vec<Action>) {
        let done = filled.committed();
        let Filled { block, tenants, .. } = filled;
        let (index, term) = (block.header.index, block.header.term);
        match self.raw.propose(Vec::new(), block.bytes) {
            Ok(()) => {
                self.tenants.extend(tenants);
                self.placed.push_back(Placed { index, term, done });
            }
            Err(_) => {
                let leader = self.raw.raft.leader_id;
                for (id, _) in done {
                    actions.push(Action::Refused(id, Refusal::NotLeader { leader }));
                }
            }
        }
    }

    /// Proposes a change of the members.
    pub(super) fn propose_change(
        &mut self,
        id: RequestId,
        change: MemberChange,
        actions: &mut Vec<Action>,
    ) {
        let mut refusal = self.change_refusal(&change);
        if refusal.is_none() {
            let index = self.head().index + 1;
            let conf = change.conf_change();
            match self.raw.propose_conf_change(Vec::new(), conf) {
                Ok(()) => self.change = Some(OpenChange { id, change, index }),
                Err(_) => refusal = Some(Refusal::Transferring),
            }
        }
        actions.extend(refusal.map(|refusal| Action::Changed(id, Err(refusal))));
    }

    /// The block of an entry that the protocol made for this leader: the first of a term,
    /// which says nothing, or a change of the members.
    pub(super) fn block_for(&mut self, entry: &Entry) -> Step<EncodedBlock> {
        let head: ChainHead = self.head();
        let empty = |kind| BlockBuilder::after(&head, kind, entry.term, self.now_us).finish();
        if entry.get_entry_type() == raft::eraftpb::EntryType::EntryNormal {
            return Ok(empty(BlockKind::Noop));
        }
        let asked = self
            .change
            .as_ref()
            .filter(|open| open.index == entry.index);
        // The protocol itself ends a joint configuration.
        let change = asked.map(|open| open.change.clone()).unwrap_or_default();
        let failed = |error: String| {
            let index = entry.index;
            Fatal(format!(
                "block {index}, which changes the members, cannot be made: {error}"
            ))
        };
        let newest = self.newest(TenantId::SYSTEM);
        let newest = newest.map_err(|error| failed(error.to_string()))?;
        let made = control_block(
            &head,
            BlockKind::Config,
            entry.term,
            self.now_us,
            change.encode(),
            newest,
        );
        let (block, tenant) = made.map_err(|error| failed(error.to_string()))?;
        self.tenants.insert(TenantId::SYSTEM, tenant);
        Ok(block)
    }
}
