//! What the protocol wants written, sent and applied.

use bytes::Bytes;
use kimberlite_storage::{Block, BlockHeader, BlockKind, Committed, FormatError};
use raft::Ready;
use raft::eraftpb::{Entry, HardState, Message};

use super::action::{Commit, Vote, Write};
use super::fatal::{Fatal, Step};
use super::lead::Placed;
use super::{Action, Core, LogSource, Refusal, RequestId};
use crate::block_entry::KeptBlock;
use crate::frame::Frame;
use crate::members::MemberChange;

/// A write that is not durable yet, and what it holds back.
pub(super) struct Unwritten {
    number: u64,
    /// The protocol's own number, when it waits for the write.
    ready: Option<u64>,
    frames: Vec<Frame>,
    /// Whether it is a change of the members.
    holds: bool,
    /// Committed blocks from a change of the members on: applied before its outcome is
    /// durable, a restart would believe in the members before.
    commits: Vec<Commit>,
}

impl<S: LogSource> Core<S> {
    pub(super) fn take_ready(&mut self, actions: &mut Vec<Action>) -> Step {
        let mut ready: Ready = self.raw.ready();
        self.check_source()?;
        let mut write = Write::default();
        self.take_entries(ready.take_entries(), &mut write, actions)?;
        if let Some(hard) = ready.hs() {
            self.take_hard_state(hard, &mut write);
        }
        let now = self.frames(ready.take_messages());
        let held_back = self.frames(ready.take_persisted_messages());
        let committed = ready.take_committed_entries();
        for state in ready.take_read_states() {
            self.read_at(&state.request_ctx, state.index, actions);
        }
        let number = ready.number();
        self.raw.advance_append_async(ready);
        actions.extend(now.into_iter().map(Action::Send));
        self.write(write, Some(number), held_back, actions);
        committed
            .into_iter()
            .try_for_each(|entry| self.commit(entry.index, actions))
    }

    /// Blocks that are new in the log, or take the place of others.
    fn take_entries(
        &mut self,
        entries: Vec<Entry>,
        write: &mut Write,
        actions: &mut Vec<Action>,
    ) -> Step {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let before = first.index - 1;
        if before < self.head().index {
            write.truncate_after = Some(before);
            if !self.raw.mut_store().truncate(before) {
                let why = format!("blocks after block {before} would be cut off, some applied");
                return Err(Fatal(why));
            }
        }
        for entry in entries {
            let block = match BlockHeader::decode(&entry.data) {
                Ok(header) => KeptBlock {
                    header,
                    bytes: entry.data.clone(),
                },
                Err(_) => self.block_for(&entry)?.into(),
            };
            self.answer_change(&block.header, actions);
            if !self.raw.mut_store().push(block.clone()) {
                let index = entry.index;
                let why = format!("the next block, {index}, does not continue the log");
                return Err(Fatal(why));
            }
            write.blocks.push(block);
        }
        Ok(())
    }

    fn take_hard_state(&mut self, hard: &HardState, write: &mut Write) {
        let vote = Vote {
            term: hard.get_term(),
            vote: hard.get_vote(),
        };
        if vote != self.vote {
            self.vote = vote;
            write.vote = Some(vote);
        }
    }

    /// Hands out a write, or goes on when there is nothing to wait for.
    fn write(
        &mut self,
        mut write: Write,
        ready: Option<u64>,
        frames: Vec<Frame>,
        actions: &mut Vec<Action>,
    ) {
        let holds = write.members.is_some();
        let nothing = write.blocks.is_empty() && write.vote.is_none() && !holds;
        if !nothing {
            self.writes += 1;
            write.number = self.writes;
            actions.push(Action::Write(write));
        } else if self.unwritten.is_empty() {
            if let Some(ready) = ready {
                self.raw.on_persist_ready(ready);
            }
            actions.extend(frames.into_iter().map(Action::Send));
            return;
        }
        self.unwritten.push_back(Unwritten {
            number: self.writes,
            holds,
            ready,
            frames,
            commits: Vec::new(),
        });
    }

    /// Everything up to a write is durable.
    pub(super) fn written(&mut self, number: u64, actions: &mut Vec<Action>) {
        while let Some(unwritten) = self.unwritten.pop_front_if(|w| w.number <= number) {
            if let Some(ready) = unwritten.ready {
                self.raw.on_persist_ready(ready);
            }
            actions.extend(unwritten.frames.into_iter().map(Action::Send));
            actions.extend(unwritten.commits.into_iter().map(Action::Apply));
        }
    }

    /// The block at this index is committed.
    fn commit(&mut self, index: u64, actions: &mut Vec<Action>) -> Step {
        let (header, bytes) = self.committed_block(index)?;
        if header.kind == BlockKind::Config && index > self.registry.as_of() {
            self.change_members(&header, &bytes, actions)?;
        }
        let done = self.settle_placed(&header, actions);
        self.raw.advance_apply_to(index);
        let commit = Commit {
            header,
            bytes,
            done,
        };
        match self.unwritten.iter_mut().rfind(|write| write.holds) {
            Some(write) => write.commits.push(commit),
            None => actions.push(Action::Apply(commit)),
        }
        Ok(())
    }

