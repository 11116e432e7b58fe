//! What replicas say to each other, in bytes.
//!
//! A frame is one message of the consensus protocol. Blocks in it are the very bytes
//! of the log: nothing is encoded again on its way from one replica's log to
//! another's. All integers are little-endian.
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 2 | version: 1 |
//! | 2 | 1 | kind ([`FrameKind`]) |
//! | 3 | 1 | flags; bit 0 `reject`, all others zero |
//! | 4 | 16 | `lineage`: the history the sender's log holds |
//! | 20 | 8 | `from`, a replica id |
//! | 28 | 8 | `to`, a replica id |
//! | 36 | 8 | `term` |
//! | 44 | 8 | `log_term`: term of the block at `index` |
//! | 52 | 8 | `index` |
//! | 60 | 8 | `commit` |
//! | 68 | 8 | `commit_term` |
//! | 76 | 8 | `reject_hint` |
//! | 84 | 2 | length of the context |
//! | 86 | 4 | number of blocks |
//! | 90 | … | context |
//! | … | … | blocks, one after the other, each as long as its header says |
//!
//! The transport puts a length before each frame and knows who the sender is from
//! its certificate; a frame that claims another `from` is refused there.

use bytes::Bytes;
use kimberlite_storage::{BlockHeader, FormatError, Lineage};
use raft::eraftpb::{Entry, Message, MessageType};

use crate::block_entry::entry_of;

/// Length of a frame without context and blocks, in bytes.
pub const FRAME_HEADER_LEN: usize = 90;

/// Longest frame in bytes: what one message may carry of blocks, and one block that is
/// larger than that.
pub const FRAME_LEN_MAX: usize = 96 << 20;

/// Longest context in bytes.
pub const CONTEXT_LEN_MAX: usize = 64;

const VERSION: u16 = 1;
const REJECT: u8 = 1;

/// What a frame is for. The names are those of the Raft paper and thesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Blocks after `index`, or none: the leader learns how far a follower is.
    Append = 1,
    /// How far the follower is.
    AppendReply = 2,
    /// A candidate asks for a vote in `term`.
    Vote = 3,
    /// The vote.
    VoteReply = 4,
    /// Would the receiver vote? Changes no term.
    PreVote = 5,
    /// Whether it would.
    PreVoteReply = 6,
    /// The leader lives; what is committed.
    Heartbeat = 7,
    /// The follower lives.
    HeartbeatReply = 8,
    /// The leader asks its successor to campaign at once.
    TimeoutNow = 9,
    /// A follower asks for an index to read at.
    ReadIndex = 10,
    /// The index.
    ReadIndexReply = 11,
}

const KINDS: [(FrameKind, MessageType); 11] = [
    (FrameKind::Append, MessageType::MsgAppend),
    (FrameKind::AppendReply, MessageType::MsgAppendResponse),
    (FrameKind::Vote, MessageType::MsgRequestVote),
    (FrameKind::VoteReply, MessageType::MsgRequestVoteResponse),
    (FrameKind::PreVote, MessageType::MsgRequestPreVote),
    (
        FrameKind::PreVoteReply,
        MessageType::MsgRequestPreVoteResponse,
    ),
    (FrameKind::Heartbeat, MessageType::MsgHeartbeat),
    (FrameKind::HeartbeatReply, MessageType::MsgHeartbeatResponse),
    (FrameKind::TimeoutNow, MessageType::MsgTimeoutNow),
    (FrameKind::ReadIndex, MessageType::MsgReadIndex),
    (FrameKind::ReadIndexReply, MessageType::MsgReadIndexResp),
];

impl FrameKind {
    fn of(kind: MessageType) -> Option<Self> {
        KINDS
            .iter()
            .find(|(_, ty)| *ty == kind)
            .map(|(own, _)| *own)
    }

    fn from_code(code: u8) -> Option<(Self, MessageType)> {
        KINDS.iter().find(|(own, _)| *own as u8 == code).copied()
    }
}

/// A message from one replica to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    lineage: Lineage,
    kind: FrameKind,
    message: Message,
}

impl Frame {
    /// A message of the protocol; entries must carry the bytes of their blocks. `None` for
    /// messages that never leave a replica, and for snapshots, which this log has not.
    pub(crate) fn new(lineage: Lineage, message: Message) -> Option<Self> {
        let kind = FrameKind::of(message.get_msg_type())?;
        Some(Self {
            lineage,
            kind,
            message,
        })
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The history the sender's log holds.
    #[must_use]
    pub const fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// The sender, as it says.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.message.from
    }

    /// The receiver.
    #[must_use]
    pub const fn to(&self) -> u64 {
        self.message.to
    }

