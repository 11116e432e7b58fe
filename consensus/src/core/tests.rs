//! One core and what it is told; whole clusters are simulated in `tests/simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use super::*;
use crate::members::ChangeKind;
use kimberlite_storage::event::EVENT_HEADER_LEN;
use kimberlite_storage::{
    Block, BlockBuilder, BlockHeader, BlockKind, EventKind, Lineage, Result, SealedEvent,
    SealedTransaction,
};
use raft::eraftpb::{Message, MessageType};

use crate::block_entry::{KeptBlock, entry_of};
use crate::frame::{Frame, FrameKind};
use crate::members::MemberChange;
use crate::registry::tests::{named, peer};
use crate::terms::TermStarts;

const LINEAGE: Lineage = Lineage([6; 16]);
const TENANT: TenantId = TenantId([7; 16]);

/// A log without files, of which nobody asks for old blocks.
struct Nothing;

impl LogSource for Nothing {
    fn blocks(&self, from: u64, _: u64, _: u64) -> Result<Vec<Bytes>> {
        panic!("block {from} was asked for")
    }

    fn tenant(&self, _: TenantId) -> Result<TenantHead> {
        Ok(TenantHead::default())
    }
}

fn start(replica: u64, voters: &[u64], blocks: Vec<KeptBlock>) -> (Core<Nothing>, Vec<Action>) {
    let settings = Settings {
        replica,
        heartbeat_ticks: 2,
        election_ticks: 10,
        seed: 1,
        block: BlockLimits::default(),
    };
    let start = Start {
        committed: ChainHead::genesis(LINEAGE),
        blocks,
        terms: TermStarts::default(),
        vote: Vote { term: 1, vote: 0 },
        applied: 0,
        members: Members::first(voters.iter().copied()),
        registry: named(voters),
    };
    Core::start(settings, start, Nothing, 0).unwrap()
}

fn writes(actions: &[Action]) -> Vec<&Write> {
    let mut found = Vec::new();
    for action in actions {
        if let Action::Write(it) = action {
            found.push(it);
        }
    }
    found
}

fn commits(actions: &[Action]) -> Vec<&Commit> {
    let mut found = Vec::new();
    for action in actions {
        if let Action::Apply(it) = action {
            found.push(it);
        }
    }
    found
}

fn sent(actions: &[Action]) -> Vec<&Frame> {
    let mut found = Vec::new();
    for action in actions {
        if let Action::Send(it) = action {
            found.push(it);
        }
    }
    found
}

/// A node that is alone, and leads: its first block is committed.
fn alone() -> Core<Nothing> {
    let (mut core, actions) = start(1, &[1], Vec::new());
    let mut open: VecDeque<u64> = writes(&actions).iter().map(|w| w.number).collect();
    while let Some(number) = open.pop_front() {
        let actions = core.handle(Event::Written(number), 0);
        open.extend(writes(&actions).iter().map(|w| w.number));
    }
    assert_eq!(core.leadership().leader, 1);
    assert_eq!(core.committed(), 1);
    core
}

