//! The Gregorian calendar and time zones.
//!
//! Days and microseconds count from 2000-01-01, as PostgreSQL's do.

use chrono::{DateTime, NaiveDate, Offset, TimeZone as _};
use chrono_tz::{OffsetName, Tz};

use crate::types::interval::MICROS_PER_DAY;

/// Days from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_MICROS: i64 = UNIX_EPOCH_DAYS as i64 * MICROS_PER_DAY;
/// The first day: 4713-11-24 BC.
pub const MIN_DATE: i32 = -2_451_545;
/// The day after the last one (5874897-12-31).
pub const END_DATE: i32 = 2_145_031_949;
/// The first timestamp.
pub const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
/// The first instant after the last timestamp (294276-12-31).
pub const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;

/// A day of the proleptic Gregorian calendar. Year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// The day with this number.
pub fn civil_from_days(days: i64) -> Civil {
    // Eras of 400 years that start on a 1st of March.
    let shifted = days + i64::from(UNIX_EPOCH_DAYS) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: u8::try_from(month).unwrap_or(1),
        day: u8::try_from(day).unwrap_or(1),
    }
}

/// The number of a day. The fields must be in range; years up to ten million.
pub fn days_from_civil(civil: Civil) -> i64 {
    let (month, day) = (i64::from(civil.month), i64::from(civil.day));
    let year = civil.year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - i64::from(UNIX_EPOCH_DAYS)
}

/// Days of a month; 0 for a month that is not 1 to 12.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeZone {
    /// A zone of the time zone database.
    Named(Tz),
    /// A fixed distance, seconds east of UTC.
    Fixed(i32),
    /// `MSK`, which has meant other offsets in other years
    Moscow,
}

impl Default for TimeZone {
    fn default() -> Self {
        TimeZone::Named(Tz::UTC)
    }
}

impl TimeZone {
    /// The zone with this name, whatever its case; also the usual
    /// abbreviations ("EST", "CEST").
    pub fn from_name(name: &str) -> Option<TimeZone> {
        if name.eq_ignore_ascii_case("z") || name.eq_ignore_ascii_case("zulu") {
            return Some(TimeZone::Fixed(0));
        }
        if name.eq_ignore_ascii_case("msk") {
            return Some(TimeZone::Moscow);
        }
        if name.eq_ignore_ascii_case("vet") {
            return Some(TimeZone::Named(Tz::America__Caracas));
        }
        if let Some(hours) = abbreviation(&name.to_ascii_uppercase()) {
            return Some(TimeZone::Fixed((hours * 3600.0) as i32));
        }
        let exact: Result<Tz, _> = name.parse();
        let same_name = |zone: &Tz| zone.name().eq_ignore_ascii_case(name);
        exact
            .ok()
            .or_else(|| chrono_tz::TZ_VARIANTS.into_iter().find(same_name))
            .map(TimeZone::Named)
    }

    /// Seconds east of UTC at an instant (microseconds since 2000, UTC).
    pub fn offset_at(&self, instant: i64) -> i32 {
        match self {
            TimeZone::Fixed(seconds) => *seconds,
            TimeZone::Named(Tz::UTC) => 0,
            TimeZone::Moscow => moscow_standard(instant),
            TimeZone::Named(zone) => {
                let seconds =
                    within_rules(instant).div_euclid(1_000_000) + UNIX_EPOCH_MICROS / 1_000_000;
                DateTime::from_timestamp(seconds, 0).map_or(0, |at| {
                    zone.offset_from_utc_datetime(&at.naive_utc())
                        .fix()
                        .local_minus_utc()
                })
            }
        }
    }

    /// What the zone is called at an instant; none where its clocks have no name.
    pub fn abbreviation_at(&self, instant: i64) -> Option<String> {
        let TimeZone::Named(zone) = self else {
            return None;
        };
        let seconds = within_rules(instant).div_euclid(1_000_000) + UNIX_EPOCH_MICROS / 1_000_000;
        let at = DateTime::from_timestamp(seconds, 0)?;
        zone.offset_from_utc_datetime(&at.naive_utc())
            .abbreviation()
            .map(str::to_owned)
    }

    /// Seconds east of UTC at a local time (microseconds since 2000). A time
    /// the clocks skip counts as before the change, one they repeat as after.
    pub fn offset_at_local(&self, local: i64) -> i32 {
        if *self == TimeZone::Moscow {
            let there = TimeZone::Named(Tz::Europe__Moscow).offset_at_local(local);
            return moscow_standard(local.saturating_sub(i64::from(there) * 1_000_000));
        }
        let day = MICROS_PER_DAY;
        let before = self.offset_at(local.saturating_sub(day));
        let after = self.offset_at(local.saturating_add(day));
        if before == after {
            // Two changes within two days cancel out in no zone; but a zone
            // may change and return: ask at the instant itself.
            return self.offset_at(local.saturating_sub(i64::from(before) * 1_000_000));
        }
        let with_before = self.offset_at(local.saturating_sub(i64::from(before) * 1_000_000));
        let with_after = self.offset_at(local.saturating_sub(i64::from(after) * 1_000_000));
        if with_after == after && (with_before != before || before > after) {
            after
        } else {
            before
        }
    }

    /// The name `SHOW TimeZone` gives.
    pub fn name(&self) -> String {
        match self {
            TimeZone::Named(zone) => zone.name().to_owned(),
            TimeZone::Moscow => "MSK".to_owned(),
            TimeZone::Fixed(seconds) => {
                let mut out = Vec::new();
                crate::types::datetime_out::write_offset(*seconds, &mut out);
                let text = String::from_utf8_lossy(&out).into_owned();
                // POSIX counts west of Greenwich.
                let (sign, rest) = text.split_at(1.min(text.len()));
                let flipped = if sign == "-" { "+" } else { "-" };
                format!("<{sign}{rest}>{flipped}{rest}")
            }
        }
    }
}

