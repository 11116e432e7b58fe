//! Memory of queries: a limit for each query within a limit for all.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

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

/// The memory of one query.
///
/// Operators that can spill share evenly what those that cannot do not need. What
/// the latter once held stays theirs: a sort gives its merge memory back while it
/// spills and needs it again right after, when another sort must not have taken it.
/// And a merge of spilled runs takes all it can get, so the merges too have even
/// shares. (DataFusion's own `FairSpillPool` does neither, and sorts at the edge of
/// their memory fail by chance.)
#[derive(Debug)]
pub(super) struct QueryMemory {
    limit: usize,
    /// Bytes that the merges of all sorts may hold together.
    merge_limit: usize,
    held: Mutex<Held>,
    server: Arc<ServerMemory>,
}

/// Bytes held, and by whom.
#[derive(Debug, Default)]
struct Held {
    /// Operators that can spill.
    spillers: usize,
    /// Bytes they hold.
    spillable: usize,
    /// Bytes the other operators hold.
    fixed: usize,
    /// The most they have held.
    fixed_peak: usize,
    /// Those of them that are the merges of sorts, by consumer: bytes.
    merges: HashMap<usize, usize>,
}

/// Operators that can spill have at least one part in this many of the memory.
const SPILLERS_PART: usize = 4;

/// The operator that merges the sorted partitions of a query holds a batch or two of
/// each. A column of texts is charged with every buffer that its values are in, and
/// after a sort these are the buffers of the whole sort, which the sort is charged
/// with already: counting them would fail sorts that hold no more than they may. What
/// it holds beyond is bounded by the size of a batch.
fn is_counted(consumer: &MemoryConsumer) -> bool {
    !consumer.name().starts_with("SortPreservingMergeExec")
}

/// Whether this operator gives way by spilling when it is refused. Rows on their way
/// between partitions do not, though DataFusion would have them: its queues deadlock
/// when two of them spill at once (apache/datafusion#24883, in 55.2). They take what
/// they need of the whole, and [`super::spill`] refuses their files.
fn gives_way(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() && !consumer.name().starts_with("RepartitionExec")
}

/// Whether this is the memory a sort merges in.
fn is_merge(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("ExternalSorterMerge")
}

impl QueryMemory {
    pub(super) fn new(limit: usize, merge_limit: usize, server: Arc<ServerMemory>) -> Self {
        Self {
            limit,
            merge_limit,
            held: Mutex::new(Held::default()),
            server,
        }
    }

    fn add(&self, held: &mut Held, consumer: &MemoryConsumer, bytes: usize) {
        if gives_way(consumer) {
            held.spillable += bytes;
        } else {
            held.fixed += bytes;
            held.fixed_peak = held.fixed_peak.max(held.fixed);
            if let Some(merge) = held.merges.get_mut(&consumer.id()) {
                *merge += bytes;
            }
        }
    }

    /// Bytes that `reservation` may grow by.
    fn available(&self, held: &Held, reservation: &MemoryReservation) -> usize {
        if gives_way(reservation.consumer()) {
            let shared = self
                .limit
                .saturating_sub(held.fixed_peak)
                .max(self.limit / SPILLERS_PART);
            let share = shared / held.spillers.max(1);
            share.saturating_sub(reservation.size())
        } else {
            let left = self.limit.saturating_sub(held.fixed + held.spillable);
            match held.merges.get(&reservation.consumer().id()) {
                Some(merge) => {
                    left.min((self.merge_limit / held.merges.len()).saturating_sub(*merge))
                }
                None => left,
            }
        }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "query memory of {} bytes: {:?}",
            self.limit,
            self.held.lock()
        )
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut held = self.held.lock();
        if gives_way(consumer) {
            held.spillers += 1;
        }
        if is_merge(consumer) {
            held.merges.insert(consumer.id(), 0);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut held = self.held.lock();
        if gives_way(consumer) {
            held.spillers = held.spillers.saturating_sub(1);
        }
        held.merges.remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        if is_counted(reservation.consumer()) {
            self.add(&mut self.held.lock(), reservation.consumer(), additional);
            self.server.used.fetch_add(additional, Ordering::Relaxed);
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        if !is_counted(reservation.consumer()) {
            return;
        }
        let mut held = self.held.lock();
        if gives_way(reservation.consumer()) {
            held.spillable = held.spillable.saturating_sub(shrink);
        } else {
            held.fixed = held.fixed.saturating_sub(shrink);
            if let Some(merge) = held.merges.get_mut(&reservation.consumer().id()) {
                *merge = merge.saturating_sub(shrink);
            }
        }
        self.server.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if !is_counted(reservation.consumer()) {
            return Ok(());
        }
        let mut held = self.held.lock();
        let available = self.available(&held, reservation);
        if additional > available {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} holds {} bytes and asks for {additional} more, {available} are left of {}: {held:?}",
                reservation.consumer().name(),
                reservation.size(),
                self.limit,
            )));
        }
        if !self.server.try_take(additional) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "the server's query memory of {} bytes is in use",
                self.server.limit
            )));
        }
        self.add(&mut held, reservation.consumer(), additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        let held = self.held.lock();
        held.spillable + held.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
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
            Arc::new(QueryMemory::new(limit, limit, Arc::clone(&server)))
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
    #[test]
    fn memory_that_cannot_be_spilled_is_kept_for_who_held_it() {
        let server = Arc::new(ServerMemory::new(1_000));
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryMemory::new(100, 100, server));
        let sort = |name| {
            MemoryConsumer::new(name)
                .with_can_spill(true)
                .register(&pool)
        };
        let (a, b) = (sort("a"), sort("b"));
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(20).unwrap();
        a.try_grow(41).unwrap_err();
        a.try_grow(40).unwrap();
        merge.free();
        b.try_grow(41).unwrap_err();
        b.try_grow(40).unwrap();
        merge.try_grow(20).unwrap();
        merge.try_grow(1).unwrap_err();
    }
}
