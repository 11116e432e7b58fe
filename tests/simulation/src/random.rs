//! The choices of one seed.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The choices of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `times`; never for 0.
    pub const fn once_in(&mut self, times: u64) -> bool {
        times != 0 && self.below(times) == 0
    }
}

/// A hash of what happened, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Trace {
    /// Something happened.
    pub const fn note(&mut self, what: u64) {
        self.0 = (self.0 ^ what)
            .wrapping_mul(0x0000_0100_0000_01B3)
            .rotate_left(17);
    }

    /// The hash.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}
