//! The clock and the randomness of the operating system, which storage does
//! not reach for by itself.

use std::time::{SystemTime, UNIX_EPOCH};

use kimberlite_storage::{Clock, Entropy};
use rand::TryRng as _;
use rand::rngs::SysRng;

/// `CLOCK_REALTIME`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 or after the year 290,000 is as wrong as 0; the
        // log's own timestamps never go back.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_micros()).ok())
            .unwrap_or(0)
    }
}

/// `getrandom(2)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        if SysRng.try_fill_bytes(out).is_err() {
            // Keys and nonces come from here: there is no safe way to go on.
            eprintln!("kimberlite: the operating system gives no random bytes");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ() {
        let (mut a, mut b) = ([0u8; 32], [0u8; 32]);
        SystemEntropy.fill(&mut a);
        SystemEntropy.fill(&mut b);
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }

    #[test]
    fn the_clock_is_in_microseconds() {
        // Between 2020 and 2100.
        let now = SystemClock.now_us();
        assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&now));
    }
}
