//! Who belongs to the cluster, and changes of that.
//!
//! # Bytes
//!
//! In the superblock, little-endian: version `1`, a byte that is 1 when the joint
//! configuration is left by itself, four lists (voters, standbys, outgoing voters,
//! voters that become standbys when the joint configuration is left), each a `u16`
//! count and as many `u64` replica ids, and the `u64` index of the block that made it so.
//!
//! In a block of kind config, as the body of its one control event: version `1`, a
//! byte 0 for one change or 1 for joint consensus, a `u16` count, and for each change
//! a byte ([`ChangeKind`]) and the `u64` replica id. No change leaves the joint
//! configuration.

use kimberlite_storage::FormatError;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
};

/// Most replicas of a cluster, standbys included: what fits in a superblock, and more
/// than anyone runs.
pub const MEMBERS_MAX: usize = 60;

const VERSION: u8 = 1;

/// Who votes and who only follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Replicas that vote.
    pub voters: Vec<u64>,
    /// Replicas that get the log and do not vote.
    pub standbys: Vec<u64>,
    /// While the members change: the voters before. Both majorities are needed.
    pub outgoing: Vec<u64>,
    /// Outgoing voters that stay as standbys.
    pub standbys_next: Vec<u64>,
    /// Whether the leader ends the change by itself.
    pub auto_leave: bool,
    /// Index of the block that made it so; 0 for the first members.
    pub as_of: u64,
}

impl Members {
    /// The members of a new cluster.
    #[must_use]
    pub fn first(voters: impl IntoIterator<Item = u64>) -> Self {
        let mut voters: Vec<u64> = voters.into_iter().collect();
        voters.sort_unstable();
        voters.dedup();
        Self {
            voters,
            ..Self::default()
        }
    }

    /// Whether a replica belongs to the cluster in any role.
    #[must_use]
    pub fn contains(&self, replica: u64) -> bool {
        self.lists().iter().any(|list| list.contains(&replica))
    }

    /// Whether a replica votes.
    #[must_use]
    pub fn votes(&self, replica: u64) -> bool {
        self.voters.contains(&replica) || self.outgoing.contains(&replica)
    }

    /// Whether a replica is the only voter: what is durable on it is committed.
    #[must_use]
    pub fn is_only(&self, replica: u64) -> bool {
        self.voters == [replica] && self.outgoing.is_empty()
    }

    /// Every member, ascending.
    #[must_use]
    pub fn all(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.lists().into_iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    const fn lists(&self) -> [&Vec<u64>; 4] {
        [
            &self.voters,
            &self.standbys,
            &self.outgoing,
            &self.standbys_next,
        ]
    }

    /// The bytes for the superblock.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.auto_leave)];
        for list in self.lists() {
            // Bounded by MEMBERS_MAX.
            out.extend_from_slice(&(list.len() as u16).to_le_bytes());
            for id in list {
                out.extend_from_slice(&id.to_le_bytes());
            }
        }
        out.extend_from_slice(&self.as_of.to_le_bytes());
        out
    }

    /// Reads the bytes of a superblock; nothing is a cluster that has no members yet.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not members as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader { bytes, at: 0 };
        let [version, auto_leave] = reader.array()?;
        check_version(version)?;
        let members = Self {
            auto_leave: auto_leave == 1,
            voters: reader.ids()?,
            standbys: reader.ids()?,
            outgoing: reader.ids()?,
            standbys_next: reader.ids()?,
            as_of: u64::from_le_bytes(reader.array()?),
        };
        reader.end()?;
        Ok(members)
    }

    pub(crate) fn conf_state(&self) -> ConfState {
        let mut state = ConfState::default();
        state.set_voters(self.voters.clone());
        state.set_learners(self.standbys.clone());
        state.set_voters_outgoing(self.outgoing.clone());
        state.set_learners_next(self.standbys_next.clone());
        state.set_auto_leave(self.auto_leave);
        state
    }

    pub(crate) fn of(state: &ConfState, as_of: u64) -> Self {
        let sorted = |ids: &[u64]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        Self {
            voters: sorted(state.get_voters()),
            standbys: sorted(state.get_learners()),
            outgoing: sorted(state.get_voters_outgoing()),
            standbys_next: sorted(state.get_learners_next()),
            auto_leave: state.get_auto_leave(),
            as_of,
        }
    }
}

/// What happens to one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChangeKind {
    /// It votes.
    Voter = 1,
    /// It follows without a vote.
    Standby = 2,
    /// It leaves.
    Remove = 3,
}

/// A change of the members. Without any, it ends a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Whether the old and the new voters both have to agree for a while.
    pub joint: bool,
    /// What becomes of whom.
    pub changes: Vec<(ChangeKind, u64)>,
}

impl MemberChange {
    /// One change of one replica.
    #[must_use]
    pub fn one(kind: ChangeKind, replica: u64) -> Self {
        Self {
            joint: false,
            changes: vec![(kind, replica)],
        }
    }

