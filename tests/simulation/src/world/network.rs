//! Frames between replicas.

use std::collections::BTreeSet;

use bytes::Bytes;
use kimberlite_consensus::frame::{Frame, FrameKind};
use kimberlite_storage::{Block, BlockBuilder, ChainHead};

use super::{Due, World};
use crate::scenario::Mutation;

/// Where `index` and `to` are in a frame's bytes, and where its blocks begin.
const TO_AT: usize = 28;
const INDEX_AT: usize = 52;
/// Longest delay once faults are over.
const CALM_DELAY_MAX: u64 = 20;

const BLOCKS_AT: usize = kimberlite_consensus::frame::FRAME_HEADER_LEN;

/// What does not get through.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Replicas that are cut off from the others, and whether they still hear them.
    pub(super) side: Option<(BTreeSet<u64>, bool)>,
    /// Links that are broken, in this direction.
    pub(super) broken: BTreeSet<(u64, u64)>,
}

impl Links {
    fn cut(&self, from: u64, to: u64) -> bool {
        if self.broken.contains(&(from, to)) {
            return true;
        }
        self.side.as_ref().is_some_and(|(side, hears)| {
            let (left, right) = (side.contains(&from), side.contains(&to));
            left != right && (left || !hears)
        })
    }
}

/// To whom a frame goes.
pub(super) fn receiver(bytes: &[u8]) -> Option<u64> {
    let word = bytes.get(TO_AT..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

impl World {
    pub(super) fn send(&mut self, frame: &Frame) {
        let network = self.scenario.network.clone();
        let faults = !self.quiet;
        if self.links.cut(frame.from(), frame.to())
            || (faults && self.random.once_in(network.loss_in))
        {
            return;
        }
        let Some(ends) = self.speaks(frame) else {
            return;
        };
        let mut bytes = Vec::with_capacity(frame.encoded_len());
        frame.encode(&mut bytes);
        self.mutate(frame, &mut bytes);
        let bytes = Bytes::from(bytes);
        let calm = if faults { u64::MAX } else { CALM_DELAY_MAX };
        let mut delay = 1 + self.random.below(network.delay_max.min(calm));
        if faults && self.random.once_in(network.ancient_in) {
            delay += self.random.below(5_000);
        }
        if faults && self.random.once_in(network.twice_in) {
            let again = delay + self.random.below(network.delay_max * 4);
            self.at(self.now + again, Due::Frame(bytes.clone(), ends));
        }
        self.at(self.now + delay, Due::Frame(bytes, ends));
    }

    /// A replica speaks with another one whose incarnation is the one that the log tells,
    /// if it tells one: what the server sees when the two connect.
    fn knows(&self, id: u64, other: u64, incarnation: &[u8; 16]) -> bool {
        let core = self.replicas.get(&id).and_then(|r| r.core.as_ref());
        let refused = core.and_then(|core| core.registry().refuses(other, incarnation));
        refused.is_none() || self.scenario.mutation == Some(Mutation::AnyIncarnation)
    }

    /// The incarnations between which a frame goes; `None` when the sender refuses the
    /// receiver.
    fn speaks(&self, frame: &Frame) -> Option<[[u8; 16]; 2]> {
        let from = self.replicas.get(&frame.from())?.incarnation;
        let to = self.replicas.get(&frame.to())?.incarnation;
        self.knows(frame.from(), frame.to(), &to)
            .then_some([from, to])
    }

    /// Whether the receiver of a frame takes it.
    pub(super) fn takes(&self, frame: &Frame, [from, to]: &[[u8; 16]; 2]) -> bool {
        let receiver = self.replicas.get(&frame.to());
        receiver.is_some_and(|receiver| receiver.incarnation == *to)
            && self.knows(frame.to(), frame.from(), from)
    }

    fn mutate(&mut self, frame: &Frame, bytes: &mut Vec<u8>) {
        match self.scenario.mutation {
            Some(Mutation::EarlyAcknowledgement) if frame.kind() == FrameKind::AppendReply => {
                let leader = self.replicas.get(&frame.to()).and_then(|r| r.core.as_ref());
                let newest = leader.map_or(0, |core| core.head().index);
                put(bytes, INDEX_AT, newest);
            }
            Some(Mutation::ForgedBlock) if frame.block_count() == 1 && self.random.once_in(20) => {
                forge(bytes);
            }
            _ => {}
        }
    }
}

fn put(bytes: &mut [u8], at: usize, word: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// Puts another block in the place of the one in a frame, good in itself.
fn forge(bytes: &mut Vec<u8>) {
    let Some(Ok(block)) = bytes.get(BLOCKS_AT..).map(Block::decode) else {
        return;
    };
    let header = &block.header;
    let before = ChainHead {
        lineage: header.lineage,
        index: header.index - 1,
        term: 0,
        timestamp_us: header.timestamp_us + 1,
        hash: header.prev_hash,
    };
    let forged = BlockBuilder::after(&before, header.kind, header.term, 0).finish();
    bytes.truncate(BLOCKS_AT);
    bytes.extend_from_slice(&forged.bytes);
}
