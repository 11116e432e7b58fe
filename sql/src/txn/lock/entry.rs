//! One lock: who holds it and who waits for it.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::TransactionId;
use super::mode::LockMode;

/// A transaction in the queue of a lock.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) id: TransactionId,
    pub(super) mode: LockMode,
    pub(super) granted: oneshot::Sender<()>,
}

/// A lock: usually one holder and nobody waiting.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) first: (TransactionId, u16),
    pub(super) more: Option<Box<Crowd>>,
}

/// What only a contended lock has.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    pub(super) holders: Vec<(TransactionId, u16)>,
    pub(super) waiters: VecDeque<Waiter>,
}

impl Entry {
    pub(super) fn holders(&self) -> impl Iterator<Item = (TransactionId, u16)> + '_ {
        std::iter::once(self.first)
            .chain(self.more.iter().flat_map(|m| m.holders.iter().copied()))
            .filter(|(_, mask)| *mask != 0)
    }

    pub(super) fn held_by(&self, id: TransactionId) -> u16 {
        self.holders()
            .find(|(holder, _)| *holder == id)
            .map_or(0, |(_, mask)| mask)
    }

    pub(super) fn conflicts(&self, id: TransactionId, mode: LockMode) -> bool {
        self.holders()
            .any(|(holder, mask)| holder != id && mask & mode.conflicts() != 0)
    }

    /// Whether somebody who came first waits for a mode that conflicts.
    pub(super) fn queue_blocks(&self, id: TransactionId, mode: LockMode) -> bool {
        self.more.as_ref().is_some_and(|m| {
            m.waiters
                .iter()
                .any(|w| w.id != id && w.mode.bit() & mode.conflicts() != 0)
        })
    }

    pub(super) fn grant(&mut self, id: TransactionId, mode: LockMode) {
        if self.first.1 == 0 || self.first.0 == id {
            let mask = if self.first.0 == id { self.first.1 } else { 0 };
            self.first = (id, mask | mode.bit());
            return;
        }
        let crowd = self.more.get_or_insert_default();
        match crowd.holders.iter_mut().find(|(holder, _)| *holder == id) {
            Some((_, mask)) => *mask |= mode.bit(),
            None => crowd.holders.push((id, mode.bit())),
        }
    }

    /// Removes a holder and grants what can now be granted. Returns whether the
    /// entry is unused.
    pub(super) fn release(&mut self, id: TransactionId) -> bool {
        if self.first.0 == id {
            self.first.1 = 0;
        }
        if let Some(crowd) = &mut self.more {
            crowd.holders.retain(|(holder, _)| *holder != id);
            if self.first.1 == 0
                && let Some(next) = crowd.holders.pop()
            {
                self.first = next;
            }
        }
        self.grant_waiters()
    }

    /// Grants what nobody before it in the queue and no holder stands in the way
    /// of. Returns whether the entry is unused.
    pub(super) fn grant_waiters(&mut self) -> bool {
        let mut ahead = 0;
        let mut at = 0;
        while let Some(crowd) = &mut self.more {
            let Some(waiter) = crowd.waiters.get(at) else {
                break;
            };
            let (id, mode) = (waiter.id, waiter.mode);
            let gone = waiter.granted.is_closed();
            if !gone && (mode.conflicts() & ahead != 0 || self.conflicts(id, mode)) {
                ahead |= mode.bit();
                at += 1;
                continue;
            }
            let taken = self.more.as_mut().and_then(|c| c.waiters.remove(at));
            let Some(waiter) = taken.filter(|_| !gone) else {
                continue;
            };
            self.grant(id, mode);
            if waiter.granted.send(()).is_err() {
                // The waiter gave up in this instant: it holds nothing.
                self.forget(id, mode);
            }
        }
        if self
            .more
            .as_ref()
            .is_some_and(|m| m.holders.is_empty() && m.waiters.is_empty())
        {
            self.more = None;
        }
        self.first.1 == 0 && self.more.is_none()
    }

    pub(super) fn forget(&mut self, id: TransactionId, mode: LockMode) {
        if self.first.0 == id {
            self.first.1 &= !mode.bit();
        }
        if let Some(crowd) = &mut self.more {
            for (holder, mask) in &mut crowd.holders {
                if *holder == id {
                    *mask &= !mode.bit();
                }
            }
            crowd.holders.retain(|(_, mask)| *mask != 0);
        }
    }
}
