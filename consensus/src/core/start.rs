//! How a core begins.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kimberlite_storage::ChainHead;
use raft::eraftpb::HardState;
use raft::{Config, RawNode};

use super::fatal::Fatal;
use super::lead::Room;
use super::log_view::LogView;
use super::queue::{BlockLimits, Queue};
use super::reads::Reads;
use super::{Action, Core, FRAME_BLOCKS_BYTES, FRAMES_IN_FLIGHT, Leadership, LogSource, Vote};
use crate::block_entry::KeptBlock;
use crate::members::Members;
use crate::registry::Registry;
use crate::terms::TermStarts;

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
    /// How much goes into one block.
    pub block: BlockLimits,
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
    /// The members, as the superblock has them.
    pub members: Members,
    /// What the log says of every replica, as of `applied`.
    pub registry: Registry,
}

/// Why a core cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the replicated log cannot start: {0}")]
pub struct StartError(String);

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
        let members = start.registry.newest(start.members);
        let members = members.ok_or_else(|| {
            let why = "the members in the superblock are not those of the log";
            StartError(why.to_owned())
        })?;
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
            registry: start.registry,
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
            ticks: 0,
            heard: BTreeMap::new(),
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
