//! A projection in memory, for tests of the log and for the simulator.

use super::{ApplySink, Control};
use crate::chain::TenantHead;
use crate::crypto::KeyRecord;
use crate::error::{Result, StorageError};
use crate::event::EventKind;
use crate::ids::{Hash32, TenantId};
use crate::projection::{AppliedBlock, OpenedEvent, PartSource};
use crate::txn::{Op, Txn};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A row's key: tenant, space, stream, key.
pub type RowKey = (TenantId, i32, u64, Vec<u8>);

/// Current rows, in memory. Like the real projection it has no log of its own:
/// what was not flushed is gone with it.
#[derive(Default)]
pub struct MemSink {
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    applied: Option<(u64, Hash32)>,
    published: Option<(u64, Hash32)>,
    heads: BTreeMap<TenantId, TenantHead>,
    keys: BTreeMap<(TenantId, u64), KeyRecord>,
    rows: BTreeMap<RowKey, Vec<u8>>,
    controls: BTreeMap<(u64, u16), Vec<u8>>,
    transactions: u64,
}

impl MemSink {
    /// An empty projection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All current rows.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<RowKey, Vec<u8>> {
        self.state().rows.clone()
    }

    /// The newest block that is published.
    #[must_use]
    pub fn published(&self) -> Option<(u64, Hash32)> {
        self.state().published
    }

    /// How many transactions were applied.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.state().transactions
    }

    /// A copy, as if it had been flushed and opened again.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            state: Mutex::new(self.state().clone()),
        }
    }
}

impl State {
    fn change(&mut self, tenant: TenantId, txn: &Txn) {
        for stream in &txn.streams {
            for change in &stream.changes {
                let key = (tenant, stream.space, stream.stream, change.key.to_vec());
                if change.op == Op::Delete as i32 {
                    self.rows.remove(&key);
                } else {
                    self.rows.insert(key, change.value.to_vec());
                }
            }
        }
    }

    fn event(&mut self, index: u64, event: &OpenedEvent) -> Result<()> {
        let head = self.heads.entry(event.tenant).or_default();
        if head.next_seq != event.tenant_seq {
            return Err(StorageError::Projection(format!(
                "event {} of a tenant where event {} belongs",
                event.tenant_seq, head.next_seq
            )));
        }
        *head = TenantHead {
            next_seq: event.tenant_seq + 1,
            prev: event.leaf,
        };
        if let Some(key) = &event.key {
            self.keys.insert((event.tenant, key.key_id), key.clone());
        }
        if let Some(body) = &event.control {
            let place = (index, event.ordinal);
            self.controls.insert(place, body.clone());
        }
        if event.kind == EventKind::Txn {
            self.transactions += 1;
        }
        Ok(())
    }
}

impl ApplySink for MemSink {
    fn applied(&self) -> Result<Option<(u64, Hash32)>> {
        Ok(self.state().applied)
    }

    fn tenant_head(&self, tenant: TenantId) -> Result<TenantHead> {
        Ok(self.state().heads.get(&tenant).copied().unwrap_or_default())
    }

    fn key_records(&self) -> Result<Vec<KeyRecord>> {
        Ok(self.state().keys.values().cloned().collect())
    }

    fn controls(&self) -> Result<Vec<Control>> {
        let state = self.state();
        let control = |((index, ordinal), body): (&(u64, u16), &Vec<u8>)| {
            let body = body.clone();
            (*index, *ordinal, body)
        };
        Ok(state.controls.iter().map(control).collect())
    }

    fn apply(&self, block: &AppliedBlock) -> Result<()> {
        struct NoParts;
        impl PartSource for NoParts {
            fn for_each_part(
                &mut self,
                _: u64,
                _: &OpenedEvent,
                _: &mut dyn FnMut(Txn) -> Result<()>,
            ) -> Result<()> {
                Err(StorageError::Projection("parts take apply_bulk".into()))
            }
        }
        self.apply_bulk(block, &mut NoParts)
    }

    fn apply_bulk(&self, block: &AppliedBlock, parts: &mut dyn PartSource) -> Result<()> {
        let mut next = self.state().clone_for(block)?;
        for event in &block.events {
            next.event(block.index, event)?;
            let Some(txn) = &event.txn else { continue };
            if txn.part_count > 0 {
                parts.for_each_part(block.index, event, &mut |part| {
                    next.change(event.tenant, &part);
                    Ok(())
                })?;
            }
            next.change(event.tenant, txn);
        }
        next.applied = Some((block.index, block.hash));
        *self.state() = next;
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        let mut state = self.state();
        state.published = state.applied;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

impl State {
    fn clone_for(&self, block: &AppliedBlock) -> Result<Self> {
        let expected = self.applied.map_or(1, |(index, _)| index + 1);
        if block.index != expected {
            return Err(StorageError::Projection(format!(
                "block {} cannot be applied where block {expected} belongs",
                block.index
            )));
        }
        Ok(self.clone())
    }
}