/// What `MSK` means at an instant: Moscow's offset while clocks there are on it, else
/// the usual one.
fn moscow_standard(instant: i64) -> i32 {
    const USUAL: i32 = 3 * 3_600;
    let seconds = within_rules(instant).div_euclid(1_000_000) + UNIX_EPOCH_MICROS / 1_000_000;
    DateTime::from_timestamp(seconds, 0).map_or(USUAL, |at| {
        let there = at.with_timezone(&Tz::Europe__Moscow);
        if there.format("%Z").to_string() == "MSK" {
            there.offset().fix().local_minus_utc()
        } else {
            USUAL
        }
    })
}

/// The zone database lists changes up to 2100 only. Later instants are moved
/// to a year whose days fall alike, so that the last rules go on for ever.
fn within_rules(instant: i64) -> i64 {
    // 2090-01-01 and its successors up to 28 years before.
    const LIMIT: i64 = 32_873 * MICROS_PER_DAY;
    if instant < LIMIT {
        return instant;
    }
    let year = civil_from_days(instant.div_euclid(MICROS_PER_DAY)).year;
    let first = |year| {
        days_from_civil(Civil {
            year,
            month: 1,
            day: 1,
        })
    };
    let alike = (2061..2089).find(|candidate| {
        is_leap(*candidate) == is_leap(year) && (first(*candidate) - first(year)) % 7 == 0
    });
    match alike {
        Some(alike) => instant - (first(year) - first(alike)) * MICROS_PER_DAY,
        None => instant,
    }
}

/// Hours east of UTC of PostgreSQL's common default abbreviations.
fn abbreviation(name: &str) -> Option<f64> {
    Some(match name {
        "UTC" | "GMT" | "UT" | "UCT" | "WET" => 0.0,
        "BST" | "CET" | "WEST" | "MEZ" => 1.0,
        "EET" | "CEST" | "SAST" | "MESZ" => 2.0,
        "EEST" | "EAT" => 3.0,
        "IST" => 2.0,
        "JST" | "KST" => 9.0,
        "AEST" => 10.0,
        "ACST" => 9.5,
        "AEDT" => 11.0,
        "NZST" => 12.0,
        "NZDT" => 13.0,
        "EST" => -5.0,
        "EDT" => -4.0,
        "CST" => -6.0,
        "CDT" => -5.0,
        "MST" => -7.0,
        "MDT" => -6.0,
        "PST" => -8.0,
        "PDT" => -7.0,
        "AKST" => -9.0,
        "AKDT" => -8.0,
        "HST" => -10.0,
        _ => return None,
    })
}

/// The current time in microseconds since 2000-01-01 UTC.
pub fn now_micros() -> i64 {
    chrono::Utc::now().timestamp_micros() - UNIX_EPOCH_MICROS
}

/// The day number of a chrono date.
pub fn days_from_chrono(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days() - i64::from(UNIX_EPOCH_DAYS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (days, year, month, day) in [
            (0, 2000, 1, 1),
            (-10_957, 1970, 1, 1),
            (59, 2000, 2, 29),
            (i64::from(MIN_DATE), -4713, 11, 24),
            (i64::from(END_DATE) - 1, 5_874_897, 12, 31),
        ] {
            let civil = Civil { year, month, day };
            assert_eq!(civil_from_days(days), civil);
            assert_eq!(days_from_civil(civil), days);
        }
    }

    // Offsets: `select extract(timezone from '…'::timestamptz)` on PostgreSQL 15.
    #[test]
    fn skipped_and_repeated_local_times() {
        let zone = TimeZone::from_name("America/New_York").unwrap();
        let at = |month, day, hour: i64, minute: i64| {
            days_from_civil(Civil {
                year: 2024,
                month,
                day,
            }) * MICROS_PER_DAY
                + (hour * 60 + minute) * 60_000_000
        };
        assert_eq!(zone.offset_at_local(at(3, 10, 2, 30)), -18_000);
        assert_eq!(zone.offset_at_local(at(3, 10, 1, 59)), -18_000);
        assert_eq!(zone.offset_at_local(at(3, 10, 3, 0)), -14_400);
        assert_eq!(zone.offset_at_local(at(11, 3, 1, 30)), -18_000);
        assert_eq!(zone.offset_at_local(at(11, 3, 0, 59)), -14_400);
        assert_eq!(zone.offset_at_local(at(11, 3, 2, 0)), -18_000);
    }

    #[test]
    fn summer_time_goes_on_after_2100() {
        let zone = TimeZone::from_name("europe/berlin").unwrap();
        let at = |year, month| {
            days_from_civil(Civil {
                year,
                month,
                day: 10,
            }) * MICROS_PER_DAY
        };
        for year in [2050, 2099, 2100, 2101, 2500, 9999, 290_000] {
            assert_eq!(zone.offset_at(at(year, 7)), 7200, "{year}");
            assert_eq!(zone.offset_at(at(year, 1)), 3600, "{year}");
        }
    }

    proptest! {
        #[test]
        fn days_round_trip(days in i64::from(i32::MIN)..=i64::from(i32::MAX)) {
            let civil = civil_from_days(days);
            prop_assert_eq!(days_from_civil(civil), days);
            prop_assert!(civil.day >= 1 && civil.day <= days_in_month(civil.year, civil.month));
        }

        #[test]
        fn days_agree_with_chrono(days in -700_000i64..1_000_000) {
            let civil = civil_from_days(days);
            let date = NaiveDate::from_ymd_opt(civil.year as i32, civil.month.into(), civil.day.into()).unwrap();
            prop_assert_eq!(days_from_chrono(date), days);
        }
    }
}
