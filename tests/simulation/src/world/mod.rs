//! Replicas, network and clients over time.

mod actions;
mod adds;
mod clients;
mod faults;
mod network;
mod operators;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use kimberlite_consensus::core::{Event, RequestId};
use kimberlite_consensus::frame::Frame;
use kimberlite_consensus::members::Members;

use self::adds::Add;
use self::clients::Open;
use self::network::Links;
use crate::check::{Checker, Violation};
use crate::disk::Disk;
use crate::random::{Random, Trace};
use crate::replica::Replica;
use crate::scenario::Scenario;

/// Milliseconds between two ticks of a replica's clock.
const TICK: u64 = 10;

/// Time without faults at the end, after which everything has to be well.
const QUIET: u64 = 10_000;

/// Blocks that a replica may still be behind at the end: those under way.
const BEHIND_MAX: u64 = 64;

/// What is due at some time.
enum Due {
    /// A frame, and the incarnations between which it goes.
    Frame(Bytes, [[u8; 16]; 2]),
    Tick(u64),
    Durable(u64),
    /// A write was told to be durable.
    Told(u64, u64),
    Applied(u64),
    Fetched(u64, u64, Vec<Bytes>),
    Restart(u64),
    Client,
    Resume(u64),
    Reserve(u64),
    /// A transaction commits.
    Add(Add),
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The hash of everything that happened.
    pub trace: u64,
    /// Committed blocks.
    pub committed: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Finished reads.
    pub reads: u64,
    /// Crashes.
    pub crashes: u64,
    /// Times a replica came to lead.
    pub elections: u64,
    /// Times blocks were cut off again.
    pub cuts: u64,
    /// Changes of the members.
    pub changes: u64,
    /// Times a replica ended because it could not read its own log.
    pub fatal: u64,
}

impl Summary {
    /// Adds the numbers of another run; the traces are mixed.
    pub const fn add(&mut self, other: &Self) {
        self.trace = self.trace.rotate_left(7) ^ other.trace;
        self.committed += other.committed;
        self.acknowledged += other.acknowledged;
        self.reads += other.reads;
        self.crashes += other.crashes;
        self.elections += other.elections;
        self.cuts += other.cuts;
        self.changes += other.changes;
        self.fatal += other.fatal;
    }
}

/// A cluster under one seed.
struct World {
    scenario: Scenario,
    seed: u64,
    random: Random,
    trace: Trace,
    now: u64,
    due: BTreeMap<(u64, u64), Due>,
    sequence: u64,
    replicas: BTreeMap<u64, Replica>,
    links: Links,
    /// Replicas that stand still, and until when.
    paused: BTreeMap<u64, u64>,
    /// How far the time of day is off.
    clock_off: BTreeMap<u64, i64>,
    /// The next replica that may become a member: ids are not used again.
    next_spare: u64,
    requests: RequestId,
    open: BTreeMap<RequestId, Open>,
    /// Changes of the members that must be refused.
    never: BTreeSet<RequestId>,
    checker: Checker,
    summary: Summary,
    /// Faults are over.
    quiet: bool,
}

