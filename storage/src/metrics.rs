//! Counters and latency histograms, readable at any time without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of a histogram's buckets, in microseconds; one more bucket takes
/// everything above.
pub const BUCKET_BOUNDS_US: [u64; 18] = [
    50, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 125_000,
    250_000, 1_000_000, 5_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKET_BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Occurrences in each bucket (not cumulated); the last is above all bounds.
    pub buckets: Vec<u64>,
    /// All durations together, microseconds.
    pub sum_us: u64,
}

impl HistogramSnapshot {
    /// How many occurrences there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Histogram {
    /// Counts one occurrence.
    pub fn record(&self, duration_us: u64) {
        let at = BUCKET_BOUNDS_US.partition_point(|bound| *bound < duration_us);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(duration_us, Ordering::Relaxed);
    }

    /// Counts one occurrence between two readings of a clock that may go back.
    pub fn record_between(&self, start_us: i64, end_us: i64) {
        self.record(u64::try_from(end_us.saturating_sub(start_us)).unwrap_or(0));
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: self
                .buckets
                .iter()
                .map(|b| b.load(Ordering::Relaxed))
                .collect(),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads it.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a store tells about itself.
#[derive(Debug, Default)]
pub struct StoreMetrics {
    /// Bytes of the log: full segments, and the newest as far as it is used.
    pub log_bytes: Gauge,
    /// Bytes of blocks appended since the store was opened.
    pub log_bytes_appended: Gauge,
    /// Blocks appended since the store was opened.
    pub blocks: Gauge,
    /// Transactions committed since the store was opened.
    pub commits: Gauge,
    /// Transactions refused since the store was opened.
    pub refusals: Gauge,
    /// Index of the newest durable block.
    pub durable_index: Gauge,
    /// Index of the newest block that readers can see.
    pub applied_index: Gauge,
    /// Bytes of transactions that wait for the writer.
    pub queue_bytes: Gauge,
    /// Blocks applied at opening, because the projection did not have them.
    pub replayed_blocks: Gauge,
    /// Times the projection was rebuilt from the log.
    pub rebuilds: Gauge,
    /// Blocks whose hashes and chain were verified (at opening, by the scrubber).
    pub verified_blocks: Gauge,
    /// Damage found by verification while running.
    pub damage: Gauge,
    /// Write and barrier of one block.
    pub fsync_us: Histogram,
    /// From submitting a transaction to its completion call.
    pub commit_us: Histogram,
    /// Applying and publishing one block.
    pub apply_us: Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_land_in_their_buckets() {
        let histogram = Histogram::default();
        for us in [0, 50, 51, 5_000_000, 5_000_001] {
            histogram.record(us);
        }
        histogram.record_between(10, 5);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets.first(), Some(&3));
        assert_eq!(snapshot.buckets.get(1), Some(&1));
        assert_eq!(snapshot.buckets.get(17), Some(&1));
        assert_eq!(snapshot.buckets.get(18), Some(&1));
        assert_eq!((snapshot.count(), snapshot.sum_us), (6, 10_000_102));
    }
}
