//! The replicated log as a state machine: events go in, actions come out.
//!
//! [`Core`] wraps the Raft of the `raft` crate. It has no socket, no thread, no clock and
//! no random source: what drives it gives it ticks, frames and the time, and does what it
//! says. So the simulator runs the very code that the server runs, and one seed gives one
//! run. A node that is alone is a cluster of one voter; there is no other way to commit.
//!
//! One entry of the protocol is one block. A leader makes the block with the index and the
//! term the entry is going to have, and everybody else takes its bytes as they are. The
//! empty entries of a new leader and changes of the members are blocks as well.
//!
//! What is promised waits for the medium: votes and acknowledgements leave with the
//! [`Action::Write`] they depend on, when [`Event::Written`] says it is durable. The leader
//! alone sends its blocks before they are durable here, and counts itself only after.

mod action;
mod fatal;
mod lead;
mod log_view;
mod queue;
mod reads;
mod ready;
mod receive;
mod safety;
mod start;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use kimberlite_storage::{ChainHead, TenantHead, TenantId};
use raft::{GetEntriesContext, RawNode, StateRole};

pub use self::action::{
    Action, Alarm, Commit, Event, Fetch, Leadership, Refusal, RequestId, Vote, Write,
};
pub use self::log_view::LogSource;
pub use self::queue::{BLOCK_EVENTS_MAX, BLOCK_PAYLOAD_BYTES, BlockLimits};
pub use self::safety::{PROMOTE_BLOCKS_MAX, PROMOTE_BYTES_MAX, PeerProgress, PeerState};
pub use self::start::{Settings, Start, StartError};

use self::fatal::{Fatal, Step};
use self::lead::{OpenChange, Placed, Room};
use self::log_view::LogView;
use self::queue::Queue;
use self::reads::Reads;
use self::ready::Unwritten;
use crate::frame::{Frame, FrameKind};
use crate::members::Members;
use crate::registry::Registry;

/// Bytes of blocks that are kept in memory for replicas that are a little behind.
const MEMORY_BYTES: usize = 32 << 20;

/// Bytes of blocks that may wait for a majority; more transactions wait in the queue.
const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;

/// Bytes of blocks in one frame, unless one block has more.
const FRAME_BLOCKS_BYTES: u64 = 1 << 20;

/// Frames with blocks that may be on their way to one replica.
const FRAMES_IN_FLIGHT: usize = 64;

/// Reads of old blocks that may be open at once.
const FETCHES_MAX: usize = 16;

/// Blocks on their way from the disk.
struct Fetching {
    number: u64,
    from: u64,
    context: GetEntriesContext,
}

/// See the [module](self).
pub struct Core<S: LogSource> {
    settings: Settings,
    raw: RawNode<LogView<S>>,
    members: Members,
    registry: Registry,
    vote: Vote,
    leadership: Leadership,
    now_us: i64,
    /// Blocks up to this index are in the projection.
    applied: u64,
    queue: Queue,
    room: Room,
    /// The newest event of each tenant with one in a block since this replica leads.
    tenants: HashMap<TenantId, TenantHead>,
    /// Our blocks that are not committed yet.
    placed: VecDeque<Placed>,
    /// Ticks since this replica leads no more, if somebody waits for a block of it.
    lost_ticks: usize,
    change: Option<OpenChange>,
    /// Ticks since the start.
    ticks: u64,
    /// At which tick each member was last heard of.
    heard: BTreeMap<u64, u64>,
    reads: Reads,
    unwritten: VecDeque<Unwritten>,
    writes: u64,
    fetching: VecDeque<Fetching>,
    fetches: u64,
    /// It was told to end: see [`Action::Fatal`].
    ended: bool,
}

impl<S: LogSource> Core<S> {
    /// Takes an event that happened at `now_us`, and says what to do: nothing any more
    /// after [`Action::Fatal`].
    pub fn handle(&mut self, event: Event, now_us: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.ended {
            return actions;
        }
        self.now_us = now_us;
        self.take(event, &mut actions);
        if let Err(Fatal(why)) = self.drive(&mut actions) {
            self.ended = true;
            actions.push(Action::Fatal(why));
        }
        actions
    }

