//! What cores want done.

use kimberlite_consensus::core::{Action, Commit, Event, Write};
use kimberlite_storage::{Block, StorageError};

use super::{Due, World};
use crate::check::Violation;
use crate::disk::End;
use crate::replica::Written;
use crate::scenario::Mutation;

/// Milliseconds until a write that had no room is tried again.
const FULL_PAUSE: u64 = 50;

impl World {
    pub(super) fn perform(&mut self, id: u64, actions: Vec<Action>) -> Result<(), Violation> {
        for action in actions {
            match action {
                Action::Send(frame) => self.send(&frame),
                Action::Write(write) => self.write(id, write)?,
                Action::Reserve => {
                    let due = self.now + 1;
                    self.at(due, Due::Reserve(id));
                }
                Action::Fetch(fetch) => {
                    let replica = self.replicas.get(&id);
                    let blocks = replica
                        .map(|r| r.read(fetch.from, fetch.to, fetch.bytes_max))
                        .unwrap_or_default();
                    let due = self.due_write();
                    self.at(due, Due::Fetched(id, fetch.number, blocks));
                }
                Action::Apply(commit) => self.queue_commit(id, commit),
                Action::Refused(request, refusal) => self.refused(request, &refusal),
                Action::Unknown(request) => self.unknown(request),
                Action::ReadAt(request, index) => {
                    if let Some(open) = self.open.get_mut(&request) {
                        open.read_at = Some(index);
                    }
                    self.finish_reads(id)?;
                }
                Action::Changed(request, answer) => self.changed(request, &answer)?,
                Action::Leader(leadership) => {
                    self.trace.note(leadership.term << 8 | leadership.leader);
                    self.checker.leads(leadership.term, leadership.leader)?;
                    self.summary.elections += u64::from(leadership.leader == id);
                    self.lose_locks(id);
                }
                Action::Alarm(alarm) => {
                    return Err(Violation(format!("member {id} raised an alarm: {alarm}")));
                }
                Action::Fatal(why) => return self.fatal(id, &why),
            }
        }
        Ok(())
    }

    /// A replica has to end. That is a rule that does not hold, unless the scenario has its
    /// reads fail: the next process finds everything.
    fn fatal(&mut self, id: u64, why: &str) -> Result<(), Violation> {
        if self.scenario.disk.unreadable_in == 0 {
            return Err(Violation(format!("member {id} ended: {why}")));
        }
        self.summary.fatal += 1;
        self.end(id, End::Killed);
        Ok(())
    }

    /// When a write that begins now is durable.
    fn due_write(&mut self) -> u64 {
        let disk = self.scenario.disk.clone();
        if self.quiet {
            return self.now + 1;
        }
        let takes = 1 + self.random.below(disk.write_max);
        let stuck = self.random.once_in(disk.stuck_in);
        self.now + if stuck { takes * 100 } else { takes }
    }

    fn write(&mut self, id: u64, write: Write) -> Result<(), Violation> {
        self.summary.cuts += u64::from(write.truncate_after.is_some());
        let number = write.number;
        match self.scenario.mutation {
            Some(Mutation::EarlyDurable) => self.at(self.now, Due::Told(id, number)),
            Some(Mutation::EarlyApply) => {
                for block in &write.blocks {
                    self.apply_block(id, &block.bytes)?;
                }
            }
            Some(Mutation::EarlyAnswer) => {
                for block in &write.blocks {
                    self.answer_early(&block.bytes)?;
                }
            }
            _ => {}
        }
        let due = self.due_write();
        if let Some(replica) = self.replicas.get(&id) {
            let due = replica.medium().disk.write(write, due);
            self.at(due, Due::Durable(id));
        }
        Ok(())
    }