/// Runs a scenario under a seed.
///
/// # Errors
/// The first rule that did not hold; a panic is one.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Summary, Violation> {
    let whole = || {
        let mut world = World::new(scenario.clone(), seed)?;
        world.begin()?;
        world.run_until(scenario.duration)?;
        world.calm_down()?;
        world.run_until(scenario.duration + QUIET)?;
        world.finish()
    };
    catch_unwind(AssertUnwindSafe(whole)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(Violation(format!("panic: {}", text.unwrap_or_default())))
    })
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> Result<Self, Violation> {
        let voters = scenario.replicas;
        let members = Members::first(1..=voters);
        let mut replicas = BTreeMap::new();
        for id in 1..=voters + scenario.spares {
            // Who joins later has to know the first members too: the log tells of changes only.
            let disk = Disk::new(id, &members, scenario.segment_bytes(), scenario.mutation);
            let disk = disk.map_err(|e| Violation(e.to_string()))?;
            let unreadable = (Random::new(seed ^ id), scenario.disk.unreadable_in);
            replicas.insert(id, Replica::new(id, disk, unreadable));
        }
        Ok(Self {
            replicas,
            random: Random::new(seed),
            seed,
            trace: Trace::default(),
            now: 0,
            due: BTreeMap::new(),
            sequence: 0,
            links: Links::default(),
            paused: BTreeMap::new(),
            clock_off: BTreeMap::new(),
            next_spare: voters + 1,
            requests: 0,
            open: BTreeMap::new(),
            never: BTreeSet::new(),
            checker: Checker::default(),
            summary: Summary::default(),
            quiet: false,
            scenario,
        })
    }

    fn at(&mut self, time: u64, due: Due) {
        self.sequence += 1;
        self.due.insert((time, self.sequence), due);
    }

    fn ids(&self) -> Vec<u64> {
        self.replicas.keys().copied().collect()
    }

    fn begin(&mut self) -> Result<(), Violation> {
        for id in self.ids() {
            self.start(id)?;
            let offset = self.random.below(TICK);
            self.at(offset, Due::Tick(id));
        }
        self.at(1, Due::Client);
        Ok(())
    }

    fn start(&mut self, id: u64) -> Result<(), Violation> {
        let (seed, now_us) = (self.seed, self.time_of_day(id));
        let mutation = self.scenario.mutation;
        let Some(replica) = self.replicas.get_mut(&id).filter(|r| r.core.is_none()) else {
            return Ok(());
        };
        let actions = replica
            .start(seed, now_us, mutation)
            .map_err(|e| Violation(format!("replica {id}: {e}")))?;
        self.perform(id, actions)
    }

    fn time_of_day(&self, id: u64) -> i64 {
        let off = self.clock_off.get(&id).copied().unwrap_or_default();
        self.now as i64 * 1000 + off
    }

    fn run_until(&mut self, end: u64) -> Result<(), Violation> {
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > end {
                break;
            }
            self.now = entry.key().0;
            let due = entry.remove();
            self.step(due)?;
        }
        self.now = end;
        Ok(())
    }

    fn step(&mut self, due: Due) -> Result<(), Violation> {
        let whom = match &due {
            Due::Tick(id) | Due::Told(id, _) | Due::Applied(id) | Due::Fetched(id, ..) => Some(*id),
            Due::Frame(bytes, _) => network::receiver(bytes),
            _ => None,
        };
        if let Some(until) = whom.and_then(|id| self.paused.get(&id)) {
            let until = *until;
            self.at(until, due);
            return Ok(());
        }
        match due {
            Due::Frame(bytes, ends) => {
                let frame = Frame::decode(&bytes)
                    .map_err(|e| Violation(format!("a frame does not read back: {e}")))?;
                self.trace.note(frame.from() << 8 | frame.to());
                if !self.takes(&frame, &ends) {
                    return Ok(());
                }
                self.event(frame.to(), Event::Frame(frame))
            }
            Due::Tick(id) => self.tick(id),
            Due::Durable(id) => self.settle(id),
            Due::Told(id, number) => self.event(id, Event::Written(number)),
            Due::Applied(id) => self.apply(id),
            Due::Fetched(id, number, blocks) => self.event(id, Event::Fetched(number, blocks)),
            Due::Restart(id) => self.start(id),
            Due::Client => self.clients(),
            Due::Reserve(id) => self.reserve(id, true),
            Due::Add(add) => self.commit_add(add),
            Due::Resume(id) => {
                self.paused.remove(&id);
                Ok(())
            }
        }
    }

    fn event(&mut self, id: u64, event: Event) -> Result<(), Violation> {
        let now_us = self.time_of_day(id);
        let Some(replica) = self.replicas.get_mut(&id) else {
            return Ok(());
        };
        let actions = replica.handle(event, now_us);
        self.perform(id, actions)
    }

    fn tick(&mut self, id: u64) -> Result<(), Violation> {
        self.at(self.now + TICK, Due::Tick(id));
        let mut ticks = 1;
        if !self.quiet {
            self.faults(id)?;
            ticks -= u64::from(self.random.once_in(self.scenario.clocks.skip_in));
            ticks += u64::from(self.random.once_in(self.scenario.clocks.fast_in));
        }
        for _ in 0..ticks {
            self.event(id, Event::Tick)?;
        }
        Ok(())
    }

    fn leads(&self, id: u64) -> bool {
        let core = self.replicas.get(&id).and_then(|r| r.core.as_ref());
        core.is_some_and(|core| core.leadership().leader == id)
    }

    /// After the quiet time everybody has everything.
    fn finish(mut self) -> Result<Summary, Violation> {
        self.checker.nothing_lost()?;
        let committed = self.checker.committed();
        let Some(leader) = self.ids().into_iter().find(|id| self.leads(*id)) else {
            return Err(Violation(format!(
                "after {QUIET} ms without faults nobody leads"
            )));
        };
        let core = self.replicas.get(&leader).and_then(|r| r.core.as_ref());
        let members = core.map(|core| core.members().all()).unwrap_or_default();
        for id in members {
            let applied = self
                .replicas
                .get(&id)
                .map_or(0, |r| r.medium().projection.applied);
            // Who lost its data directory waits to be removed.
            let wiped = self.replicas.get(&id).is_some_and(|r| r.wiped);
            if applied + BEHIND_MAX < committed && !wiped {
                return Err(Violation(format!(
                    "after {QUIET} ms without faults replica {id} has {applied} of {committed} blocks"
                )));
            }
        }
        self.summary.committed = committed;
        self.summary.trace = self.trace.value();
        Ok(self.summary)
    }
}
