//! Transactions that read a register and write what they make of it.
//!
//! As the server does: they begin where somebody serves, read the projection of that
//! replica under a lock that only it knows, and think for a while before they commit.

use kimberlite_consensus::core::{Event, RequestId};

use super::clients::{Open, transaction};
use super::{Due, World};
use crate::check::Violation;
use crate::replica::Written;
use crate::scenario::Mutation;

/// What one of them knows until it commits.
pub(super) struct Add {
    replica: u64,
    request: RequestId,
    epoch: u64,
    key: u64,
    seen: u64,
    began: u64,
}

impl World {
    /// The epoch in which a transaction begins on a replica, if one may.
    fn epoch(&self, replica: u64) -> Option<u64> {
        let core = self.replicas.get(&replica)?.core.as_ref()?;
        match self.scenario.mutation {
            Some(Mutation::EarlyEpoch) => {
                let leadership = core.leadership();
                (leadership.leader == replica).then_some(leadership.term)
            }
            _ => core.serving(),
        }
    }

    /// Begins one, if the replica serves and nobody has the register.
    pub(super) fn begin_add(&mut self, replica: u64, request: RequestId) -> Result<(), Violation> {
        let keys = self.scenario.clients.keys;
        // Nobody else writes these.
        let key = keys + self.random.below(keys);
        let thinks = 1 + self.random.below(self.scenario.clients.think_max);
        let Some(epoch) = self.epoch(replica) else {
            return Ok(());
        };
        let began = self.checker.position(key);
        let Some(at) = self.replicas.get_mut(&replica) else {
            return Ok(());
        };
        if at.locks.contains_key(&key) {
            return Ok(());
        }
        at.locks.insert(key, request);
        let seen = at.medium().projection.registers.get(&key).copied();
        let add = Add {
            replica,
            request,
            epoch,
            key,
            seen: seen.unwrap_or_default(),
            began,
        };
        let due = self.now + thinks;
        self.at(due, Due::Add(add));
        Ok(())
    }

    /// It commits what it made of the register, wherever leadership is now: the replica
    /// may have lost it and come to lead again.
    pub(super) fn commit_add(&mut self, add: Add) -> Result<(), Violation> {
        let Add { key, request, .. } = add;
        let runs = self.replicas.get(&add.replica).filter(|r| r.core.is_some());
        if runs.is_none() || self.paused.contains_key(&add.replica) {
            self.unlock(add.replica, key, request);
            return Ok(());
        }
        let open = Open {
            key,
            value: Some(request),
            began: add.began,
            replica: add.replica,
            read_at: None,
        };
        self.open.insert(request, open);
        let write = Written {
            key,
            value: request,
            seen: Some(add.seen),
        };
        let epoch = match self.scenario.mutation {
            Some(Mutation::AnyEpoch) => 0,
            _ => add.epoch,
        };
        let submit = Event::Submit(request, transaction(&write, false, epoch));
        self.event(add.replica, submit)
    }

    /// A transaction ends; what it locked is free, unless that was forgotten before.
    pub(super) fn unlock(&mut self, replica: u64, key: u64, request: RequestId) {
        if let Some(at) = self.replicas.get_mut(&replica)
            && at.locks.get(&key) == Some(&request)
        {
            at.locks.remove(&key);
        }
    }

    /// Locks die with leadership.
    pub(super) fn lose_locks(&mut self, replica: u64) {
        if let Some(at) = self.replicas.get_mut(&replica) {
            at.locks.clear();
        }
    }

    /// Nobody knows what became of it.
    pub(super) fn unknown(&mut self, request: RequestId) {
        if let Some(open) = self.open.remove(&request) {
            self.unlock(open.replica, open.key, request);
        }
    }
}