    fn take(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {
                self.ticks += 1;
                self.raw.tick();
                self.reads.tick(self.settings.election_ticks);
                self.count_lost_ticks(actions);
            }
            Event::Frame(frame) => self.receive(frame, actions),
            Event::Room => self.room = Room::Sure,
            Event::Full => self.no_room(actions),
            Event::Submit(id, txn) => self.submit(id, txn, actions),
            Event::Written(number) => self.written(number, actions),
            Event::Fetched(number, blocks) => self.fetched(number, &blocks),
            Event::Applied(index) => self.applied = self.applied.max(index),
            Event::Read(id) => self.reads.push(id),
            Event::Change(id, change) => self.propose_change(id, change, actions),
            // The raft crate would pass it on to the leader, and fail where it is passed on
            // twice.
            Event::Transfer(to) if self.leads() => self.raw.transfer_leader(to),
            Event::Transfer(_) => {}
            Event::Unreachable(peer) => self.raw.report_unreachable(peer),
        }
    }

    fn receive(&mut self, frame: Frame, actions: &mut Vec<Action>) {
        let leads_in = self.leads().then_some(self.raw.raft.term);
        if frame.kind() == FrameKind::ReadIndex && leads_in.is_none() {
            // Whoever asks does so again, and then the one who leads.
            return;
        }
        match receive::check(&frame, self.raw.store(), self.committed(), leads_in) {
            Ok(()) => {
                let (from, term) = (frame.from(), frame.term());
                // What the protocol does not want, it may ignore.
                drop(self.raw.step(frame.into_message()));
                if term == self.raw.raft.term {
                    self.hear_of(from);
                }
            }
            Err(alarm) => actions.push(Action::Alarm(alarm)),
        }
    }

    /// Does everything that can be done now.
    fn drive(&mut self, actions: &mut Vec<Action>) -> Step {
        loop {
            self.check_source()?;
            while self.raw.has_ready() {
                self.take_ready(actions)?;
            }
            self.note_leadership(actions)?;
            if !self.fill_block(actions) && !self.ask_reads() {
                break;
            }
        }
        self.fetch_wanted(actions);
        let forget = self.applied.min(self.durable());
        self.raw.mut_store().forget(forget, MEMORY_BYTES);
        self.choose_timeout();
        Ok(())
    }

    /// The protocol takes blocks of this replica's own log for certain; where it got none
    /// it must not go on.
    fn check_source(&mut self) -> Step {
        match self.raw.mut_store().take_failure() {
            None => Ok(()),
            Some(why) => Err(Fatal(why)),
        }
    }

    /// The protocol draws a random waiting time whenever its state changes; ours depends
    /// on the seed alone.
    fn choose_timeout(&mut self) {
        let raft = &mut self.raw.raft;
        let mixed = [self.settings.replica, raft.term, raft.state as u64]
            .into_iter()
            .fold(self.settings.seed, |hash, word| {
                (hash ^ word)
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    .rotate_left(29)
            });
        let ticks = self.settings.election_ticks;
        let more = (mixed % ticks as u64) as usize;
        raft.set_randomized_election_timeout(ticks + more);
    }

    fn fetched(&mut self, number: u64, blocks: &[Bytes]) {
        let place = self.fetching.iter().position(|open| open.number == number);
        let Some(fetching) = place.and_then(|place| self.fetching.remove(place)) else {
            return;
        };
        if !blocks.is_empty() {
            self.raw.mut_store().set_fetched(fetching.from, blocks);
            self.raw.on_entries_fetched(fetching.context);
        }
    }

    fn fetch_wanted(&mut self, actions: &mut Vec<Action>) {
        for wanted in self.raw.mut_store().take_wanted() {
            // The protocol asks again with the next sign of life of the peer.
            if self.fetching.len() == FETCHES_MAX {
                break;
            }
            self.fetches += 1;
            self.fetching.push_back(Fetching {
                number: self.fetches,
                from: wanted.from,
                context: wanted.context,
            });
            actions.push(Action::Fetch(Fetch {
                number: self.fetches,
                from: wanted.from,
                to: wanted.to,
                bytes_max: wanted.bytes_max,
            }));
        }
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// The epoch of transactions that begin now ([`SealedTransaction::epoch`]): the term
    /// in which this replica leads, if it has applied a block of it, which no block of an
    /// earlier term can follow.
    ///
    /// [`SealedTransaction::epoch`]: kimberlite_storage::SealedTransaction::epoch
    #[must_use]
    pub fn serving(&self) -> Option<u64> {
        let term = self.raw.raft.term;
        let applied = self.raw.store().term_of(self.applied);
        (self.leads() && applied == Some(term) && !self.ended).then_some(term)
    }

    /// Blocks up to this index are committed, as far as this replica knows.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    /// Blocks up to this index are durable here.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.raw.raft.raft_log.persisted
    }

    /// The newest block, which need not be durable yet.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        self.raw.store().head()
    }

    /// Who leads, as far as this replica knows.
    #[must_use]
    pub const fn leadership(&self) -> Leadership {
        self.leadership
    }

    /// The members, as of the newest applied change.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// What the log says of every replica there ever was, as of what is committed.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }
}

#[cfg(test)]
mod tests;
