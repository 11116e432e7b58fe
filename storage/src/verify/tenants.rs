//! The tenants' chains and trees, as the scan comes by their events.

use super::report::TenantReport;
use crate::chain::{ChainError, TenantHead};
use crate::event::EventHeader;
use crate::ids::{Hash32, TenantId};
use crate::merkle::Frontier;
use std::collections::BTreeMap;

struct Seen {
    /// `None` = the event before is not known, because the scan began later or a
    /// block was damaged.
    head: Option<TenantHead>,
    /// `None` once an event was missed.
    tree: Option<Frontier>,
    events: u64,
}

/// All tenants seen so far. Memory grows with their number only.
pub(super) struct Tenants {
    seen: BTreeMap<TenantId, Seen>,
    /// Whether the scan has seen every block so far, from the first.
    whole: bool,
}

impl Tenants {
    pub(super) fn new(whole: bool) -> Self {
        Self {
            seen: BTreeMap::new(),
            whole,
        }
    }

    /// A block could not be read: anybody's event may be missing.
    pub(super) fn missed_block(&mut self) {
        self.whole = false;
        for seen in self.seen.values_mut() {
            seen.head = None;
            seen.tree = None;
        }
    }

    pub(super) fn event(&mut self, header: &EventHeader, leaf: Hash32) -> Result<(), ChainError> {
        let whole = self.whole;
        let seen = self.seen.entry(header.tenant).or_insert_with(|| Seen {
            head: whole.then(TenantHead::default),
            tree: whole.then(Frontier::new),
            events: 0,
        });
        seen.events += 1;
        if let Some(tree) = &mut seen.tree {
            tree.append(leaf);
        }
        let checked = match &mut seen.head {
            Some(head) => head.advance(header, leaf),
            None => Ok(()),
        };
        seen.head = Some(TenantHead {
            next_seq: header.tenant_seq.wrapping_add(1),
            prev: leaf,
        });
        if checked.is_err() {
            seen.tree = None;
        }
        checked
    }

    pub(super) fn reports(self) -> Vec<TenantReport> {
        let report = |(tenant, seen): (TenantId, Seen)| TenantReport {
            tenant,
            events: seen.events,
            root: seen.tree.map(|tree| tree.root()),
        };
        self.seen.into_iter().map(report).collect()
    }
}
