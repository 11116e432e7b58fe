//! What operators do with the members, and data directories they lose.

use kimberlite_consensus::core::{Event, Refusal, RequestId};
use kimberlite_consensus::members::{Change, ChangeKind, MemberChange, Members, Role};

use super::World;
use crate::check::Violation;
use crate::disk::{Disk, End};

impl World {
    /// An operator at the leader changes the members: a spare one joins, a standby gets a
    /// vote, a member leaves, or says how to speak with it.
    pub(super) fn change_members(&mut self, leader: u64) -> Result<(), Violation> {
        let core = self.replicas.get(&leader).and_then(|r| r.core.as_ref());
        let Some(members) = core.map(|core| core.members().clone()) else {
            return Ok(());
        };
        let mut changes = Vec::new();
        changes.extend(self.one_change(&members, leader));
        if self.scenario.operators.joint {
            let another = self.one_change(&members, leader);
            let another = another.filter(|one| changes.iter().all(|c| c.replica != one.replica));
            changes.extend(another);
        }
        let change = MemberChange {
            joint: changes.len() > 1,
            changes,
        };
        match change.changes.is_empty() {
            true => Ok(()),
            false => self.ask_for(leader, change).map(drop),
        }
    }

    fn ask_for(&mut self, leader: u64, change: MemberChange) -> Result<RequestId, Violation> {
        self.requests += 1;
        let request = self.requests;
        self.event(leader, Event::Change(request, change))?;
        Ok(request)
    }

    fn change(&self, kind: ChangeKind, replica: u64) -> Option<Change> {
        let peer = self.replicas.get(&replica)?.peer();
        let tells = matches!(kind, ChangeKind::Standby | ChangeKind::Update);
        Some(Change {
            kind,
            replica,
            peer: tells.then_some(peer),
        })
    }

    fn one_change(&mut self, members: &Members, leader: u64) -> Option<Change> {
        if let Some(id) = self.nameless(leader) {
            return self.change(ChangeKind::Update, id);
        }
        let last = self.replicas.len() as u64;
        let wiped = members.all().into_iter().find(|id| self.is_wiped(*id));
        match self.random.below(5) {
            0 if self.next_spare <= last => {
                let id = self.next_spare;
                self.next_spare += 1;
                self.change(ChangeKind::Standby, id)
            }
            1 | 2 => {
                let standby = members.standbys.first();
                standby.and_then(|id| self.change(ChangeKind::Voter, *id))
            }
            3 => {
                let kind = match wiped {
                    Some(_) => ChangeKind::Remove,
                    None => ChangeKind::Update,
                };
                self.change(kind, wiped.unwrap_or(leader))
            }
            // What the leader has heard of lately it takes for alive; operators know better.
            _ if members.voters.len() > 2 && !wiped.is_some_and(|id| self.hears(leader, id)) => {
                let stays = (!self.scenario.operators.leader_leaves).then_some(leader);
                let voters = members.voters.iter().filter(|id| Some(**id) != stays);
                let voters: Vec<u64> = voters.copied().collect();
                let place = self.random.below(voters.len() as u64) as usize;
                let id = voters.get(place)?;
                self.change(ChangeKind::Remove, *id)
            }
            _ => None,
        }
    }

    /// A member of which nobody knows how to speak with it.
    fn nameless(&self, leader: u64) -> Option<u64> {
        let core = self.replicas.get(&leader)?.core.as_ref()?;
        let mut records = core.registry().records();
        let nameless = records.find(|(_, r)| r.role != Role::Removed && r.peer.is_none());
        nameless.map(|(id, _)| id)
    }

    fn hears(&self, leader: u64, id: u64) -> bool {
        let core = self.replicas.get(&leader).and_then(|r| r.core.as_ref());
        let progress = core.map(|core| core.progress()).unwrap_or_default();
        progress.iter().any(|one| one.replica == id && one.active)
    }

    fn is_wiped(&self, id: u64) -> bool {
        self.replicas.get(&id).is_some_and(|replica| replica.wiped)
    }

    /// A member loses its data directory and begins with a new one. Not one of which
    /// somebody knows no incarnation: nothing could tell it from the one before.
    pub(super) fn lose_directory(&mut self, leader: u64) -> Result<(), Violation> {
        let core = self.replicas.get(&leader).and_then(|r| r.core.as_ref());
        let Some(members) = core.map(|core| core.members().clone()) else {
            return Ok(());
        };
        let all = members.all();
        let place = self.random.below(all.len() as u64) as usize;
        let chosen = all.get(place).copied().filter(|id| *id != leader);
        let Some(id) = chosen.filter(|id| self.is_known_to_all(*id, &all)) else {
            return Ok(());
        };
        if members.voters.len() < 3
            || self.is_busy(leader)
            || all.iter().any(|id| self.is_wiped(*id))
        {
            return Ok(());
        }
        self.end(id, End::PowerCut);
        let first = Members::first(1..=self.scenario.replicas);
        let disk = Disk::new(id, &first, self.scenario.segment_bytes(), None);
        let disk = disk.map_err(|e| Violation(e.to_string()))?;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.wipe(disk);
        }
        self.trace.note(0xD << 60 | id);
        self.take_back(leader, id)
    }

    /// Whether a leader has blocks that are not applied yet: they may change the members.
    fn is_busy(&self, leader: u64) -> bool {
        let replica = self.replicas.get(&leader);
        replica.is_none_or(|replica| {
            let applied = replica.medium().projection.applied;
            let newest = replica.core.as_ref().map(|core| core.head().index);
            newest != Some(applied)
        })
    }

    /// Whether everybody who takes a replica for a member has its incarnation: the members,
    /// and who was removed and may not know it.
    fn is_known_to_all(&self, id: u64, members: &[u64]) -> bool {
        self.replicas.values().all(|replica| {
            let Some(core) = &replica.core else {
                return false;
            };
            let record = core.registry().record(id);
            let known = record.is_some_and(|record| record.peer.is_some());
            let voted = core.members().votes(replica.id) && core.members().contains(id);
            known || !voted && !members.contains(&replica.id)
        })
    }

    /// An operator who does not know better asks for it to be taken back.
    fn take_back(&mut self, leader: u64, id: u64) -> Result<(), Violation> {
        for kind in [ChangeKind::Standby, ChangeKind::Update] {
            let Some(change) = self.change(kind, id) else {
                return Ok(());
            };
            self.never.insert(self.requests + 1);
            let changes = vec![change];
            let joint = false;
            self.ask_for(leader, MemberChange { joint, changes })?;
        }
        Ok(())
    }

    /// What became of a change.
    pub(super) fn changed(
        &mut self,
        request: RequestId,
        answer: &Result<u64, Refusal>,
    ) -> Result<(), Violation> {
        self.summary.changes += u64::from(answer.is_ok());
        let never = self.never.remove(&request);
        match answer {
            Ok(index) if never => Err(Violation(format!(
                "block {index} takes back a replica that lost its data directory"
            ))),
            _ => Ok(()),
        }
    }
}