fn transaction(bodies: &[usize]) -> SealedTransaction {
    let last = bodies.len() - 1;
    let event = |(place, len): (usize, &usize)| {
        let kind = match place == last {
            true => EventKind::Audit,
            false => EventKind::TxnPart,
        };
        SealedEvent::unsealed(TENANT, kind, vec![place as u8; *len]).unwrap()
    };
    SealedTransaction {
        tenant: TENANT,
        events: bodies.iter().enumerate().map(event).collect(),
        plain: None,
        epoch: 0,
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let mut core = alone();
    let actions = core.handle(Event::Submit(5, transaction(&[100])), 9);
    let write = writes(&actions)[0];
    assert_eq!(write.blocks.len(), 1);
    assert!(commits(&actions).is_empty());
    let number = write.number;
    let actions = core.handle(Event::Written(number), 9);
    let commit = commits(&actions)[0];
    assert_eq!(commit.header.index, 2);
    assert_eq!(commit.done[0].0, 5);
    assert_eq!((commit.done[0].1.index, commit.done[0].1.ordinal), (2, 0));
}

#[test]
fn what_comes_during_a_flush_shares_the_next_block() {
    let mut core = alone();
    let first = core.handle(Event::Submit(1, transaction(&[10])), 0);
    for id in 2..8 {
        let actions = core.handle(Event::Submit(id, transaction(&[10])), 0);
        assert!(actions.is_empty(), "{actions:?}");
    }
    let number = writes(&first)[0].number;
    let actions = core.handle(Event::Written(number), 0);
    let second = writes(&actions)[0];
    assert_eq!(second.blocks.len(), 1);
    assert_eq!(second.blocks[0].header.event_count, 6);
    let actions = core.handle(Event::Written(second.number), 0);
    let done: Vec<_> = commits(&actions)[0]
        .done
        .iter()
        .map(|d| (d.0, d.1.ordinal))
        .collect();
    assert_eq!(done, [(2, 0), (3, 1), (4, 2), (5, 3), (6, 4), (7, 5)]);
}

#[test]
fn a_large_transaction_takes_blocks_of_its_own() {
    let mut core = alone();
    let mut actions = core.handle(Event::Submit(1, transaction(&[700_000; 3])), 0);
    actions.extend(core.handle(Event::Submit(2, transaction(&[5])), 0));
    let mut blocks = Vec::new();
    let mut done = Vec::new();
    while let Some(write) = writes(&actions).first() {
        let number = write.number;
        blocks.extend(write.blocks.iter().map(|b| b.header.event_count));
        actions = core.handle(Event::Written(number), 0);
        for commit in commits(&actions) {
            done.extend(commit.done.iter().map(|(id, at)| (*id, at.index)));
        }
    }
    assert_eq!(blocks, [1, 1, 2]);
    assert_eq!(done, [(1, 4), (2, 4)]);
}

#[test]
fn events_of_a_tenant_form_its_chain_across_blocks() {
    let mut core = alone();
    let mut head = TenantHead::default();
    for id in 0..3 {
        let actions = core.handle(Event::Submit(id, transaction(&[10, 20])), 0);
        let write = writes(&actions)[0];
        let block = Block::decode(&write.blocks[0].bytes).unwrap();
        for event in &block.events {
            head.advance(&event.header, event.leaf()).unwrap();
        }
        core.handle(Event::Written(write.number), 0);
    }
    assert_eq!(head.next_seq, 6);
}

#[test]
fn what_is_no_transaction_is_refused() {
    let mut core = alone();
    let none = SealedTransaction {
        tenant: TENANT,
        events: Vec::new(),
        plain: None,
        epoch: 0,
    };
    let actions = core.handle(Event::Submit(3, none), 0);
    assert!(matches!(
        &actions[..],
        [Action::Refused(3, Refusal::Invalid(_))]
    ));
}

#[test]
fn who_does_not_lead_refuses_and_says_so() {
    let (mut core, _) = start(2, &[1, 2, 3], Vec::new());
    let actions = core.handle(Event::Submit(3, transaction(&[1])), 0);
    let refused = Refusal::NotLeader { leader: 0 };
    assert!(matches!(&actions[..], [Action::Refused(3, why)] if *why == refused));
    let change = MemberChange::one(ChangeKind::Remove, 1);
    let actions = core.handle(Event::Change(4, change), 0);
    assert!(matches!(&actions[..], [Action::Changed(4, Err(why))] if *why == refused));
}

#[test]
fn without_room_everybody_is_told_and_the_next_one_asks_again() {
    let mut core = alone();
    let first = core.handle(Event::Submit(1, transaction(&[10])), 0);
    core.handle(Event::Submit(2, transaction(&[10])), 0);
    let actions = core.handle(Event::Full, 0);
    assert!(matches!(&actions[..], [Action::Refused(2, Refusal::Full)]));
    // What was written before is committed.
    let actions = core.handle(Event::Written(writes(&first)[0].number), 0);
    assert_eq!(commits(&actions)[0].done[0].0, 1);
    let actions = core.handle(Event::Submit(3, transaction(&[10])), 0);
    assert!(matches!(&actions[..], [Action::Reserve]));
    let actions = core.handle(Event::Submit(4, transaction(&[10])), 0);
    assert!(actions.is_empty(), "asked twice");
    let actions = core.handle(Event::Full, 0);
    assert_eq!(actions.len(), 2);
    let actions = core.handle(Event::Submit(5, transaction(&[10])), 0);
    assert!(matches!(&actions[..], [Action::Reserve]));
    let actions = core.handle(Event::Room, 0);
    assert_eq!(writes(&actions)[0].blocks.len(), 1);
}

#[test]
fn a_vote_waits_for_the_medium() {
    let (mut core, _) = start(2, &[1, 2, 3], Vec::new());
    let mut vote = message(MessageType::MsgRequestVote, 5);
    (vote.index, vote.log_term) = (9, 4);
    let actions = core.handle(Event::Frame(frame(vote)), 0);
    assert!(sent(&actions).is_empty(), "{actions:?}");
    let write = writes(&actions)[0];
    assert_eq!(write.vote, Some(Vote { term: 5, vote: 1 }));
    let actions = core.handle(Event::Written(write.number), 0);
    assert_eq!(sent(&actions)[0].kind(), FrameKind::VoteReply);
}

#[test]
fn a_change_of_the_members_is_a_block_and_is_durable_before_it_is_applied() {
    let mut core = alone();
    let change = MemberChange::admit(4, peer(4));
    let actions = core.handle(Event::Change(8, change.clone()), 0);
    assert!(
        actions
            .iter()
            .any(|a| matches!(a, Action::Changed(8, Ok(2))))
    );
    let write = writes(&actions)[0];
    assert_eq!(write.blocks[0].header.kind, BlockKind::Config);
    let block = Block::decode(&write.blocks[0].bytes).unwrap();
    assert_eq!(MemberChange::decode(block.events[0].body).unwrap(), change);
    let actions = core.handle(Event::Written(write.number), 0);
    assert!(commits(&actions).is_empty(), "{actions:?}");
    let write = writes(&actions)[0];
    let members = write.members.clone().unwrap();
    assert_eq!((members.standbys, members.as_of), (vec![4], 2));
    let actions = core.handle(Event::Written(write.number), 0);
    assert_eq!(commits(&actions)[0].header.index, 2);
}

/// A message from replica 1 to replica 2.
fn message(ty: MessageType, term: u64) -> Message {
    let mut message = Message {
        from: 1,
        to: 2,
        term,
        ..Message::default()
    };
    message.set_msg_type(ty);
    message
}

fn frame(message: Message) -> Frame {
    Frame::new(LINEAGE, message).unwrap()
}

/// Blocks after `head`, of a term, with a byte in them.
fn blocks(mut head: ChainHead, term: u64, bytes: &[u8]) -> Vec<KeptBlock> {
    let mut blocks = Vec::new();
    for byte in bytes {
        let event = SealedEvent::unsealed(TENANT, EventKind::Audit, vec![*byte; 9]).unwrap();
        let mut builder = BlockBuilder::after(&head, BlockKind::Data, term, 5);
        let place = TenantHead::default().place(&event, 5);
        builder.push(&place, &event.body).unwrap();
        let block = KeptBlock::from(builder.finish());
        head = ChainHead::of(&block.header);
        blocks.push(block);
    }
    blocks
}

/// What the blocks are appended with after block `index` of a term.
fn append(index: u64, log_term: u64, blocks: &[KeptBlock]) -> Message {
    let term = blocks.last().map_or(log_term, |block| block.header.term);
    let mut message = message(MessageType::MsgAppend, term);
    (message.index, message.log_term) = (index, log_term);
    let entry = |block: &KeptBlock| entry_of(&block.header, block.bytes.clone());
    message.set_entries(blocks.iter().map(entry).collect::<Vec<_>>().into());
    message
}

/// A follower with three blocks of term 2, of which two are committed.
fn follower() -> (Core<Nothing>, Vec<KeptBlock>) {
    let (mut core, _) = start(2, &[1, 2, 3], Vec::new());
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1, 2, 3]);
    let mut first = append(0, 0, &log);
    first.commit = 2;
    let actions = core.handle(Event::Frame(frame(first)), 0);
    let write = writes(&actions)[0];
    assert_eq!(write.blocks.len(), 3);
    assert!(
        sent(&actions).is_empty(),
        "acknowledged before it is durable"
    );
    let actions = core.handle(Event::Written(write.number), 0);
    assert_eq!(sent(&actions)[0].kind(), FrameKind::AppendReply);
    assert_eq!(core.committed(), 2);
    (core, log)
}

