//! What the members are after a change.

use super::{ChangeKind, MEMBERS_MAX, MemberChange, Members, Role, replica_of};

/// Why a change of the members cannot be made, for those who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It says nothing.
    #[error("it changes nothing")]
    Nothing,
    /// The change before still goes on.
    #[error("the change before is not complete: the voters of before still have a say")]
    Joint,
    /// More than one replica changes.
    #[error("more than one replica changes at once only in a joint change")]
    Several,
    /// The same replica changes twice.
    #[error("replica {} changes twice in one change", replica_of(*.replica))]
    Twice {
        /// The member.
        replica: u64,
    },
    /// Nobody would vote any more.
    #[error("no voter would be left")]
    LastVoter,
    /// There would be too many.
    #[error("there would be more than {MEMBERS_MAX} members")]
    TooMany,
    /// It is that already.
    #[error("replica {} is a {role} already", replica_of(*.replica))]
    Already {
        /// The member.
        replica: u64,
        /// What it is.
        role: Role,
    },
    /// Nobody knows it.
    #[error("replica {} is not a member", replica_of(*.replica))]
    Unknown {
        /// The member.
        replica: u64,
    },
    /// It left.
    #[error(
        "replica {} was removed, and ids are not given again: make a new data directory, \
         with a new id",
        replica_of(*.replica)
    )]
    Removed {
        /// The member.
        replica: u64,
    },
    /// It has another data directory than the one that was admitted.
    #[error(
        "replica {} was admitted with another data directory: what that one promised to \
         others is lost with it; remove the replica, and admit the new directory with a \
         new id",
        replica_of(*.replica)
    )]
    Incarnation {
        /// The member.
        replica: u64,
    },
    /// Its data directory is that of another one.
    #[error(
        "the data directory of replica {} is that of replica {}",
        replica_of(*.replica),
        replica_of(*.other)
    )]
    OtherId {
        /// The member.
        replica: u64,
        /// Whose it is.
        other: u64,
    },
    /// It joins, or changes how to speak with it, and does not say how.
    #[error(
        "how to speak with replica {} is missing: its incarnation, address and name",
        replica_of(*.replica)
    )]
    NoPeer {
        /// The member.
        replica: u64,
    },
    /// Somebody would join while a first member has not said how to speak with it: whoever
    /// has a say beside it could not tell it from one with another data directory.
    #[error(
        "nobody can join before an update says how to speak with replica {}",
        replica_of(*.replica)
    )]
    Nameless {
        /// The first member.
        replica: u64,
    },
    /// What it says about speaking with it is no good.
    #[error("{what} of replica {} is no good", replica_of(*.replica))]
    Peer {
        /// The member.
        replica: u64,
        /// What of it.
        what: &'static str,
    },
}

impl Members {
    /// What a replica is; [`Role::Removed`] for one that is not a member.
    #[must_use]
    pub fn role(&self, replica: u64) -> Role {
        if self.votes(replica) {
            return Role::Voter;
        }
        match self.contains(replica) {
            true => Role::Standby,
            false => Role::Removed,
        }
    }

    /// The members after a change in block `index`, by the rules of the protocol (§4.3 of
    /// the Raft thesis). Whether the replicas in it are known is not looked at.
    ///
    /// # Errors
    /// [`Unsound`] when the protocol would not make the change.
    pub fn after(&self, change: &MemberChange, index: u64) -> Result<Self, Unsound> {
        let joint = !self.outgoing.is_empty();
        let mut next = self.clone();
        match change.changes.is_empty() {
            true if joint => next.leave_joint(),
            true => return Err(Unsound::Nothing),
            false if joint => return Err(Unsound::Joint),
            false if change.only_updates() && change.joint => return Err(Unsound::Nothing),
            false if change.only_updates() => return Ok(next),
            false => next.take(change)?,
        }
        next.as_of = index;
        next.sort();
        if next.voters.is_empty() {
            return Err(Unsound::LastVoter);
        }
        match next.all().len() {
            count if count > MEMBERS_MAX => Err(Unsound::TooMany),
            _ => Ok(next),
        }
    }

    fn leave_joint(&mut self) {
        self.standbys.append(&mut self.standbys_next);
        self.outgoing.clear();
        self.auto_leave = false;
    }

    fn take(&mut self, change: &MemberChange) -> Result<(), Unsound> {
        if change.roles().count() > 1 && !change.joint {
            return Err(Unsound::Several);
        }
        if change.joint {
            self.outgoing = self.voters.clone();
            self.auto_leave = true;
        }
        for change in change.roles() {
            let id = change.replica;
            let was = self.role(id);
            for list in [&mut self.voters, &mut self.standbys] {
                list.retain(|known| *known != id);
            }
            match change.kind {
                ChangeKind::Voter => self.voters.push(id),
                // Nobody is a voter and a standby at once.
                ChangeKind::Standby if self.outgoing.contains(&id) => self.standbys_next.push(id),
                ChangeKind::Standby => self.standbys.push(id),
                ChangeKind::Remove | ChangeKind::Update => {}
            }
            let now = match change.kind {
                ChangeKind::Voter => Role::Voter,
                ChangeKind::Standby => Role::Standby,
                ChangeKind::Remove | ChangeKind::Update => Role::Removed,
            };
            match was == now {
                true if now == Role::Removed => return Err(Unsound::Unknown { replica: id }),
                true => {
                    return Err(Unsound::Already {
                        replica: id,
                        role: now,
                    });
                }
                false => {}
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        for list in [
            &mut self.voters,
            &mut self.standbys,
            &mut self.outgoing,
            &mut self.standbys_next,
        ] {
            list.sort_unstable();
        }
    }
}
