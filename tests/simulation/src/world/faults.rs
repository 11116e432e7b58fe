//! What goes wrong.

use kimberlite_consensus::core::Event;
use kimberlite_consensus::members::Members;

use super::{Due, World};
use crate::check::Violation;
use crate::disk::{Disk, End};
use crate::replica::Projection;
use crate::scenario::Mutation;

impl World {
    /// What goes wrong at a tick of a replica.
    pub(super) fn faults(&mut self, id: u64) -> Result<(), Violation> {
        let scenario = self.scenario.clone();
        if id == 1 {
            self.network_faults();
        }
        if self.leads(id) {
            if self.random.once_in(scenario.operators.transfer_in) {
                let to = self.any_replica();
                self.event(id, Event::Transfer(to))?;
            }
            if self.random.once_in(scenario.operators.change_in) {
                self.change_members(id)?;
            }
            if self.random.once_in(scenario.operators.wipe_in) {
                self.lose_directory(id)?;
            }
        }
        if self.random.once_in(scenario.clocks.jump_in) {
            let hours = self.random.below(7) as i64 - 3;
            self.clock_off.insert(id, hours * 3_600_000_000);
        }
        if self.random.once_in(scenario.processes.pause_in) {
            let until = self.now + 1 + self.random.below(800);
            if self.paused.insert(id, until).is_none() {
                self.at(until, Due::Resume(id));
            }
        }
        if id == 1 && self.random.once_in(scenario.processes.blackout_in) {
            for id in self.ids() {
                self.end(id, End::PowerCut);
            }
        }
        if self.random.once_in(scenario.disk.full_in)
            && let Some(replica) = self.replicas.get(&id)
        {
            let full = self.random.once_in(2);
            replica.medium().disk.set_full(full);
        }
        if self.random.once_in(scenario.processes.kill_in) {
            self.end(id, End::Killed);
        }
        let leader_crashes =
            self.leads(id) && self.random.once_in(scenario.processes.crash_leader_in);
        if leader_crashes || self.random.once_in(scenario.processes.crash_in) {
            self.end(id, End::PowerCut);
        }
        Ok(())
    }

    pub(super) fn any_replica(&mut self) -> u64 {
        1 + self.random.below(self.replicas.len() as u64)
    }

    fn network_faults(&mut self) {
        let network = self.scenario.network.clone();
        if self.random.once_in(network.partition_in) {
            self.links.side = match self.links.side.take() {
                Some(_) => None,
                None => {
                    let some = 1 + self.random.below(self.replicas.len() as u64 / 2 + 1);
                    let side = (0..some).map(|_| self.any_replica()).collect();
                    let hears = network.one_way && self.random.once_in(2);
                    Some((side, hears))
                }
            };
        }
        if self.random.once_in(network.link_in) {
            if self.random.once_in(3) {
                self.links.broken.clear();
            }
            let (one, other) = (self.any_replica(), self.any_replica());
            self.links.broken.insert((one, other));
            if !network.one_way || self.random.once_in(2) {
                self.links.broken.insert((other, one));
            }
        }
    }

    /// A process ends.
    pub(super) fn end(&mut self, id: u64, how: End) {
        let processes = &self.scenario.processes;
        let down = 20 + self.random.below(processes.down_max);
        let faults = self.scenario.disk.clone();
        let Some(replica) = self.replicas.get_mut(&id) else {
            return;
        };
        if replica.core.take().is_none() {
            return;
        }
        replica.commits.clear();
        replica.locks.clear();
        let mut medium = replica.medium();
        medium.disk.end(how, &mut self.random);
        match self.scenario.mutation {
            Some(Mutation::LoseBlock) => medium.disk.lose_block(),
            Some(Mutation::FreshDisk) => {
                let members = Members::first(1..=self.scenario.replicas);
                let segment_bytes = self.scenario.segment_bytes();
                if let Ok(fresh) = Disk::new(id, &members, segment_bytes, None) {
                    medium.disk = fresh;
                }
            }
            _ => {}
        }
        if faults.lose_projection {
            medium.projection = Projection::default();
        } else if faults.old_projection {
            medium.projection = medium.flushed.clone();
        }
        drop(medium);
        self.summary.crashes += 1;
        self.trace.note(0xC << 60 | id);
        self.paused.remove(&id);
        self.open.retain(|_, open| open.replica != id);
        self.at(self.now + down, Due::Restart(id));
    }

    /// Faults end; everybody comes back.
    pub(super) fn calm_down(&mut self) -> Result<(), Violation> {
        self.quiet = true;
        self.links = super::Links::default();
        let paused = std::mem::take(&mut self.paused);
        self.trace.note(paused.len() as u64);
        for id in self.ids() {
            if let Some(replica) = self.replicas.get(&id) {
                let mut medium = replica.medium();
                medium.disk.set_full(false);
                medium.unreadable.1 = 0;
            }
            self.start(id)?;
        }
        Ok(())
    }
}
