#![allow(clippy::unwrap_used, missing_docs)]
use super::*;
use crate::members::MEMBERS_MAX;

/// The registry of a cluster whose first members have said how to speak with them.
pub(crate) fn named(first: &[u64]) -> Registry {
    let mut registry = Registry::new(first);
    for (id, record) in &mut registry.records {
        record.peer = Some(peer(*id as u8));
    }
    registry
}

pub(crate) fn peer(byte: u8) -> Peer {
    Peer {
        incarnation: [byte; 16],
        address: format!("10.0.0.{byte}:7000"),
        name: format!("replica {byte}"),
    }
}

fn change(kind: ChangeKind, replica: u64, peer: Option<Peer>) -> Change {
    Change {
        kind,
        replica,
        peer,
    }
}

fn joint(changes: Vec<Change>) -> MemberChange {
    MemberChange {
        joint: true,
        changes,
    }
}

/// A cluster that was founded by one and has three voters.
fn three() -> (Registry, Vec<(u64, MemberChange)>) {
    let changes = [
        MemberChange::update(1, peer(1)),
        MemberChange::admit(2, peer(2)),
        MemberChange::admit(3, peer(3)),
        MemberChange::one(ChangeKind::Voter, 2),
        MemberChange::one(ChangeKind::Voter, 3),
    ];
    let log: Vec<_> = (10..).step_by(10).zip(changes).collect();
    let mut registry = Registry::new(&[1]);
    for (index, change) in &log {
        registry.advance(*index, change).unwrap();
    }
    (registry, log)
}

#[test]
fn records_say_what_the_log_said() {
    let (mut registry, _) = three();
    assert_eq!(registry.members().voters, [1, 2, 3]);
    assert_eq!(registry.members().first, [1]);
    let record = |index, role, byte| Record {
        role,
        peer: Some(peer(byte)),
        index,
    };
    assert_eq!(registry.record(1), Some(&record(10, Role::Voter, 1)));
    assert_eq!(registry.record(3), Some(&record(50, Role::Voter, 3)));
    // 2 leaves, and 3 follows without a vote: both still vote until the joint
    // configuration is left.
    let both = vec![
        change(ChangeKind::Remove, 2, None),
        change(ChangeKind::Standby, 3, None),
    ];
    registry.advance(60, &joint(both)).unwrap();
    assert_eq!(registry.record(2).unwrap().role, Role::Voter);
    let other = MemberChange::update(1, peer(1));
    assert_eq!(registry.check(&other), Err(Unsound::Joint));
    registry.advance(70, &MemberChange::default()).unwrap();
    assert_eq!(registry.record(2), Some(&record(70, Role::Removed, 2)));
    assert_eq!(registry.record(3), Some(&record(70, Role::Standby, 3)));
    assert_eq!(registry.members().voters, [1]);
    assert_eq!(registry.members().standbys, [3]);
    assert_eq!(registry.members().as_of, 70);
    assert_eq!(registry.records().count(), 3);
    // An update is of the record alone.
    let mut moved = peer(3);
    moved.address = "elsewhere:1".into();
    let update = MemberChange::update(3, moved.clone());
    registry.advance(80, &update).unwrap();
    assert_eq!(registry.record(3).unwrap().peer, Some(moved));
    assert_eq!(registry.record(3).unwrap().index, 80);
    assert_eq!((registry.members().as_of, registry.as_of()), (70, 80));
}