    /// The sender's term; 0 in requests that are of no term.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.message.term
    }

    /// How many blocks it carries.
    #[must_use]
    pub fn block_count(&self) -> usize {
        match self.kind {
            FrameKind::Append => self.message.entries.len(),
            _ => 0,
        }
    }

    pub(crate) fn into_message(self) -> Message {
        self.message
    }

    pub(crate) const fn message(&self) -> &Message {
        &self.message
    }

    /// The context: of reads it is in the one entry of the message.
    fn context(&self) -> &[u8] {
        match (self.kind, self.message.entries.first()) {
            (FrameKind::ReadIndex | FrameKind::ReadIndexReply, Some(entry)) => &entry.data,
            _ => &self.message.context,
        }
    }

    fn blocks(&self) -> &[Entry] {
        match self.kind {
            FrameKind::Append => &self.message.entries,
            _ => &[],
        }
    }

    /// Length of the frame in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let blocks: usize = self.blocks().iter().map(|entry| entry.data.len()).sum();
        FRAME_HEADER_LEN + self.context().len() + blocks
    }

    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let m = &self.message;
        out.reserve(self.encoded_len());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(self.kind as u8);
        out.push(if m.reject { REJECT } else { 0 });
        out.extend_from_slice(&self.lineage.0);
        let words = [
            m.from,
            m.to,
            m.term,
            m.log_term,
            m.index,
            m.commit,
            m.commit_term,
            m.reject_hint,
        ];
        for word in words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let context = self.context();
        // Contexts are made by the core, of a few words; blocks are bounded by their bytes.
        out.extend_from_slice(&(context.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.blocks().len() as u32).to_le_bytes());
        out.extend_from_slice(context);
        for block in self.blocks() {
            out.extend_from_slice(&block.data);
        }
    }

    /// Reads a frame, which is the whole of `bytes`. The headers of blocks are read and
    /// have to follow each other; their hashes are checked by whoever takes the frame.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not a frame as written.
    pub fn decode(bytes: &Bytes) -> Result<Self, FormatError> {
        let mut reader = Reader { bytes, at: 0 };
        let version = u16::from_le_bytes(reader.array()?);
        if version != VERSION {
            return Err(FormatError::Version {
                what: "a frame",
                found: version.into(),
                newest: VERSION.into(),
            });
        }
        let [code, flags] = reader.array()?;
        let Some((kind, ty)) = FrameKind::from_code(code) else {
            return Err(field("frame kind", code.into()));
        };
        if flags & !REJECT != 0 {
            return Err(field("frame flags", flags.into()));
        }
        let lineage = Lineage(reader.array()?);
        let mut message = Message::default();
        message.set_msg_type(ty);
        message.reject = flags & REJECT != 0;
        message.from = reader.word()?;
        message.to = reader.word()?;
        message.term = reader.word()?;
        message.log_term = reader.word()?;
        message.index = reader.word()?;
        message.commit = reader.word()?;
        message.commit_term = reader.word()?;
        message.reject_hint = reader.word()?;
        let context_len = usize::from(u16::from_le_bytes(reader.array()?));
        let blocks = u32::from_le_bytes(reader.array()?);
        if context_len > CONTEXT_LEN_MAX {
            return Err(FormatError::TooLarge {
                what: "context of a frame",
                len: context_len as u64,
                max: CONTEXT_LEN_MAX as u64,
            });
        }
        let context = reader.slice(context_len)?;
        match kind {
            FrameKind::ReadIndex | FrameKind::ReadIndexReply => {
                message.entries.push(Entry {
                    data: context,
                    ..Entry::default()
                });
            }
            _ => message.context = context,
        }
        if blocks > 0 && kind != FrameKind::Append {
            return Err(field("blocks in a frame that has none", blocks.into()));
        }
        for _ in 0..blocks {
            let entry = reader.block(&message)?;
            message.entries.push(entry);
        }
        if reader.at != bytes.len() {
            return Err(field(
                "bytes after a frame",
                (bytes.len() - reader.at) as u64,
            ));
        }
        Ok(Self {
            lineage,
            kind,
            message,
        })
    }
}

fn field(what: &'static str, value: u64) -> FormatError {
    FormatError::Field { what, value }
}

