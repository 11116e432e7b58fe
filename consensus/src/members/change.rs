//! Changes of the members.

use kimberlite_storage::FormatError;
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2};

use super::codec::{Reader, begin, field};

/// Longest address and longest name in bytes.
pub const PEER_TEXT_MAX: usize = 255;

/// What others have to know of a replica to speak with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Drawn at random by the replica when its data directory was made; not all zeros. A
    /// data directory that was made again is another replica, and must not come back
    /// under the id of the one before: what that one promised, it does not know.
    pub incarnation: [u8; 16],
    /// Where it listens for others: host and port, at most [`PEER_TEXT_MAX`] bytes.
    pub address: String,
    /// What its certificate must say, at most [`PEER_TEXT_MAX`] bytes.
    pub name: String,
}

/// What happens to one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChangeKind {
    /// It votes.
    Voter = 1,
    /// It follows without a vote.
    Standby = 2,
    /// It leaves, for ever: its id is not given again.
    Remove = 3,
    /// It stays what it is, and its [`Peer`] record says something else.
    Update = 4,
}

/// What becomes of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happens to it.
    pub kind: ChangeKind,
    /// The member ([`member_of`](super::member_of)).
    pub replica: u64,
    /// How to speak with it: of one that joins, and of an update; else only to say it
    /// anew.
    pub peer: Option<Peer>,
}

/// A change of the members. Without any, it ends a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Whether the old and the new voters both have to agree for a while. Needed for more
    /// than one change, updates not counted.
    pub joint: bool,
    /// What becomes of whom.
    pub changes: Vec<Change>,
}

impl MemberChange {
    /// One change of one replica that is a member already.
    #[must_use]
    pub fn one(kind: ChangeKind, replica: u64) -> Self {
        Self::of(kind, replica, None)
    }

    /// A replica joins as a standby.
    #[must_use]
    pub fn admit(replica: u64, peer: Peer) -> Self {
        Self::of(ChangeKind::Standby, replica, Some(peer))
    }

    /// The record of a member says something else.
    #[must_use]
    pub fn update(replica: u64, peer: Peer) -> Self {
        Self::of(ChangeKind::Update, replica, Some(peer))
    }

    fn of(kind: ChangeKind, replica: u64, peer: Option<Peer>) -> Self {
        Self {
            joint: false,
            changes: vec![Change {
                kind,
                replica,
                peer,
            }],
        }
    }

    /// The changes of who votes and who follows: all but updates.
    pub fn roles(&self) -> impl Iterator<Item = &Change> {
        let role = |change: &&Change| change.kind != ChangeKind::Update;
        self.changes.iter().filter(role)
    }

    /// Whether it says nothing about who votes and who follows.
    #[must_use]
    pub fn only_updates(&self) -> bool {
        !self.changes.is_empty() && self.roles().next().is_none()
    }

    /// The body of the control event. Texts that are too long are cut: the registry lets
    /// none through.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begin(self.joint).to_vec();
        out.extend_from_slice(&(self.changes.len() as u16).to_le_bytes());
        for change in &self.changes {
            out.push(change.kind as u8);
            out.extend_from_slice(&change.replica.to_le_bytes());
            out.push(change.peer.is_some().into());
            let Some(peer) = &change.peer else { continue };
            out.extend_from_slice(&peer.incarnation);
            for text in [&peer.address, &peer.name] {
                let end = text.floor_char_boundary(PEER_TEXT_MAX);
                let text = text.get(..end).unwrap_or_default();
                out.push(text.len() as u8);
                out.extend_from_slice(text.as_bytes());
            }
        }
        out
    }

    /// Reads the body of a control event.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not a change as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let joint = reader.begin()?;
        let count = reader.count()?;
        let mut changes = Vec::with_capacity(count);
        for _ in 0..count {
            changes.push(change(&mut reader)?);
        }
        reader.end()?;
        Ok(Self { joint, changes })
    }

    /// As the protocol takes it. It has no updates, and takes a change without any for
    /// the end of a joint configuration; one of nobody does nothing.
    pub(crate) fn conf_change(&self) -> ConfChangeV2 {
        let mut conf = ConfChangeV2::default();
        if self.joint {
            conf.set_transition(ConfChangeTransition::Implicit);
        }
        if self.only_updates() {
            conf.mut_changes().push(ConfChangeSingle::default());
        }
        for change in self.roles() {
            let mut single = ConfChangeSingle::default();
            single.set_change_type(match change.kind {
                ChangeKind::Voter | ChangeKind::Update => ConfChangeType::AddNode,
                ChangeKind::Standby => ConfChangeType::AddLearnerNode,
                ChangeKind::Remove => ConfChangeType::RemoveNode,
            });
            single.set_node_id(change.replica);
            conf.mut_changes().push(single);
        }
        conf
    }
}

fn change(reader: &mut Reader<'_>) -> Result<Change, FormatError> {
    let [code] = reader.array()?;
    let kind = match code {
        1 => ChangeKind::Voter,
        2 => ChangeKind::Standby,
        3 => ChangeKind::Remove,
        4 => ChangeKind::Update,
        _ => return Err(field("change of a member", code.into())),
    };
    let replica = u64::from_le_bytes(reader.array()?);
    let peer = match reader.flag()? {
        false => None,
        true => Some(Peer {
            incarnation: reader.array()?,
            address: reader.text()?,
            name: reader.text()?,
        }),
    };
    Ok(Change {
        kind,
        replica,
        peer,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    fn peer() -> Peer {
        Peer {
            incarnation: [7; 16],
            address: "db-4.example:7000".into(),
            name: "x".repeat(PEER_TEXT_MAX),
        }
    }

    #[test]
    fn changes_read_back_and_nothing_else_does() {
        let change = |kind, replica, peer| Change {
            kind,
            replica,
            peer,
        };
        let change = MemberChange {
            joint: true,
            changes: vec![
                change(ChangeKind::Voter, 4, Some(peer())),
                change(ChangeKind::Standby, 1, None),
                change(ChangeKind::Update, 9, Some(peer())),
                change(ChangeKind::Remove, u64::MAX, None),
            ],
        };
        let bytes = change.encode();
        assert_eq!(MemberChange::decode(&bytes).unwrap(), change);
        for len in 0..bytes.len() {
            assert!(MemberChange::decode(bytes.get(..len).unwrap()).is_err());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(MemberChange::decode(&longer).is_err());
        // A version, a flag, a count, a kind, and a flag that are none.
        for (at, byte) in [(0, 2), (1, 2), (2, 5), (4, 9), (13, 2)] {
            let mut odd = bytes.clone();
            *odd.get_mut(at).unwrap() = byte;
            assert!(MemberChange::decode(&odd).is_err(), "byte {at}");
        }
        let mut odd = bytes;
        *odd.get_mut(31).unwrap() = 0xFF;
        assert!(MemberChange::decode(&odd).is_err(), "no text");
    }

    #[test]
    fn the_protocol_sees_no_updates() {
        let update = MemberChange::update(4, peer());
        let conf = update.conf_change();
        assert_eq!(conf.get_changes().len(), 1);
        assert_eq!(conf.get_changes().first().unwrap().get_node_id(), 0);
        let mut both = MemberChange::one(ChangeKind::Remove, 3);
        both.changes.extend(update.changes);
        let conf = both.conf_change();
        assert_eq!(conf.get_changes().len(), 1);
        assert_eq!(conf.get_changes().first().unwrap().get_node_id(), 3);
        let none = MemberChange::default();
        assert!(none.conf_change().get_changes().is_empty() && !none.only_updates());
    }
}
