//! The choice of what a crash leaves behind.

/// SplitMix64 with a bias drawn once, so that some crashes keep nearly all and
/// some nearly nothing.
pub(super) struct Random {
    state: u64,
    keep_of_8: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self {
            state: seed,
            keep_of_8: 0,
        };
        random.keep_of_8 = random.next() % 9;
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn keep(&mut self) -> bool {
        self.next() % 8 < self.keep_of_8
    }
}
