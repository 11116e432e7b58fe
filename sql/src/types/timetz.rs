//! `time with time zone`: a time of day and its distance from UTC.

use std::cmp::Ordering;

/// A time of day somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeTz {
    /// Microseconds since midnight there.
    pub micros: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl TimeTz {
    /// Microseconds since midnight in Greenwich; what times are ordered by first.
    pub fn utc(self) -> i64 {
        self.micros - i64::from(self.offset) * 1_000_000
    }

    /// The form it is stored in.
    pub fn image(self) -> [u8; 12] {
        let mut out = [0; 12];
        let (time, offset) = out.split_at_mut(8);
        time.copy_from_slice(&self.micros.to_le_bytes());
        offset.copy_from_slice(&self.offset.to_le_bytes());
        out
    }

    /// The time of a stored form; `None` when it is none.
    pub fn from_image(image: &[u8]) -> Option<TimeTz> {
        let (time, offset) = image.split_first_chunk::<8>()?;
        Some(TimeTz {
            micros: i64::from_le_bytes(*time),
            offset: i32::from_le_bytes(offset.try_into().ok()?),
        })
    }
}

impl Ord for TimeTz {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of two that are the same moment the western one is later.
        self.utc()
            .cmp(&other.utc())
            .then_with(|| other.offset.cmp(&self.offset))
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