    fn answer_early(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let block = Block::decode(bytes).map_err(|e| Violation(e.to_string()))?;
        for write in block.events.iter().filter_map(|e| Written::of(e.body)) {
            let Written { key, value, .. } = write;
            if let Some(open) = self.open.remove(&value) {
                let index = block.header.index;
                self.checker.acknowledge(key, value, index, open.began)?;
            }
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, id: u64) -> Result<(), Violation> {
        let now = self.now;
        let Some(replica) = self.replicas.get(&id) else {
            return Ok(());
        };
        let fails = !self.quiet && self.random.once_in(self.scenario.disk.fail_in);
        let settled = replica.medium().disk.settle(now, fails);
        if fails && settled.is_err() {
            self.end(id, End::Killed);
            return Ok(());
        }
        let number = settled.map_err(|e| Violation(format!("replica {id}: {e}")))?;
        let number = number.filter(|_| replica.core.is_some());
        if replica.medium().disk.waits(now) {
            self.at(now + FULL_PAUSE, Due::Durable(id));
        }
        if let Some(number) = number {
            // As the server does after each write: before more can be proposed.
            self.reserve(id, false)?;
            self.at(now, Due::Told(id, number));
        }
        Ok(())
    }

    /// Makes sure of room for the next block, and says whether there is some.
    pub(super) fn reserve(&mut self, id: u64, asked: bool) -> Result<(), Violation> {
        let Some(replica) = self.replicas.get(&id).filter(|r| r.core.is_some()) else {
            return Ok(());
        };
        let reserved = replica.medium().disk.reserve();
        match reserved {
            Ok(()) if asked => self.event(id, Event::Room),
            Ok(()) => Ok(()),
            Err(StorageError::Full { .. }) => self.event(id, Event::Full),
            Err(error) => Err(Violation(format!("replica {id}: {error}"))),
        }
    }

    fn queue_commit(&mut self, id: u64, commit: Commit) {
        let skipped =
            self.scenario.mutation == Some(Mutation::SkipBlock) && self.random.once_in(100);
        let twice = self.scenario.mutation == Some(Mutation::ApplyTwice);
        if let Some(replica) = self.replicas.get_mut(&id).filter(|_| !skipped) {
            if twice {
                replica.commits.push(Commit {
                    header: commit.header.clone(),
                    bytes: commit.bytes.clone(),
                    done: Vec::new(),
                });
            }
            replica.commits.push(commit);
        }
        let due = self.now + self.random.below(4);
        self.at(due, Due::Applied(id));
    }

    /// Applies what is committed, and answers those who waited for it.
    pub(super) fn apply(&mut self, id: u64) -> Result<(), Violation> {
        let Some(replica) = self.replicas.get_mut(&id).filter(|r| r.core.is_some()) else {
            return Ok(());
        };
        let commits = std::mem::take(&mut replica.commits);
        let newest = commits.last().map(|commit| commit.header.index);
        let early = self.scenario.mutation == Some(Mutation::EarlyApply);
        for commit in commits {
            if !early {
                self.apply_block(id, &commit.bytes)?;
            }
            self.answer(commit)?;
        }
        if let Some(index) = newest {
            self.event(id, Event::Applied(index))?;
        }
        self.finish_reads(id)
    }

    fn apply_block(&mut self, id: u64, bytes: &[u8]) -> Result<(), Violation> {
        let violation = |e: String| Violation(format!("replica {id}: {e}"));
        let block = Block::decode(bytes).map_err(|e| violation(e.to_string()))?;
        let writes: Vec<_> = block
            .events
            .iter()
            .filter_map(|e| Written::of(e.body))
            .collect();
        let (index, hash) = (block.header.index, block.header.block_hash);
        self.checker.applied(id, index, hash, &writes)?;
        self.trace.note(index ^ u64::from(hash[0]) << 56);
        let flush = self.random.once_in(20);
        if let Some(replica) = self.replicas.get(&id) {
            let mut medium = replica.medium();
            medium.projection.apply(bytes).map_err(violation)?;
            if flush {
                medium.flushed = medium.projection.clone();
                let noted = medium.disk.note_committed(index, hash);
                noted.map_err(|e| violation(e.to_string()))?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, commit: Commit) -> Result<(), Violation> {
        for (request, committed) in commit.done {
            if let Some(open) = self.open.remove(&request) {
                self.unlock(open.replica, open.key, request);
                let value = open.value.unwrap_or_default();
                self.checker
                    .acknowledge(open.key, value, committed.index, open.began)?;
                self.summary.acknowledged += 1;
            }
        }
        Ok(())
    }
}
