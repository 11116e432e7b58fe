//! Whether a change of the members is safe now.
//!
//! The protocol makes any change that is sound. Here those are refused that would leave
//! the cluster without a majority that is heard of, or wait for a voter without the log.

use raft::ProgressState;

use super::{Core, LogSource, Refusal};
use crate::members::{ChangeKind, MemberChange, Members, replica_of};

/// Blocks that a standby may be behind what is committed when it gets its vote.
pub const PROMOTE_BLOCKS_MAX: u64 = 1000;

/// Bytes of blocks that it may be behind, or less when they are not in memory any more.
pub const PROMOTE_BYTES_MAX: usize = 64 << 20;

/// How a leader sends blocks to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// One frame at a time, until it is known what the replica has.
    Probe,
    /// As they come.
    Replicate,
}

/// How far another replica is, as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// The member.
    pub replica: u64,
    /// It has the blocks up to this index.
    pub matched: u64,
    /// It was heard of within the least time of an election.
    pub active: bool,
    /// How blocks are sent to it.
    pub state: PeerState,
}

impl<S: LogSource> Core<S> {
    /// How far the other replicas are, ascending; nothing where this one does not lead.
    #[must_use]
    pub fn progress(&self) -> Vec<PeerProgress> {
        if !self.leads() {
            return Vec::new();
        }
        let own = self.settings.replica;
        let others = self.raw.raft.prs().iter().filter(|(id, _)| **id != own);
        let mut all: Vec<PeerProgress> = others
            .map(|(id, progress)| PeerProgress {
                replica: *id,
                matched: progress.matched,
                active: self.heard_of(*id),
                state: match progress.state {
                    // Nobody needs a snapshot of a log that is kept whole.
                    ProgressState::Probe | ProgressState::Snapshot => PeerState::Probe,
                    ProgressState::Replicate => PeerState::Replicate,
                },
            })
            .collect();
        all.sort_unstable_by_key(|progress| progress.replica);
        all
    }

    /// A frame of a member came, of the present term.
    pub(super) fn hear_of(&mut self, replica: u64) {
        if self.members.contains(replica) {
            self.heard.insert(replica, self.ticks);
        }
    }

    /// Whether a replica was heard of within the least time of an election. The protocol
    /// itself knows only whether it was since it last looked.
    fn heard_of(&self, replica: u64) -> bool {
        let lately = |at: &u64| self.ticks - at <= self.settings.election_ticks as u64;
        replica == self.settings.replica || self.heard.get(&replica).is_some_and(lately)
    }

    /// Why a change cannot be made now.
    pub(super) fn change_refusal(&self, change: &MemberChange) -> Option<Refusal> {
        let raft = &self.raw.raft;
        if !self.leads() {
            let leader = raft.leader_id;
            return Some(Refusal::NotLeader { leader });
        }
        if raft.lead_transferee.is_some() {
            return Some(Refusal::Transferring);
        }
        // A change of a leader before may still become committed, until a block of this
        // term is.
        let committed_own = self.raw.store().term_of(self.committed()) == Some(raft.term);
        let open = raft.has_pending_conf() || self.change.is_some();
        if open || !committed_own || !self.members.outgoing.is_empty() {
            return Some(Refusal::ChangeOpen);
        }
        let safe = match self.registry.check(change) {
            Ok(next) => self.check_safe(change, &next),
            Err(unsound) => Err(unsound.to_string()),
        };
        safe.err().map(Refusal::Unsafe)
    }

    fn check_safe(&self, change: &MemberChange, next: &Members) -> Result<(), String> {
        let promoted = change.roles().filter(|one| one.kind == ChangeKind::Voter);
        for one in promoted {
            self.check_promotion(one.replica)?;
        }
        if next.voters == self.members.voters {
            return Ok(());
        }
        let heard = next.voters.iter().copied().filter(|id| self.heard_of(*id));
        let heard: Vec<u64> = heard.collect();
        if heard.len() * 2 > next.voters.len() {
            return Ok(());
        }
        let names = |ids: &[u64]| {
            let names: Vec<String> = ids.iter().map(|id| replica_of(*id).to_string()).collect();
            names.join(", ")
        };
        Err(format!(
            "of the voters there would be ({}) too few are heard of for a majority: {}",
            names(&next.voters),
            match heard.as_slice() {
                [] => "none".to_owned(),
                heard => names(heard),
            }
        ))
    }

    /// A replica that gets a vote has to be at hand and to have nearly the whole log:
    /// majorities may have to wait for it from then on.
    fn check_promotion(&self, replica: u64) -> Result<(), String> {
        let name = replica_of(replica);
        let Some(progress) = self.raw.raft.prs().get(replica) else {
            return Err(format!(
                "replica {name} has to join as a standby first, and to get the log"
            ));
        };
        if !self.heard_of(replica) {
            return Err(format!("replica {name} was not heard of lately"));
        }
        let behind = self.committed().saturating_sub(progress.matched);
        let bytes = self.raw.store().bytes_behind(progress.matched);
        if behind > PROMOTE_BLOCKS_MAX || bytes.is_none_or(|bytes| bytes > PROMOTE_BYTES_MAX) {
            return Err(format!(
                "replica {name} is {behind} blocks behind; try again when it has caught up"
            ));
        }
        Ok(())
    }
}
