//! What a session's settings change about the text of values.

use crate::types::calendar::{self, TimeZone};
use crate::types::styles::{DateStyle, Styles};

/// Settings of a session that the text forms depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFormat {
    /// `TimeZone`
    pub time_zone: TimeZone,
    /// What "now" in a date text means: the start of the transaction in
    /// microseconds since 2000-01-01 UTC.
    pub now: i64,
    /// DateStyle and the like.
    pub styles: Styles,
}

impl SessionFormat {
    /// The same with dates and times as ISO 8601 has them: JSON knows no other.
    pub fn with_iso_dates(mut self) -> Self {
        self.styles.date = DateStyle::Iso;
        self
    }
}

impl Default for SessionFormat {
    fn default() -> Self {
        SessionFormat {
            time_zone: TimeZone::default(),
            now: calendar::now_micros(),
            styles: Styles::default(),
        }
    }
}