#[track_caller]
fn alarm(core: &mut Core<Nothing>, frame: Frame) -> Alarm {
    let head = core.head();
    let mut actions = core.handle(Event::Frame(frame), 0);
    assert_eq!(core.head(), head, "the frame was taken");
    match actions.pop() {
        Some(Action::Alarm(alarm)) => alarm,
        other => panic!("no alarm but {other:?}"),
    }
}

#[test]
fn another_history_is_an_alarm() {
    let (mut core, _) = follower();
    let beat = message(MessageType::MsgHeartbeat, 2);
    let other = Frame::new(Lineage([9; 16]), beat).unwrap();
    assert_eq!(alarm(&mut core, other), Alarm::Lineage { from: 1 });
}

#[test]
fn a_commit_beyond_the_log_is_an_alarm_and_no_panic() {
    let (mut core, _) = follower();
    let mut beat = message(MessageType::MsgHeartbeat, 2);
    beat.commit = 4;
    assert_eq!(
        alarm(&mut core, frame(beat)),
        Alarm::Lost { from: 1, index: 4 }
    );
}

#[test]
fn a_changed_body_is_an_alarm() {
    let (mut core, log) = follower();
    let next = &blocks(ChainHead::of(&log[2].header), 2, &[4])[0];
    let mut bytes = next.bytes.to_vec();
    bytes[kimberlite_storage::block::BLOCK_HEADER_LEN + EVENT_HEADER_LEN] ^= 1;
    // Whoever changes it makes the checksum good.
    let payload = kimberlite_storage::block::BLOCK_HEADER_LEN..bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[payload.clone()]);
    bytes[payload.end..].copy_from_slice(&crc.to_le_bytes());
    let changed = KeptBlock {
        header: next.header.clone(),
        bytes: bytes.into(),
    };
    let found = alarm(&mut core, frame(append(3, 2, &[changed])));
    assert!(
        matches!(
            found,
            Alarm::Block {
                from: 1,
                index: 4,
                ..
            }
        ),
        "{found}"
    );
}