    /// The body of the control event.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.joint)];
        out.extend_from_slice(&(self.changes.len() as u16).to_le_bytes());
        for (kind, replica) in &self.changes {
            out.push(*kind as u8);
            out.extend_from_slice(&replica.to_le_bytes());
        }
        out
    }

    /// Reads the body of a control event.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not a change as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader { bytes, at: 0 };
        let [version, joint] = reader.array()?;
        check_version(version)?;
        let count = usize::from(u16::from_le_bytes(reader.array()?));
        if count > MEMBERS_MAX {
            return Err(field("changes of members", count as u64));
        }
        let mut changes = Vec::with_capacity(count);
        for _ in 0..count {
            let [code] = reader.array()?;
            let kind = match code {
                1 => ChangeKind::Voter,
                2 => ChangeKind::Standby,
                3 => ChangeKind::Remove,
                _ => return Err(field("change of a member", code.into())),
            };
            changes.push((kind, u64::from_le_bytes(reader.array()?)));
        }
        reader.end()?;
        Ok(Self {
            joint: joint == 1,
            changes,
        })
    }

    pub(crate) fn conf_change(&self) -> ConfChangeV2 {
        let mut change = ConfChangeV2::default();
        if self.joint {
            change.set_transition(ConfChangeTransition::Implicit);
        }
        for (kind, replica) in &self.changes {
            let mut single = ConfChangeSingle::default();
            single.set_change_type(match kind {
                ChangeKind::Voter => ConfChangeType::AddNode,
                ChangeKind::Standby => ConfChangeType::AddLearnerNode,
                ChangeKind::Remove => ConfChangeType::RemoveNode,
            });
            single.set_node_id(*replica);
            change.mut_changes().push(single);
        }
        change
    }
}

fn field(what: &'static str, value: u64) -> FormatError {
    FormatError::Field { what, value }
}

fn check_version(version: u8) -> Result<(), FormatError> {
    if version == VERSION {
        return Ok(());
    }
    Err(FormatError::Version {
        what: "members",
        found: version.into(),
        newest: VERSION.into(),
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(array) = rest.first_chunk::<N>() else {
            return Err(FormatError::Truncated {
                what: "members",
                needed: (self.at + N) as u64,
                have: self.bytes.len() as u64,
            });
        };
        self.at += N;
        Ok(*array)
    }

    fn ids(&mut self) -> Result<Vec<u64>, FormatError> {
        let count = usize::from(u16::from_le_bytes(self.array()?));
        if count > MEMBERS_MAX {
            return Err(field("number of members", count as u64));
        }
        (0..count)
            .map(|_| self.array().map(u64::from_le_bytes))
            .collect()
    }

    fn end(&self) -> Result<(), FormatError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            rest => Err(field("bytes after members", rest as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    fn joint() -> Members {
        Members {
            voters: vec![2, 3, 4],
            standbys: vec![100],
            outgoing: vec![1, 2, 3],
            standbys_next: vec![1],
            auto_leave: true,
            as_of: 77,
        }
    }

    #[test]
    fn members_read_back() {
        for members in [joint(), Members::first([3, 1, 2, 1]), Members::default()] {
            assert_eq!(Members::decode(&members.encode()).unwrap(), members);
            let again = Members::of(&members.conf_state(), members.as_of);
            assert_eq!(again, members);
        }
        assert_eq!(Members::decode(&[]).unwrap(), Members::default());
    }

    #[test]
    fn the_most_members_fit_in_a_superblock() {
        let all: Vec<u64> = (1..=MEMBERS_MAX as u64).collect();
        let members = Members {
            voters: all.clone(),
            standbys: all.clone(),
            outgoing: all.clone(),
            standbys_next: all,
            auto_leave: true,
            as_of: u64::MAX,
        };
        let len = members.encode().len();
        assert!(len <= kimberlite_storage::superblock::CONFIGURATION_BYTES_MAX);
    }

    #[test]
    fn changes_read_back_and_nothing_else_does() {
        let change = MemberChange {
            joint: true,
            changes: vec![
                (ChangeKind::Voter, 4),
                (ChangeKind::Standby, 1),
                (ChangeKind::Remove, u64::MAX),
            ],
        };
        let bytes = change.encode();
        assert_eq!(MemberChange::decode(&bytes).unwrap(), change);
        for len in 0..bytes.len() {
            assert!(MemberChange::decode(bytes.get(..len).unwrap()).is_err());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(MemberChange::decode(&longer).is_err());
        let mut unknown = bytes;
        *unknown.get_mut(4).unwrap() = 9;
        assert!(MemberChange::decode(&unknown).is_err());
    }

    #[test]
    fn members_know_their_roles() {
        let members = joint();
        assert!(members.votes(1) && members.votes(4) && !members.votes(100));
        assert!(members.contains(100) && !members.contains(5));
        assert_eq!(members.all(), [1, 2, 3, 4, 100]);
    }
}