    fn committed_block(&self, index: u64) -> Step<(BlockHeader, Bytes)> {
        let store = self.raw.store();
        if let Some(block) = store.block(index) {
            return Ok((block.header.clone(), block.bytes.clone()));
        }
        let unreadable = |why: String| {
            Fatal(format!(
                "block {index} is committed and cannot be read: {why}"
            ))
        };
        let blocks = store.source().blocks(index, index + 1, 0);
        let mut blocks = blocks.map_err(|error| unreadable(error.to_string()))?;
        let bytes = blocks.pop();
        let bytes = bytes.ok_or_else(|| unreadable("it is not there".to_owned()))?;
        match BlockHeader::decode(&bytes) {
            Ok(header) if header.index == index => Ok((header, bytes)),
            Ok(header) => Err(unreadable(format!("block {} is there", header.index))),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    fn change_members(
        &mut self,
        header: &BlockHeader,
        bytes: &Bytes,
        actions: &mut Vec<Action>,
    ) -> Step {
        let change = member_change(bytes).map_err(|error| {
            let index = header.index;
            Fatal(format!(
                "block {index} changes the members in a way that does not read: {error}"
            ))
        })?;
        let index = header.index;
        // A change that cannot be made is one on every replica.
        let sound = self.registry.advance(index, &change).is_ok();
        let of_log = self.registry.members().clone();
        if index <= self.members.as_of {
            // The superblock has it already.
            return match index == self.members.as_of && of_log != self.members {
                true => Err(differ(index, "the superblock has others")),
                false => Ok(()),
            };
        }
        if !sound || change.only_updates() {
            return Ok(());
        }
        let applied = self.raw.apply_conf_change(&change.conf_change());
        let state = applied.map_err(|error| differ(index, &error.to_string()))?;
        self.members = self.members.now(&state, index);
        if self.members != of_log {
            return Err(differ(index, "the protocol has others"));
        }
        if self.leads() && !self.members.votes(self.settings.replica) {
            // Who has no vote any more leads no more (§4.2.2 of the Raft thesis). The raft
            // crate leaves that to us, and would not survive it.
            let term = self.raw.raft.term;
            self.raw.raft.become_follower(term, 0);
        }
        let write = Write {
            members: Some(Box::new(self.members.clone())),
            ..Write::default()
        };
        self.write(write, None, Vec::new(), actions);
        Ok(())
    }

    /// Tells whoever asked for a change of the members whether it is in the log.
    fn answer_change(&mut self, header: &BlockHeader, actions: &mut Vec<Action>) {
        if let Some(open) = self.change.take_if(|open| open.index <= header.index) {
            let answer = match header.kind == BlockKind::Config && open.index == header.index {
                true => Ok(header.index),
                false => Err(Refusal::ChangeOpen),
            };
            actions.push(Action::Changed(open.id, answer));
        }
    }

    /// A block is committed: whose transactions are complete with it. Our blocks of terms
    /// before its own that are not committed yet will never be: another block is in their
    /// place, or they would have to come after it, and terms do not go back along a log.
    /// That our log has them no more says nothing; another one may, and be elected.
    fn settle_placed(
        &mut self,
        header: &BlockHeader,
        actions: &mut Vec<Action>,
    ) -> Vec<(RequestId, Committed)> {
        // They are in the order of their terms, and those of a term in that of the log.
        let lost = |ours: &mut Placed| ours.term < header.term;
        while let Some(lost) = self.placed.pop_front_if(lost) {
            for (id, _) in lost.done {
                actions.push(Action::Refused(id, Refusal::Superseded));
            }
        }
        let ours = |ours: &mut Placed| (ours.index, ours.term) == (header.index, header.term);
        let complete = self.placed.pop_front_if(ours);
        complete.map(|placed| placed.done).unwrap_or_default()
    }

    /// Messages with the blocks that belong in them.
    fn frames(&self, messages: Vec<Message>) -> Vec<Frame> {
        let store = self.raw.store();
        let frame = |mut message: Message| {
            for entry in message.entries.iter_mut() {
                // What the protocol made itself has no block in it yet.
                if let Some(block) = store.block(entry.index) {
                    entry.data = block.bytes.clone();
                }
            }
            Frame::new(store.head().lineage, message)
        };
        messages.into_iter().filter_map(frame).collect()
    }
}

fn differ(index: u64, why: &str) -> Fatal {
    Fatal(format!(
        "the members as of block {index} are not those that other replicas have: {why}"
    ))
}

/// The change in a block of kind config.
fn member_change(bytes: &Bytes) -> Result<MemberChange, FormatError> {
    let block = Block::decode(bytes)?;
    let body = block.events.first().map(|event| event.body);
    MemberChange::decode(body.unwrap_or_default())
}