#[test]
fn a_block_that_does_not_continue_our_log_is_an_alarm() {
    let (mut core, log) = follower();
    let mut other = ChainHead::of(&log[2].header);
    other.hash = [1; 32];
    let forged = blocks(other, 2, &[4]);
    let found = alarm(&mut core, frame(append(3, 2, &forged)));
    assert_eq!(found, Alarm::Chain { from: 1, index: 4 });
    // The same place and term, another block.
    let forged = blocks(ChainHead::of(&log[1].header), 2, &[9]);
    let found = alarm(&mut core, frame(append(2, 2, &forged)));
    assert_eq!(found, Alarm::Chain { from: 1, index: 3 });
}

#[test]
fn blocks_in_place_of_committed_ones_are_an_alarm_and_no_panic() {
    let (mut core, _) = follower();
    let (_, fresh) = (0, blocks(ChainHead::genesis(LINEAGE), 3, &[7, 8, 9]));
    // Block 2 is committed; a leader that is none sends others after it as if it were not.
    let forged = append(2, 3, &fresh[2..]);
    let actions = core.handle(Event::Frame(frame(forged)), 0);
    assert!(actions.iter().all(|a| !matches!(a, Action::Apply(_))));
    assert_eq!(core.committed(), 2);
    assert_eq!(core.head().index, 3);
}

#[test]
fn an_uncommitted_end_is_replaced_and_the_disk_told_first() {
    let (mut core, log) = follower();
    let other = blocks(ChainHead::of(&log[1].header), 4, &[7, 8]);
    let actions = core.handle(Event::Frame(frame(append(2, 2, &other))), 0);
    let write = writes(&actions)[0];
    assert_eq!(write.truncate_after, Some(2));
    let indexes: Vec<u64> = write.blocks.iter().map(|b| b.header.index).collect();
    assert_eq!(indexes, [3, 4]);
    assert_eq!(core.head(), ChainHead::of(&other[1].header));
}

#[test]
fn a_start_needs_a_log_that_holds_together() {
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1, 2, 3]);
    let settings = Settings {
        replica: 1,
        heartbeat_ticks: 2,
        election_ticks: 10,
        seed: 1,
        block: BlockLimits::default(),
    };
    let start = Start {
        committed: ChainHead::genesis(LINEAGE),
        blocks: vec![log[0].clone(), log[2].clone()],
        terms: TermStarts::default(),
        vote: Vote::default(),
        applied: 0,
        members: Members::first([1, 2, 3]),
        registry: named(&[1, 2, 3]),
    };
    assert!(Core::start(settings.clone(), start.clone(), Nothing, 0).is_err());
    let start = Start {
        blocks: Vec::new(),
        applied: 1,
        ..start
    };
    assert!(Core::start(settings, start, Nothing, 0).is_err());
}

