//! Changes of the members: what is refused, and what becomes of the others.

use super::*;
use crate::core::queue::control_block;
use crate::members::{Change, Role, Unsound};

/// Asks for a change; the index of its block, or why there is none.
fn ask(core: &mut Core<Nothing>, change: MemberChange) -> std::result::Result<u64, Refusal> {
    let actions = core.handle(Event::Change(8, change), 0);
    settle(core, &actions);
    let answer = actions.into_iter().find_map(|action| match action {
        Action::Changed(8, answer) => Some(answer),
        _ => None,
    });
    answer.expect("nobody answered")
}

#[track_caller]
fn unsafe_because(core: &mut Core<Nothing>, change: MemberChange, why: &str) {
    match ask(core, change) {
        Err(Refusal::Unsafe(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// A frame of another replica that says nothing but that it lives, or what it has.
fn lives(core: &mut Core<Nothing>, from: u64, matched: Option<u64>) {
    let term = core.leadership().term;
    let ty = match matched {
        Some(_) => MessageType::MsgAppendResponse,
        None => MessageType::MsgHeartbeatResponse,
    };
    let mut reply = message(ty, term);
    (reply.from, reply.to) = (from, core.leadership().leader);
    reply.index = matched.unwrap_or_default();
    let actions = core.handle(Event::Frame(frame(reply)), 0);
    settle(core, &actions);
}

/// Replica 2 of three leads, and replica 1 has all it has.
fn leader_of_three() -> Core<Nothing> {
    let mut core = leader();
    let remove = MemberChange::one(ChangeKind::Remove, 3);
    // A block of its own term has to be committed first.
    assert_eq!(ask(&mut core, remove), Err(Refusal::ChangeOpen));
    let head = core.head().index;
    lives(&mut core, 1, Some(head));
    assert_eq!(core.committed(), 4);
    core
}

#[test]
fn one_change_after_the_other() {
    let mut core = leader_of_three();
    assert_eq!(ask(&mut core, MemberChange::admit(4, peer(4))), Ok(5));
    let second = MemberChange::admit(5, peer(5));
    assert_eq!(ask(&mut core, second.clone()), Err(Refusal::ChangeOpen));
    lives(&mut core, 1, Some(5));
    assert_eq!(core.members().standbys, [4]);
    assert_eq!(ask(&mut core, second), Ok(6));
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let mut core = leader_of_three();
    let unknown = MemberChange::one(ChangeKind::Remove, 9);
    unsafe_because(&mut core, unknown, "replica 8 is not a member");
    let nameless = MemberChange::one(ChangeKind::Standby, 4);
    unsafe_because(&mut core, nameless, "how to speak with replica 3");
    unsafe_because(&mut core, MemberChange::default(), "it changes nothing");
    let mut alone = alone();
    let last = MemberChange::one(ChangeKind::Remove, 1);
    unsafe_because(&mut alone, last, "no voter would be left");
}

#[test]
fn a_removed_replica_does_not_come_back() {
    let mut core = leader_of_three();
    let remove = MemberChange::one(ChangeKind::Remove, 3);
    assert_eq!(ask(&mut core, remove), Ok(5));
    lives(&mut core, 1, Some(5));
    assert_eq!(core.members().voters, [1, 2]);
    assert_eq!(core.registry().record(3).unwrap().role, Role::Removed);
    let again = MemberChange::admit(3, peer(3));
    unsafe_because(&mut core, again, "replica 2 was removed");
}

#[test]
fn enough_voters_that_are_heard_of_have_to_remain() {
    let mut core = leader_of_three();
    // Replica 3 was never heard of.
    let remove = MemberChange::one(ChangeKind::Remove, 1);
    unsafe_because(&mut core, remove.clone(), "(1, 2) too few are heard of");
    let demote = MemberChange::one(ChangeKind::Standby, 1);
    unsafe_because(&mut core, demote, "for a majority: 1");
    lives(&mut core, 3, None);
    // For as long as an election takes at least.
    for tick in 1..=11 {
        lives(&mut core, 1, None);
        core.handle(Event::Tick, 0);
        let heard: Vec<bool> = core.progress().iter().map(|p| p.active).collect();
        assert_eq!(heard, [true, tick <= 10], "{tick} ticks");
    }
    unsafe_because(&mut core, remove.clone(), "too few are heard of");
    lives(&mut core, 3, None);
    assert_eq!(ask(&mut core, remove), Ok(5));
}

#[test]
fn a_vote_is_for_standbys_that_are_there_and_have_the_log() {
    let mut core = alone();
    let voter = MemberChange {
        joint: false,
        changes: vec![Change {
            kind: ChangeKind::Voter,
            replica: 4,
            peer: Some(peer(4)),
        }],
    };
    unsafe_because(&mut core, voter, "replica 3 has to join as a standby first");
    ask(&mut core, MemberChange::admit(4, peer(4))).unwrap();
    let promote = MemberChange::one(ChangeKind::Voter, 4);
    unsafe_because(
        &mut core,
        promote.clone(),
        "replica 3 was not heard of lately",
    );
    for id in 0..PROMOTE_BLOCKS_MAX {
        let actions = core.handle(Event::Submit(id, transaction(&[1])), 0);
        settle(&mut core, &actions);
    }
    let committed = core.committed();
    assert!(committed > PROMOTE_BLOCKS_MAX);
    lives(&mut core, 4, None);
    unsafe_because(&mut core, promote.clone(), "blocks behind");
    lives(&mut core, 4, Some(committed - PROMOTE_BLOCKS_MAX));
    let expected = PeerProgress {
        replica: 4,
        matched: committed - PROMOTE_BLOCKS_MAX,
        active: true,
        state: PeerState::Replicate,
    };
    assert_eq!(core.progress(), [expected]);
    assert_eq!(ask(&mut core, promote), Ok(committed + 1));
    assert_eq!(core.members().voters, [1, 4]);
}

#[test]
fn an_update_is_a_block_and_changes_the_record_alone() {
    let mut core = alone();
    let before = core.members().clone();
    let actions = core.handle(Event::Change(8, MemberChange::update(1, peer(1))), 0);
    let write = writes(&actions)[0];
    assert_eq!(write.blocks[0].header.kind, BlockKind::Config);
    let actions = core.handle(Event::Written(write.number), 0);
    assert_eq!(commits(&actions)[0].header.index, 2);
    assert!(writes(&actions).is_empty());
    assert_eq!(core.members(), &before);
    let record = core.registry().record(1).unwrap();
    assert_eq!((record.peer.as_ref(), record.index), (Some(&peer(1)), 2));
    let other = MemberChange::update(1, peer(9));
    unsafe_because(&mut core, other, "admitted with another data directory");
    let mut moved = peer(1);
    moved.address = "elsewhere:1".into();
    ask(&mut core, MemberChange::update(1, moved)).unwrap();
}

/// A block of kind config with a change.
fn block_of(head: &ChainHead, change: &MemberChange) -> KeptBlock {
    let newest = TenantHead::default();
    let body = change.encode();
    let made = control_block(head, BlockKind::Config, 2, 5, body, newest);
    KeptBlock::from(made.unwrap().0)
}

#[test]
fn what_makes_no_sense_in_the_log_is_left_out() {
    let (mut core, log) = follower();
    let head = ChainHead::of(&log[2].header);
    let unsound = block_of(&head, &MemberChange::one(ChangeKind::Remove, 9));
    let head = ChainHead::of(&unsound.header);
    let sound = block_of(&head, &MemberChange::admit(4, peer(4)));
    let mut message = append(3, 2, &[unsound, sound]);
    message.commit = 5;
    let actions = core.handle(Event::Frame(frame(message)), 0);
    settle(&mut core, &actions);
    assert_eq!(core.committed(), 5);
    let members = core.members();
    assert_eq!(
        (&members.voters[..], &members.standbys[..]),
        (&[1, 2, 3][..], &[4][..])
    );
    assert_eq!(members, core.registry().members());
    let refused = core.registry().refuses(4, &[9; 16]);
    assert_eq!(refused, Some(Unsound::Incarnation { replica: 4 }));
}

/// Replica 2 of three starts with one block, which lets replica 4 join, and members.
fn start_with(
    members: impl FnOnce(Members) -> Members,
    applied: u64,
) -> std::result::Result<(Core<Nothing>, Vec<Action>), StartError> {
    let genesis = ChainHead::genesis(LINEAGE);
    let change = MemberChange::admit(4, peer(4));
    let block = block_of(&genesis, &change);
    let head = ChainHead::of(&block.header);
    let mut registry = named(&[1, 2, 3]);
    let next = registry.members().after(&change, 1).unwrap();
    if applied == 1 {
        registry.advance(1, &change).unwrap();
    }
    let mut terms = TermStarts::default();
    if applied == 1 {
        terms.push(1, 2);
    }
    let start = Start {
        committed: if applied == 1 { head } else { genesis },
        blocks: if applied == 1 {
            Vec::new()
        } else {
            vec![block]
        },
        terms,
        vote: Vote { term: 2, vote: 0 },
        applied,
        members: members(next),
        registry,
    };
    let settings = Settings {
        replica: 2,
        heartbeat_ticks: 2,
        election_ticks: 10,
        seed: 1,
        block: BlockLimits::default(),
    };
    let (mut core, mut actions) = Core::start(settings, start, Nothing, 0)?;
    let mut beat = message(MessageType::MsgHeartbeat, 2);
    beat.commit = 1;
    actions.extend(core.handle(Event::Frame(frame(beat)), 0));
    assert!(!actions.is_empty());
    settle(&mut core, &actions);
    Ok((core, actions))
}

#[test]
fn members_in_the_superblock_are_those_of_the_log() {
    // The change is in the superblock, and its block is applied, or not yet.
    for applied in [0, 1] {
        let (_, actions) = start_with(|members| members, applied).unwrap();
        let fatal = actions.iter().any(|a| matches!(a, Action::Fatal(_)));
        assert!(!fatal, "{actions:?}");
    }
    let other = |mut members: Members| {
        members.standbys.clear();
        members
    };
    assert!(start_with(other, 1).is_err());
    let (_, actions) = start_with(other, 0).unwrap();
    let Some(Action::Fatal(why)) = actions.last() else {
        panic!("it goes on: {actions:?}");
    };
    assert!(why.contains("as of block 1"), "{why}");
    // A change is applied and did not get into the superblock.
    let old = |_| Members::first([1, 2, 3]);
    for applied in [0, 1] {
        let (core, _) = start_with(old, applied).unwrap();
        assert_eq!(core.members().standbys, [4]);
    }
}
