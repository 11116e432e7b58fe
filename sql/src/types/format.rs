//! What a session's settings change about the text of values.

use crate::types::calendar::{self, TimeZone};

/// Settings of a session that the text forms depend on. DateStyle is always
/// `ISO, MDY` and IntervalStyle `postgres`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFormat {
    /// `TimeZone`
    pub time_zone: TimeZone,
    /// What "now" in a date text means: the start of the transaction in
    /// microseconds since 2000-01-01 UTC.
    pub now: i64,
}

impl Default for SessionFormat {
    fn default() -> Self {
        SessionFormat {
            time_zone: TimeZone::default(),
            now: calendar::now_micros(),
        }
    }
}
