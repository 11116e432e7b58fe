//! What all committed changes of the members say.
//!
//! Every replica takes the same changes from its log in the same order, begins with the
//! same first members, and leaves out the same changes: those that [`Registry::check`]
//! refuses. A leader asks it before it proposes one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use kimberlite_storage::FormatError;

use crate::members::{
    Change, ChangeKind, MemberChange, Members, PEER_TEXT_MAX, Peer, Role, Unsound,
};

/// What is known of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub role: Role,
    /// How to speak with it; none only of a first member that has not said so yet.
    pub peer: Option<Peer>,
    /// Index of the block that said so; 0 for the first members.
    pub index: u64,
}

/// See the [module](self). It has a record of every replica there ever was: ids are not
/// given again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    members: Members,
    records: BTreeMap<u64, Record>,
    as_of: u64,
}

impl Registry {
    /// The registry of a cluster that began with these voters ([`Members::first`]).
    #[must_use]
    pub fn new(first: &[u64]) -> Self {
        let members = Members::first(first.iter().copied());
        let record = Record {
            role: Role::Voter,
            peer: None,
            index: 0,
        };
        let records = members.voters.iter().map(|id| (*id, record.clone()));
        Self {
            records: records.collect(),
            members,
            as_of: 0,
        }
    }

    /// The registry after the changes in these blocks of kind config: index and body of
    /// the control event, in the order of the log.
    ///
    /// # Errors
    /// [`FormatError`] for a body that is no change.
    pub fn replay<'a>(
        first: &[u64],
        bodies: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<Self, FormatError> {
        let mut registry = Self::new(first);
        for (index, body) in bodies {
            // What is refused was left out by everybody.
            let _ = registry.advance(index, &MemberChange::decode(body)?);
        }
        Ok(registry)
    }

    /// Takes the change that is committed in block `index`; one that was taken already
    /// changes nothing.
    ///
    /// # Errors
    /// [`Unsound`] when the change is refused: it is left out, here as everywhere.
    pub fn advance(&mut self, index: u64, change: &MemberChange) -> Result<(), Unsound> {
        if index <= self.as_of {
            return Ok(());
        }
        self.as_of = index;
        self.check_changes(change)?;
        self.members = self.members.after(change, index)?;
        for change in &change.changes {
            self.note(index, change);
        }
        for (id, record) in &mut self.records {
            let role = self.members.role(*id);
            if record.role != role {
                (record.role, record.index) = (role, index);
            }
        }
        Ok(())
    }

    fn note(&mut self, index: u64, change: &Change) {
        let record = self.records.entry(change.replica).or_insert(Record {
            role: Role::Removed,
            peer: None,
            index,
        });
        if let Some(peer) = &change.peer {
            (record.peer, record.index) = (Some(peer.clone()), index);
        }
    }

    /// Whether a change can be made; gives the members as they would be.
    ///
    /// # Errors
    /// [`Unsound`], with the reason in words for operators.
    pub fn check(&self, change: &MemberChange) -> Result<Members, Unsound> {
        self.check_changes(change)?;
        self.members.after(change, self.members.as_of)
    }

    fn check_changes(&self, change: &MemberChange) -> Result<(), Unsound> {
        for (place, one) in change.changes.iter().enumerate() {
            let mut before = change.changes.iter().take(place);
            if before.any(|other| other.replica == one.replica) {
                return Err(Unsound::Twice {
                    replica: one.replica,
                });
            }
            self.check_one(one)?;
        }
        Ok(())
    }

    fn check_one(&self, change: &Change) -> Result<(), Unsound> {
        let replica = change.replica;
        let known = self.records.get(&replica);
        if replica == 0 {
            return Err(Unsound::Unknown { replica });
        }
        if known.is_some_and(|record| record.role == Role::Removed) {
            return Err(Unsound::Removed { replica });
        }
        let joins = matches!(change.kind, ChangeKind::Voter | ChangeKind::Standby);
        match &change.peer {
            _ if known.is_none() && !joins => Err(Unsound::Unknown { replica }),
            None if known.is_none() || change.kind == ChangeKind::Update => {
                Err(Unsound::NoPeer { replica })
            }
            None => Ok(()),
            Some(peer) if known.is_none() => {
                self.check_names()?;
                self.check_peer(replica, peer)
            }
            Some(peer) => self.check_peer(replica, peer),
        }
    }

    /// Before others join, every member has said how to speak with it: so nobody ever has
    /// a member among its own whose incarnation it does not know.
    fn check_names(&self) -> Result<(), Unsound> {
        let nameless =
            |(_, record): &(&u64, &Record)| record.role != Role::Removed && record.peer.is_none();
        match self.records.iter().find(nameless) {
            Some((id, _)) => Err(Unsound::Nameless { replica: *id }),
            None => Ok(()),
        }
    }

    fn check_peer(&self, replica: u64, peer: &Peer) -> Result<(), Unsound> {
        let no_good = |what| Err(Unsound::Peer { replica, what });
        let port = peer.address.rsplit_once(':');
        let port = port.filter(|(host, _)| !host.is_empty());
        let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
        if peer.address.len() > PEER_TEXT_MAX || port.is_none_or(|port| port == 0) {
            return no_good("the address");
        }
        if peer.name.is_empty() || peer.name.len() > PEER_TEXT_MAX {
            return no_good("the name");
        }
        if peer.incarnation == [0; 16] {
            return no_good("the incarnation");
        }
        for (id, record) in &self.records {
            let same = record.peer.as_ref();
            let same = same.map(|known| known.incarnation == peer.incarnation);
            match same {
                Some(false) if *id == replica => return Err(Unsound::Incarnation { replica }),
                Some(true) if *id != replica => {
                    return Err(Unsound::OtherId {
                        replica,
                        other: *id,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The members as the superblock has them, or as the log has if that is ahead: the only
    /// voter takes every durable block for committed when it starts, also one whose change
    /// did not get into the superblock. `None` when the two contradict each other.
    #[must_use]
    pub fn newest(&self, superblock: Members) -> Option<Members> {
        match superblock.as_of.cmp(&self.members.as_of) {
            Ordering::Less => Some(self.members.clone()),
            Ordering::Equal => Some(superblock).filter(|members| *members == self.members),
            // A change is there before its block is applied.
            Ordering::Greater => Some(superblock),
        }
    }

    /// Why others must not speak with a replica that comes with this incarnation. `None`
    /// also for one that this log says nothing of: a replica that joins knows nobody yet.
    #[must_use]
    pub fn refuses(&self, replica: u64, incarnation: &[u8; 16]) -> Option<Unsound> {
        let record = self.records.get(&replica)?;
        if record.role == Role::Removed {
            return Some(Unsound::Removed { replica });
        }
        let known = record.peer.as_ref()?;
        (known.incarnation != *incarnation).then_some(Unsound::Incarnation { replica })
    }

    /// The members.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// What is known of a replica.
    #[must_use]
    pub fn record(&self, replica: u64) -> Option<&Record> {
        self.records.get(&replica)
    }

    /// All replicas there ever were, ascending.
    pub fn records(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.records.iter().map(|(id, record)| (*id, record))
    }

    /// Index of the newest change it took, or left out.
    #[must_use]
    pub const fn as_of(&self) -> u64 {
        self.as_of
    }
}

#[cfg(test)]
pub(crate) mod tests;