#[test]
fn changes_that_make_no_sense_are_refused_with_the_reason() {
    let (mut registry, _) = three();
    registry
        .advance(60, &MemberChange::one(ChangeKind::Remove, 3))
        .unwrap();
    let before = registry.clone();
    let text = |address: &str, name: &str| Peer {
        address: address.into(),
        name: name.into(),
        ..peer(4)
    };
    let several = vec![
        change(ChangeKind::Remove, 2, None),
        change(ChangeKind::Standby, 4, Some(peer(4))),
    ];
    let everybody = vec![
        change(ChangeKind::Remove, 1, None),
        change(ChangeKind::Remove, 2, None),
    ];
    let plain = |changes: &[Change]| MemberChange {
        joint: false,
        changes: changes.to_vec(),
    };
    let long = "x".repeat(PEER_TEXT_MAX + 1);
    let cases = [
        (MemberChange::default(), "changes nothing"),
        (MemberChange::admit(3, peer(3)), "replica 2 was removed"),
        (MemberChange::admit(3, peer(9)), "replica 2 was removed"),
        (MemberChange::one(ChangeKind::Remove, 3), "was removed"),
        (
            MemberChange::one(ChangeKind::Remove, 9),
            "replica 8 is not a member",
        ),
        (MemberChange::update(9, peer(9)), "replica 8 is not"),
        (MemberChange::admit(0, peer(9)), "is not a member"),
        (
            MemberChange::one(ChangeKind::Standby, 4),
            "with replica 3 is missing",
        ),
        (MemberChange::one(ChangeKind::Update, 2), "is missing"),
        (
            MemberChange::update(2, peer(7)),
            "replica 1 was admitted with another",
        ),
        (
            MemberChange::admit(2, peer(7)),
            "replica 1 was admitted with another",
        ),
        (
            MemberChange::admit(4, peer(3)),
            "of replica 3 is that of replica 2",
        ),
        (
            MemberChange::one(ChangeKind::Voter, 2),
            "replica 1 is a voter already",
        ),
        (MemberChange::admit(4, peer(0)), "the incarnation"),
        (MemberChange::admit(4, text("", "n")), "the address"),
        (MemberChange::admit(4, text("host", "n")), "the address"),
        (MemberChange::admit(4, text(":7", "n")), "the address"),
        (MemberChange::admit(4, text("host:0", "n")), "the address"),
        (
            MemberChange::admit(4, text("host:70000", "n")),
            "the address",
        ),
        (MemberChange::admit(4, text("h:7", "")), "the name"),
        (MemberChange::admit(4, text("h:7", &long)), "the name"),
        (plain(&several), "only in a joint change"),
        (joint(everybody), "no voter would be left"),
        (
            plain(&[several[0].clone(), several[0].clone()]),
            "replica 1 changes twice",
        ),
    ];
    for (number, (change, why)) in cases.into_iter().enumerate() {
        let refused = registry.check(&change).unwrap_err();
        assert!(refused.to_string().contains(why), "{number}: {refused}");
        // In the log it is left out, as everywhere.
        let index = 100 + number as u64;
        assert_eq!(registry.advance(index, &change), Err(refused));
        assert_eq!(registry.members(), before.members());
        assert!(registry.records().eq(before.records()));
    }
}

#[test]
fn nobody_joins_a_member_without_a_name() {
    let mut registry = Registry::new(&[1, 2]);
    let admit = MemberChange::admit(3, peer(3));
    for first in [1, 2] {
        let nameless = Unsound::Nameless { replica: first };
        assert_eq!(registry.check(&admit), Err(nameless));
        let update = MemberChange::update(first, peer(first as u8));
        registry.advance(first, &update).unwrap();
    }
    registry.check(&admit).unwrap();
}

#[test]
fn there_are_no_more_members_than_a_superblock_takes() {
    let mut registry = Registry::new(&[1]);
    registry
        .advance(1, &MemberChange::update(1, peer(1)))
        .unwrap();
    for id in 2..=MEMBERS_MAX as u64 {
        let admit = MemberChange::admit(id, peer(id as u8));
        registry.advance(id, &admit).unwrap();
    }
    let more = MemberChange::admit(200, peer(200));
    assert_eq!(registry.check(&more), Err(Unsound::TooMany));
}

#[test]
fn a_replay_gives_the_same_and_a_change_counts_once() {
    let (mut registry, log) = three();
    let before = registry.clone();
    for (index, change) in &log {
        registry.advance(*index, change).unwrap();
    }
    assert_eq!(registry, before);
    let bodies: Vec<_> = log.iter().map(|(index, c)| (*index, c.encode())).collect();
    let bodies = bodies.iter().map(|(index, body)| (*index, body.as_slice()));
    assert_eq!(Registry::replay(&[1], bodies).unwrap(), before);
    assert!(Registry::replay(&[1], [(1, &b"no change"[..])]).is_err());
}

#[test]
fn a_replica_comes_back_with_its_own_data_directory_or_not_at_all() {
    let (mut registry, _) = three();
    assert_eq!(registry.refuses(2, &[2; 16]), None);
    let other = Some(Unsound::Incarnation { replica: 2 });
    assert_eq!(registry.refuses(2, &[9; 16]), other);
    assert_eq!(registry.refuses(8, &[9; 16]), None);
    registry
        .advance(60, &MemberChange::one(ChangeKind::Remove, 2))
        .unwrap();
    let removed = Some(Unsound::Removed { replica: 2 });
    assert_eq!(registry.refuses(2, &[2; 16]), removed);
    assert_eq!(Registry::new(&[1]).refuses(1, &[9; 16]), None);
}
