//! SERIALIZABLE: snapshots whose reads are watched.

mod coverage;
mod graph;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use kimberlite_storage::{Snapshot, TenantId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::layer::{Layer, StreamKey};
use super::lock::TransactionId;
use crate::error::SqlError;
use graph::{Graph, Number};

pub(super) use coverage::Span;
pub(super) use graph::Read;

/// The serializable transactions of a server.
pub struct Serializable {
    /// Gives the newest snapshot.
    newest: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    graphs: Mutex<HashMap<TenantId, Graph>>,
    /// Wakes those who wait for a safe snapshot.
    ended: Notify,
}

impl std::fmt::Debug for Serializable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serializable").finish_non_exhaustive()
    }
}

/// One serializable transaction, from its snapshot on. Dropping it before it has
/// committed rolls it back.
#[derive(Debug)]
pub struct Watched {
    manager: Arc<Serializable>,
    tenant: TenantId,
    number: Number,
    committed: Mutex<bool>,
}

impl Serializable {
    /// No transactions yet; `newest` gives the newest snapshot.
    pub fn new(newest: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            newest: Box::new(newest),
            graphs: Mutex::default(),
            ended: Notify::new(),
        })
    }

    /// Takes a snapshot for a transaction, and watches it from then on.
    pub(super) fn enter(
        self: &Arc<Self>,
        tenant: TenantId,
        owner: TransactionId,
        read_only: bool,
    ) -> (Arc<Snapshot>, Arc<Watched>) {
        // Under the lock: what commits after this snapshot finds the reader here.
        let mut graphs = self.graphs.lock();
        let snapshot = (self.newest)();
        let graph = graphs.entry(tenant).or_default();
        let number = graph.enter(owner, snapshot.index(), read_only);
        let watched = Watched {
            manager: Arc::clone(self),
            tenant,
            number,
            committed: Mutex::new(false),
        };
        (snapshot, Arc::new(watched))
    }

    fn with<R>(&self, tenant: TenantId, work: impl FnOnce(&mut Graph) -> R) -> R {
        work(self.graphs.lock().entry(tenant).or_default())
    }

    /// The owners that an owner waits for to get a safe snapshot.
    pub fn awaited(&self, tenant: TenantId, owner: TransactionId) -> Vec<TransactionId> {
        self.with(tenant, |graph| graph.awaited(owner))
    }
}

impl Watched {
    /// Notes a read.
    ///
    /// # Errors
    /// 40001.
    pub(super) fn read(&self, stream: StreamKey, what: Read<'_>) -> Result<(), SqlError> {
        self.manager
            .with(self.tenant, |graph| graph.read(self.number, stream, what))
    }

    /// Notes what a statement wrote.
    ///
    /// # Errors
    /// 40001.
    pub(super) fn write(&self, layer: &Layer) -> Result<(), SqlError> {
        self.manager
            .with(self.tenant, |graph| graph.write(self.number, layer))
    }

    /// Looks at a write that will not happen because its key is taken.
    ///
    /// # Errors
    /// 40001.
    pub(crate) fn would_write(&self, stream: StreamKey, key: &[u8]) -> Result<(), SqlError> {
        self.manager.with(self.tenant, |graph| {
            graph.would_write(self.number, stream, key)
        })
    }

    /// Notes that all that is kept in streams was written over.
    ///
    /// # Errors
    /// 40001.
    pub(crate) fn write_all(&self, streams: &[StreamKey]) -> Result<(), SqlError> {
        self.manager
            .with(self.tenant, |graph| graph.write_all(self.number, streams))
    }

    /// Asks whether the transaction may commit.
    ///
    /// # Errors
    /// 40001.
    pub fn prepare(&self) -> Result<(), SqlError> {
        self.manager
            .with(self.tenant, |graph| graph.prepare(self.number))
    }

    /// Notes that it has committed: in this block, or without changes.
    pub fn committed(&self, index: Option<u64>) {
        *self.committed.lock() = true;
        // Without changes it is as if it had them just now.
        let index = index.unwrap_or_else(|| (self.manager.newest)().index() + 1);
        self.manager
            .with(self.tenant, |graph| graph.committed(self.number, index));
        self.manager.ended.notify_waiters();
    }

    /// Waits until it is known whether nothing that still runs can spoil this
    /// snapshot; says whether it is so.
    pub async fn is_safe(&self) -> bool {
        loop {
            let ended = self.manager.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let known = self
                .manager
                .with(self.tenant, |graph| graph.is_safe(self.number));
            if let Some(safe) = known {
                return safe;
            }
            ended.await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !*self.committed.lock() {
            self.manager
                .with(self.tenant, |graph| graph.rolled_back(self.number));
            self.manager.ended.notify_waiters();
        }
    }
}
