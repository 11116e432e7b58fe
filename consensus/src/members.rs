//! Who belongs to the cluster, and changes of that.
//!
//! # Ids
//!
//! Operators count replicas from 0; the protocol counts its members from 1, because its 0
//! is nobody. Ids in this crate are members; [`replica_of`] is for people.
//!
//! # Bytes
//!
//! In the superblock, little-endian: version `1`, a byte that is 1 when the joint
//! configuration is left by itself, five lists (voters, standbys, outgoing voters, voters
//! that become standbys when the joint configuration is left, the first members), each a
//! `u16` count and as many `u64` members, and the `u64` index of the block that made it so.
//!
//! In a block of kind config, as the body of its one control event: version `1`, a byte
//! that is 1 for a joint change, a `u16` count, and for each change
//!
//! | size | field |
//! |---:|---|
//! | 1 | [`ChangeKind`] |
//! | 8 | the member |
//! | 1 | 1 when its [`Peer`] follows, else 0, and that is all |
//! | 16 | incarnation |
//! | 1 + … | length of the address, and the address, in UTF-8 |
//! | 1 + … | length of the name, and the name, in UTF-8 |
//!
//! No change leaves the joint configuration.

mod change;
mod codec;
mod next;

use kimberlite_storage::FormatError;
use raft::eraftpb::ConfState;

use self::codec::{Reader, begin};

pub use self::change::{Change, ChangeKind, MemberChange, PEER_TEXT_MAX, Peer};
pub use self::next::Unsound;

/// Most replicas of a cluster, standbys included: what fits in a superblock, and more
/// than anyone runs.
pub const MEMBERS_MAX: usize = 50;

/// The member that operators call `replica_id`.
#[must_use]
pub const fn member_of(replica_id: u32) -> u64 {
    replica_id as u64 + 1
}

/// What operators call a member.
#[must_use]
pub const fn replica_of(member: u64) -> u64 {
    member.saturating_sub(1)
}

/// What a replica is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It votes.
    Voter,
    /// It follows without a vote.
    Standby,
    /// It was a member, and will not be again; or it never was.
    Removed,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Voter => "voter",
            Self::Standby => "standby",
            Self::Removed => "removed replica",
        })
    }
}

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
    /// The voters of the new cluster: the log tells of changes only, so every replica
    /// has to know what they begin with.
    pub first: Vec<u64>,
}

impl Members {
    /// The members of a new cluster.
    #[must_use]
    pub fn first(voters: impl IntoIterator<Item = u64>) -> Self {
        let mut voters: Vec<u64> = voters.into_iter().collect();
        voters.sort_unstable();
        voters.dedup();
        Self {
            first: voters.clone(),
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
        let mut out = begin(self.auto_leave).to_vec();
        for list in self.lists().into_iter().chain([&self.first]) {
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
        let mut reader = Reader::new(bytes);
        let members = Self {
            auto_leave: reader.begin()?,
            voters: reader.ids()?,
            standbys: reader.ids()?,
            outgoing: reader.ids()?,
            standbys_next: reader.ids()?,
            first: reader.ids()?,
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

    /// The members as the protocol has them since a block.
    pub(crate) fn now(&self, state: &ConfState, as_of: u64) -> Self {
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
            first: self.first.clone(),
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
            first: vec![1],
        }
    }

    #[test]
    fn members_read_back() {
        for members in [joint(), Members::first([3, 1, 2, 1]), Members::default()] {
            assert_eq!(Members::decode(&members.encode()).unwrap(), members);
            let again = members.now(&members.conf_state(), members.as_of);
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
            standbys_next: all.clone(),
            auto_leave: true,
            as_of: u64::MAX,
            first: all,
        };
        let len = members.encode().len();
        assert!(len <= kimberlite_storage::superblock::CONFIGURATION_BYTES_MAX);
    }

    #[test]
    fn members_know_their_roles() {
        let members = joint();
        assert!(members.votes(1) && members.votes(4) && !members.votes(100));
        assert!(members.contains(100) && !members.contains(5));
        assert_eq!(members.all(), [1, 2, 3, 4, 100]);
    }
}
