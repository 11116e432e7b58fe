//! `interval`: months, days and microseconds, kept apart.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Microseconds of a day without a clock change.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A span of time as PostgreSQL keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interval {
    /// Calendar months; years are twelve of them.
    pub months: i32,
    /// Calendar days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Interval {
    /// The length in microseconds when a month is 30 days and a day 24 hours:
    /// what PostgreSQL compares intervals by.
    pub fn span(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// An interval with this [`Interval::span`]: as many days as fit, then
    /// months where the days would not.
    pub fn from_span(span: i128) -> Option<Interval> {
        let day = i128::from(MICROS_PER_DAY);
        let micros = i64::try_from(span % day).ok()?;
        let days = span / day;
        if let Ok(days) = i32::try_from(days) {
            return Some(Interval {
                months: 0,
                days,
                micros,
            });
        }
        let months = i32::try_from(days / 30).ok();
        let months = months.unwrap_or(if days > 0 { i32::MAX } else { i32::MIN });
        let rest = days - i128::from(months) * 30;
        match i32::try_from(rest) {
            Ok(days) => Some(Interval {
                months,
                days,
                micros,
            }),
            Err(_) => {
                let days = if rest > 0 { i32::MAX } else { i32::MIN };
                let micros = (rest - i128::from(days)) * day + i128::from(micros);
                Some(Interval {
                    months,
                    days,
                    micros: i64::try_from(micros).ok()?,
                })
            }
        }
    }

    /// Whether all three fields are the same, not only the length.
    pub fn identical(&self, other: &Interval) -> bool {
        (self.months, self.days, self.micros) == (other.months, other.days, other.micros)
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.span() == other.span()
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        self.span().cmp(&other.span())
    }
}

impl Hash for Interval {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.span().hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_month_equals_thirty_days() {
        let month = Interval {
            months: 1,
            ..Interval::default()
        };
        let days = Interval {
            days: 30,
            ..Interval::default()
        };
        assert_eq!(month, days);
        assert!(!month.identical(&days));
        let longer = Interval {
            micros: 30 * MICROS_PER_DAY + 1,
            ..Interval::default()
        };
        assert!(longer > days);
    }

    proptest! {
        #[test]
        fn span_round_trips(months in any::<i32>(), days in any::<i32>(), micros in any::<i64>()) {
            let interval = Interval { months, days, micros };
            prop_assert_eq!(Interval::from_span(interval.span()).unwrap().span(), interval.span());
        }
    }
}
