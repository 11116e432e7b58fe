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

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kimberlite_storage::{ChainHead, TenantHead, TenantId};
use raft::eraftpb::HardState;
use raft::{Config, GetEntriesContext, RawNode, StateRole};

pub use self::action::{
    Action, Alarm, Commit, Event, Fetch, Leadership, Refusal, RequestId, Vote, Write,
};
pub use self::log_view::LogSource;
pub use self::queue::{BLOCK_EVENTS_MAX, BLOCK_PAYLOAD_BYTES};

use self::fatal::{Fatal, Step};
use self::lead::{OpenChange, Placed, Room};
use self::log_view::LogView;
use self::queue::Queue;
use self::reads::Reads;
use self::ready::Unwritten;
use crate::block_entry::KeptBlock;
use crate::frame::{Frame, FrameKind};
use crate::members::Members;
use crate::terms::TermStarts;

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

/// How a core is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This replica; not 0.
    pub replica: u64,
    /// Ticks between heartbeats of a leader.
    pub heartbeat_ticks: usize,
    /// Ticks without a leader after which a replica may want to lead; up to twice as many,
    /// so that not all want at once.
    pub election_ticks: usize,
    /// Makes the waiting times of replicas differ.
    pub seed: u64,
}

/// What a replica's disk says when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The newest block that is known to be committed; none in a new log. On a replica
    /// that is the only voter every durable block is.
    pub committed: ChainHead,
    /// The durable blocks after it, in order.
    pub blocks: Vec<KeptBlock>,
    /// The terms of the log up to `committed`.
    pub terms: TermStarts,
    /// Term and vote.
    pub vote: Vote,
    /// Blocks up to this index are applied; at most that of `committed`.
    pub applied: u64,
    /// The members.
    pub members: Members,
}

/// Blocks on their way from the disk.
struct Fetching {
    number: u64,
    from: u64,
    context: GetEntriesContext,
}

/// Why a core cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the replicated log cannot start: {0}")]
pub struct StartError(String);

/// See the [module](self).
pub struct Core<S: LogSource> {
    settings: Settings,
    raw: RawNode<LogView<S>>,
    members: Members,
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
    reads: Reads,
    unwritten: VecDeque<Unwritten>,
    writes: u64,
    fetching: VecDeque<Fetching>,
    fetches: u64,
    /// It was told to end: see [`Action::Fatal`].
    ended: bool,
}

impl<S: LogSource> Core<S> {
    /// Starts a replica with what its disk says, and the first things to do.
    ///
    /// # Errors
    /// [`StartError`] when the disk contradicts itself.
    pub fn start(
        settings: Settings,
        start: Start,
        source: S,
        now_us: i64,
    ) -> Result<(Self, Vec<Action>), StartError> {
        if start.applied > start.committed.index {
            let why = "blocks that were applied are not known to be committed";
            return Err(StartError(why.to_owned()));
        }
        let members = start.members;
        let mut view = LogView::new(source, start.committed, start.terms);
        for block in start.blocks {
            let index = block.header.index;
            if !view.push(block) {
                return Err(StartError(format!("block {index} does not follow the log")));
            }
        }
        // A vote of a term before the newest block's counts no more.
        let newest = view.head().term;
        let vote = match start.vote.term >= newest {
            true => start.vote,
            false => Vote {
                term: newest,
                vote: 0,
            },
        };
        let mut hard = HardState::default();
        hard.set_term(vote.term);
        hard.set_vote(vote.vote);
        hard.set_commit(start.committed.index);
        view.set_initial(hard, members.conf_state());
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let config = config(&settings, start.applied);
        let raw = RawNode::new(&config, view, &logger).map_err(|e| StartError(e.to_string()))?;
        let mut core = Self {
            settings,
            raw,
            members,
            vote,
            leadership: Leadership::default(),
            now_us,
            applied: start.applied,
            queue: Queue::default(),
            room: Room::Sure,
            tenants: HashMap::new(),
            placed: VecDeque::new(),
            lost_ticks: 0,
            change: None,
            reads: Reads::default(),
            unwritten: VecDeque::new(),
            writes: 0,
            fetching: VecDeque::new(),
            fetches: 0,
            ended: false,
        };
        // Nobody else could object.
        if core.members.voters == [core.settings.replica] && core.members.outgoing.is_empty() {
            core.raw.campaign().map_err(|e| StartError(e.to_string()))?;
        }
        let mut actions = Vec::new();
        let driven = core.drive(&mut actions);
        driven.map_err(|Fatal(why)| StartError(why))?;
        Ok((core, actions))
    }

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
            // What the protocol does not want, it may ignore.
            Ok(()) => drop(self.raw.step(frame.into_message())),
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
}

fn config(settings: &Settings, applied: u64) -> Config {
    Config {
        id: settings.replica,
        election_tick: settings.election_ticks,
        heartbeat_tick: settings.heartbeat_ticks,
        min_election_tick: settings.election_ticks,
        max_election_tick: settings.election_ticks * 2,
        applied,
        pre_vote: true,
        check_quorum: true,
        max_size_per_msg: FRAME_BLOCKS_BYTES,
        max_inflight_msgs: FRAMES_IN_FLIGHT,
        max_committed_size_per_ready: 4 * FRAME_BLOCKS_BYTES,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests;
