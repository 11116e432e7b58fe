//! The outside world, passed in.
//!
//! Nothing in this crate reads the time or random numbers by itself, so that a
//! simulation can decide both.

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01T00:00:00Z. May go backwards; the log's own
    /// timestamps do not, because the writer takes the maximum.
    fn now_us(&self) -> i64;
}

/// Gives unpredictable bytes: keys, salts, nonces and identities come from it.
///
/// An implementation for production must be the operating system's generator
/// and must not return unless every byte is filled.
pub trait Entropy: Send + Sync {
    /// Fills the whole of `out`.
    fn fill(&self, out: &mut [u8]);
}

/// Draws `N` bytes.
pub(crate) fn draw<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

/// A clock and an entropy source that always say the same, for test vectors and
/// simulations. Never for production: the keys would be known.
#[doc(hidden)]
pub mod fixed {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use sha2::{Digest, Sha256};

    use super::{Clock, Entropy};

    /// Starts at a given time and advances by a fixed step at every reading.
    #[derive(Debug)]
    pub struct FixedClock {
        next_us: AtomicI64,
        step_us: i64,
    }

    impl FixedClock {
        /// The first reading is `start_us`.
        #[must_use]
        pub const fn new(start_us: i64, step_us: i64) -> Self {
            Self {
                next_us: AtomicI64::new(start_us),
                step_us,
            }
        }
    }

    impl Clock for FixedClock {
        fn now_us(&self) -> i64 {
            self.next_us.fetch_add(self.step_us, Ordering::Relaxed)
        }
    }

    /// The stream SHA-256(seed ‖ 0) ‖ SHA-256(seed ‖ 1) ‖ …, each request
    /// starting at a fresh digest.
    #[derive(Debug)]
    pub struct FixedEntropy {
        seed: u64,
        counter: AtomicU64,
    }

    impl FixedEntropy {
        /// Two sources with the same seed give the same bytes.
        #[must_use]
        pub const fn new(seed: u64) -> Self {
            Self {
                seed,
                counter: AtomicU64::new(0),
            }
        }
    }

    impl Entropy for FixedEntropy {
        fn fill(&self, out: &mut [u8]) {
            for chunk in out.chunks_mut(32) {
                let counter = self.counter.fetch_add(1, Ordering::Relaxed);
                let mut hasher = Sha256::new();
                hasher.update(self.seed.to_le_bytes());
                hasher.update(counter.to_le_bytes());
                let digest = hasher.finalize();
                chunk.copy_from_slice(digest.get(..chunk.len()).unwrap_or_default());
            }
        }
    }
}