#[test]
fn blocks_read_back_as_the_entries_they_were() {
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1]);
    let entry = log[0].entry();
    let header = BlockHeader::decode(&entry.data).unwrap();
    assert_eq!((entry.index, entry.term), (header.index, header.term));
}

/// Replica 2 of three, which leads in term 3 with its first block written.
fn leader() -> Core<Nothing> {
    let (mut core, log) = follower();
    assert_eq!(log.len(), 3);
    for _ in 0..40 {
        let actions = core.handle(Event::Tick, 0);
        settle(&mut core, &actions);
    }
    for ty in [
        MessageType::MsgRequestPreVoteResponse,
        MessageType::MsgRequestVoteResponse,
    ] {
        let actions = core.handle(Event::Frame(frame(message(ty, 3))), 0);
        settle(&mut core, &actions);
    }
    assert_eq!(core.leadership(), Leadership { term: 3, leader: 2 });
    assert_eq!(core.head().index, 4);
    core
}

/// Makes durable what is to be.
fn settle(core: &mut Core<Nothing>, actions: &[Action]) {
    let mut open: VecDeque<u64> = writes(actions).iter().map(|w| w.number).collect();
    while let Some(number) = open.pop_front() {
        let actions = core.handle(Event::Written(number), 0);
        open.extend(writes(&actions).iter().map(|w| w.number));
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_an_alarm() {
    let mut core = leader();
    let mut reply = message(MessageType::MsgAppendResponse, 3);
    reply.index = 5;
    let found = alarm(&mut core, frame(reply));
    assert_eq!(found, Alarm::Invented { from: 1, index: 5 });
    assert_eq!(core.committed(), 2);
}

mod changes;
mod epoch;
mod fatal;
mod placed;

mod any_frame {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [MessageType; 11] = [
        MessageType::MsgAppend,
        MessageType::MsgAppendResponse,
        MessageType::MsgRequestVote,
        MessageType::MsgRequestVoteResponse,
        MessageType::MsgRequestPreVote,
        MessageType::MsgRequestPreVoteResponse,
        MessageType::MsgHeartbeat,
        MessageType::MsgHeartbeatResponse,
        MessageType::MsgTimeoutNow,
        MessageType::MsgReadIndex,
        MessageType::MsgReadIndexResp,
    ];

    /// Some frame with small numbers: those that nearly make sense.
    fn any() -> impl Strategy<Value = Frame> {
        let words = proptest::array::uniform7(0_u64..8);
        let sizes = (0..KINDS.len(), 1_u64..5, 0_usize..4, 2_u64..6);
        (sizes, words, proptest::bool::ANY).prop_map(|((kind, from, count, term), w, reject)| {
            let mut message = message(KINDS[kind], w[0]);
            message.from = from;
            message.log_term = w[1];
            message.index = w[2];
            message.commit = w[3];
            message.commit_term = w[4];
            message.reject = reject;
            message.reject_hint = w[5];
            match KINDS[kind] {
                MessageType::MsgAppend => {
                    let mut before = ChainHead::genesis(LINEAGE);
                    before.index = w[2];
                    let bytes: Vec<u8> = (1..=count as u8).collect();
                    let blocks = blocks(before, term, &bytes);
                    message.set_entries(append(w[2], w[1], &blocks).take_entries());
                }
                MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => {
                    message.set_entries(vec![raft::eraftpb::Entry::default()].into());
                }
                _ => {}
            }
            frame(message)
        })
    }

    fn feed(mut core: Core<Nothing>, frames: Vec<Frame>) {
        let committed = core.committed();
        for frame in frames {
            let actions = core.handle(Event::Frame(frame), 0);
            settle(&mut core, &actions);
            let actions = core.handle(Event::Tick, 0);
            settle(&mut core, &actions);
        }
        assert!(core.committed() >= committed);
    }

    proptest! {
        #[test]
        fn does_not_make_a_follower_panic(frames in proptest::collection::vec(any(), 1..30)) {
            feed(follower().0, frames);
        }

        #[test]
        fn does_not_make_a_leader_panic(frames in proptest::collection::vec(any(), 1..30)) {
            feed(leader(), frames);
        }
    }
}