/// Bytes that are shared, not copied, as they are taken apart.
struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn slice(&mut self, len: usize) -> Result<Bytes, FormatError> {
        let end = self.at.saturating_add(len);
        if end > self.bytes.len() {
            return Err(FormatError::Truncated {
                what: "a frame",
                needed: end as u64,
                have: self.bytes.len() as u64,
            });
        }
        let slice = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let slice = self.slice(N)?;
        Ok(slice.first_chunk().copied().unwrap_or([0; N]))
    }

    fn word(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next block, which has the index after the ones before it.
    fn block(&mut self, message: &Message) -> Result<Entry, FormatError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let header = BlockHeader::decode(rest)?;
        let expected = message.index.checked_add(message.entries.len() as u64 + 1);
        if Some(header.index) != expected {
            return Err(field("index of a block in a frame", header.index));
        }
        let before = message.entries.last().map_or(message.log_term, |e| e.term);
        if header.term < before || header.term > message.term {
            return Err(field("term of a block in a frame", header.term));
        }
        let bytes = self.slice(header.block_len())?;
        Ok(entry_of(&header, bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        missing_docs
    )]
    use super::*;
    use kimberlite_storage::{BlockBuilder, BlockKind, ChainHead};
    use proptest::prelude::*;

    const LINEAGE: Lineage = Lineage([3; 16]);

    /// Two blocks after block 6, of terms 4 and 5.
    fn blocks() -> Vec<Entry> {
        let mut head = ChainHead::genesis(LINEAGE);
        (head.index, head.term) = (6, 4);
        let mut entries = Vec::new();
        for term in [4, 5] {
            let block = BlockBuilder::after(&head, BlockKind::Noop, term, 9).finish();
            head = ChainHead::of(&block.header);
            entries.push(entry_of(&block.header, block.bytes.into()));
        }
        entries
    }

    fn message(kind: FrameKind) -> Message {
        let mut message = Message {
            from: 1,
            to: 2,
            term: 5,
            log_term: 4,
            index: 6,
            commit: 3,
            commit_term: 2,
            reject: true,
            reject_hint: 8,
            ..Message::default()
        };
        message.set_msg_type(FrameKind::from_code(kind as u8).unwrap().1);
        match kind {
            FrameKind::Append => message.set_entries(blocks().into()),
            FrameKind::ReadIndex | FrameKind::ReadIndexReply => message.entries.push(Entry {
                data: Bytes::from_static(b"0123456789abcdef"),
                ..Entry::default()
            }),
            _ => message.context = Bytes::from_static(b"CampaignTransfer"),
        }
        message
    }

    fn encoded(frame: &Frame) -> Bytes {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes.len(), frame.encoded_len());
        bytes.into()
    }

    #[test]
    fn every_kind_reads_back_and_no_part_of_it_does() {
        for (kind, _) in KINDS {
            let frame = Frame::new(LINEAGE, message(kind)).unwrap();
            let bytes = encoded(&frame);
            assert_eq!(Frame::decode(&bytes).unwrap(), frame, "{kind:?}");
            for len in 0..bytes.len() {
                let part = bytes.slice(..len);
                assert!(Frame::decode(&part).is_err(), "{kind:?} cut to {len}");
            }
            let longer = Bytes::from([&bytes[..], &[0]].concat());
            assert!(Frame::decode(&longer).is_err(), "{kind:?} with a byte more");
        }
    }

    #[test]
    fn what_stays_on_a_replica_is_no_frame() {
        for ty in [
            MessageType::MsgHup,
            MessageType::MsgPropose,
            MessageType::MsgSnapshot,
            MessageType::MsgTransferLeader,
        ] {
            let mut message = Message::default();
            message.set_msg_type(ty);
            assert_eq!(Frame::new(LINEAGE, message), None);
        }
    }

    #[test]
    fn blocks_have_to_follow_each_other() {
        let good = message(FrameKind::Append);
        let mut gap = good.clone();
        gap.index = 5;
        let mut back = good.clone();
        back.log_term = 5;
        let mut ahead = good.clone();
        ahead.term = 4;
        let mut swapped = good;
        swapped.mut_entries().swap(0, 1);
        for message in [gap, back, ahead, swapped] {
            let frame = Frame::new(LINEAGE, message).unwrap();
            assert!(Frame::decode(&encoded(&frame)).is_err(), "{frame:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(Frame::decode(&Bytes::from(bytes.clone())));
            // Further than the version and the kind, too.
            for (place, byte) in [1, 0, 1, 0].into_iter().enumerate() {
                if let Some(there) = bytes.get_mut(place) {
                    *there = byte;
                }
            }
            drop(Frame::decode(&Bytes::from(bytes)));
        }

        #[test]
        fn a_changed_byte_is_no_panic(place in 0_usize..400, byte in any::<u8>()) {
            let frame = Frame::new(LINEAGE, message(FrameKind::Append)).unwrap();
            let mut bytes = encoded(&frame).to_vec();
            let place = place % bytes.len();
            bytes[place] = byte;
            drop(Frame::decode(&Bytes::from(bytes)));
        }
    }
}
