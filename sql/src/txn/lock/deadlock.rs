//! Looking for deadlocks, and opening those that are only about who came first.
//!
//! An owner waits for the holders of a lock (hard edges) and for those before it
//! in the queue (soft edges). A cycle with a soft edge can be opened by letting
//! the later one go first; a cycle of hard edges alone needs a victim.

use std::collections::{HashMap, HashSet};

use super::{LockKey, LockManager, LockMode, TransactionId};

/// Most changes of queues that are tried together.
const MOST_CHANGES: usize = 8;

/// `waiter` is to be served before `blocker`.
type Change = (TransactionId, TransactionId);

type Waiting = HashMap<TransactionId, (LockKey, LockMode)>;

/// One step of a cycle.
#[derive(Debug, Clone, Copy)]
struct Edge {
    waiter: TransactionId,
    blocker: TransactionId,
    /// Whether the blocker only waits too, and came first.
    soft: bool,
}

impl LockManager {
    /// Whether `start` waits, through others, for itself, and no order of the
    /// queues would help. When one does, it is made. Whom this says to be deadlocked
    /// waits no more: of two that look at the same time one goes on.
    pub(super) fn is_deadlocked(&self, start: TransactionId) -> bool {
        let _one_at_a_time = self.searching.lock();
        let waiting = self.waiting.lock().clone();
        let mut changes = Vec::new();
        if !self.opens(&waiting, start, &mut changes) {
            self.waiting.lock().remove(&start);
            return true;
        }
        for (first, second) in changes {
            self.serve_before(&waiting, first, second);
        }
        false
    }

    /// Whether waiting for a lock would be a deadlock at once: somebody in its queue
    /// waits for what `id` holds of it, and holds what `id` wants. Who waits for a row
    /// waits for transactions rather than in a queue, and is not looked at before time.
    pub(super) fn would_deadlock(&self, id: TransactionId, key: LockKey, mode: LockMode) -> bool {
        if mode.is_row() {
            return false;
        }
        let Some(shard) = self.shard(key) else {
            return false;
        };
        let shard = shard.lock();
        let Some(entry) = shard.get(&key) else {
            return false;
        };
        let mine = entry.held_by(id);
        entry.more.as_ref().is_some_and(|crowd| {
            crowd.waiters.iter().any(|w| {
                w.mode.conflicts() & mine != 0 && mode.conflicts() & entry.held_by(w.id) != 0
            })
        })
    }

    /// Finds changes under which nobody of those concerned waits for itself.
    fn opens(&self, waiting: &Waiting, start: TransactionId, changes: &mut Vec<Change>) -> bool {
        let concerned: Vec<_> = std::iter::once(start)
            .chain(changes.iter().flat_map(|(a, b)| [*a, *b]))
            .collect();
        let cycle = concerned
            .into_iter()
            .find_map(|id| self.cycle(waiting, id, changes));
        let Some(cycle) = cycle else {
            return true;
        };
        if changes.len() >= MOST_CHANGES {
            return false;
        }
        for edge in cycle.iter().rev().filter(|edge| edge.soft) {
            changes.push((edge.waiter, edge.blocker));
            if self.opens(waiting, start, changes) {
                return true;
            }
            changes.pop();
        }
        false
    }

    /// A cycle through `start`, as the queues would be after `changes`.
    fn cycle(
        &self,
        waiting: &Waiting,
        start: TransactionId,
        changes: &[Change],
    ) -> Option<Vec<Edge>> {
        let mut seen = HashSet::new();
        let mut path: Vec<Edge> = Vec::new();
        // For each node of the path, the edges that were not followed yet.
        let mut open = vec![self.edges(waiting, start, changes)];
        while let Some(edges) = open.last_mut() {
            let Some(edge) = edges.pop() else {
                open.pop();
                path.pop();
                continue;
            };
            if edge.blocker == start {
                path.push(edge);
                return Some(path);
            }
            if seen.insert(edge.blocker) {
                open.push(self.edges(waiting, edge.blocker, changes));
                path.push(edge);
            }
        }
        None
    }

    fn edges(&self, waiting: &Waiting, id: TransactionId, changes: &[Change]) -> Vec<Edge> {
        let Some(&(key, mode)) = waiting.get(&id) else {
            return Vec::new();
        };
        let mut edges: Vec<Edge> = self
            .blockers(id, key, mode)
            .into_iter()
            .filter(|edge| !edge.soft || !changes.contains(&(id, edge.blocker)))
            .collect();
        for (first, second) in changes.iter().filter(|(_, second)| *second == id) {
            edges.push(Edge {
                waiter: *second,
                blocker: *first,
                // It was made so: it is not turned again.
                soft: false,
            });
        }
        // They are followed from the end: holders first, then the queue in its order.
        edges.reverse();
        edges
    }

    /// Who keeps `id` from `key`: holders, and earlier waiters.
    fn blockers(&self, id: TransactionId, key: LockKey, mode: LockMode) -> Vec<Edge> {
        let Some(shard) = self.shard(key) else {
            return Vec::new();
        };
        let shard = shard.lock();
        let Some(entry) = shard.get(&key) else {
            return Vec::new();
        };
        let edge = |blocker, soft| Edge {
            waiter: id,
            blocker,
            soft,
        };
        let mut edges: Vec<Edge> = entry
            .holders()
            .filter(|(holder, mask)| *holder != id && mask & mode.conflicts() != 0)
            .map(|(holder, _)| edge(holder, false))
            .collect();
        let Some(crowd) = &entry.more else {
            return edges;
        };
        let earlier = crowd.waiters.iter().take_while(|w| w.id != id);
        for waiter in earlier.filter(|w| w.mode.bit() & mode.conflicts() != 0) {
            if !edges.iter().any(|e| e.blocker == waiter.id) {
                edges.push(edge(waiter.id, true));
            }
        }
        edges
    }

    fn serve_before(&self, waiting: &Waiting, first: TransactionId, second: TransactionId) {
        let Some(&(key, _)) = waiting.get(&first) else {
            return;
        };
        let Some(shard) = self.shard(key) else {
            return;
        };
        let mut shard = shard.lock();
        let Some(entry) = shard.get_mut(&key) else {
            return;
        };
        if let Some(crowd) = &mut entry.more {
            let place = |id| crowd.waiters.iter().position(|w| w.id == id);
            if let (Some(from), Some(to)) = (place(first), place(second))
                && from > to
                && let Some(waiter) = crowd.waiters.remove(from)
            {
                crowd.waiters.insert(to, waiter);
            }
        }
        if entry.grant_waiters() {
            shard.remove(&key);
        }
    }

    /// Who stands directly in the way of an owner; nobody when it does not wait.
    pub fn blocked_by(&self, id: TransactionId) -> Vec<TransactionId> {
        let waits = self.waiting.lock().get(&id).copied();
        let Some((key, mode)) = waits else {
            return Vec::new();
        };
        let edges = self.blockers(id, key, mode);
        edges.into_iter().map(|edge| edge.blocker).collect()
    }

    /// The mode of the lock that an owner waits for.
    pub fn waits_for(&self, id: TransactionId) -> Option<(LockKey, LockMode)> {
        self.waiting.lock().get(&id).copied()
    }
}
