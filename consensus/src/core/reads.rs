//! Linearizable reads: what was committed when the read was asked for.
//!
//! The protocol confirms with a majority that the leader still leads (ReadIndex, §6.4 of
//! the Raft thesis). All reads that wait share one round; those that come while it goes
//! on wait for the next. Every round has a context of its own and is never asked again
//! under it: two rounds of one context could be taken for each other.

use super::{Action, Core, LogSource, RequestId};

/// Length of a context in bytes.
const CONTEXT_LEN: usize = 16;

/// Reads that wait, and the round that goes on.
#[derive(Default)]
pub(super) struct Reads {
    waiting: Vec<RequestId>,
    round: Option<Round>,
    rounds: u64,
}

struct Round {
    context: [u8; CONTEXT_LEN],
    reads: Vec<RequestId>,
    ticks: usize,
}

impl Reads {
    pub(super) fn push(&mut self, id: RequestId) {
        self.waiting.push(id);
    }

    /// A round may be lost with a frame, or with the leader. After some ticks its reads
    /// wait for another one.
    pub(super) fn tick(&mut self, ticks_max: usize) {
        if let Some(round) = &mut self.round {
            round.ticks += 1;
            if round.ticks >= ticks_max {
                self.waiting.append(&mut round.reads);
                self.round = None;
            }
        }
    }
}

impl<S: LogSource> Core<S> {
    /// Begins a round when reads wait and none goes on. Whether it did.
    pub(super) fn ask_reads(&mut self) -> bool {
        if self.reads.round.is_some() || self.reads.waiting.is_empty() {
            return false;
        }
        self.reads.rounds += 1;
        let mut context = [0; CONTEXT_LEN];
        let (seed, number) = context.split_at_mut(CONTEXT_LEN / 2);
        seed.copy_from_slice(&self.settings.seed.to_le_bytes());
        number.copy_from_slice(&self.reads.rounds.to_le_bytes());
        self.reads.round = Some(Round {
            context,
            reads: std::mem::take(&mut self.reads.waiting),
            ticks: 0,
        });
        self.raw.read_index(context.to_vec());
        true
    }

    /// The protocol says what was committed when a round began.
    pub(super) fn read_at(&mut self, context: &[u8], index: u64, actions: &mut Vec<Action>) {
        let ours = self.reads.round.take_if(|round| round.context == *context);
        for id in ours.into_iter().flat_map(|round| round.reads) {
            actions.push(Action::ReadAt(id, index));
        }
    }
}
