//! Memory of queries: a limit for each query within a limit for all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Bytes that all queries of the server hold.
#[derive(Debug)]
pub(super) struct ServerMemory {
    used: AtomicUsize,
    limit: usize,
}

impl ServerMemory {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn try_take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }
}

/// The memory of one query. Operators that can spill share it fairly.
#[derive(Debug)]
pub(super) struct QueryMemory {
    own: FairSpillPool,
    server: Arc<ServerMemory>,
}

impl QueryMemory {
    pub(super) fn new(limit: usize, server: Arc<ServerMemory>) -> Self {
        Self {
            own: FairSpillPool::new(limit),
            server,
        }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query memory: {}", self.own)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.server.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.server.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own.try_grow(reservation, additional)?;
        if !self.server.try_take(additional) {
            self.own.shrink(reservation, additional);
            return Err(DataFusionError::ResourcesExhausted(format!(
                "the server's query memory of {} bytes is in use",
                self.server.limit
            )));
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn a_query_is_held_to_its_own_limit_and_to_the_servers() {
        let server = Arc::new(ServerMemory::new(150));
        let pool = |limit| -> Arc<dyn MemoryPool> {
            Arc::new(QueryMemory::new(limit, Arc::clone(&server)))
        };
        let (a, b) = (pool(100), pool(100));
        let first = MemoryConsumer::new("a").register(&a);
        first.try_grow(101).unwrap_err();
        first.try_grow(100).unwrap();
        let second = MemoryConsumer::new("b").register(&b);
        second.try_grow(51).unwrap_err();
        second.try_grow(50).unwrap();
        drop(first);
        second.try_grow(50).unwrap();
        drop(second);
        assert_eq!(server.used.load(Ordering::Relaxed), 0);
    }
}
