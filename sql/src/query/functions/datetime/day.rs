//! Where a day stands in its week and its year.

use crate::types::calendar::{Civil, civil_from_days, days_from_civil};

/// The day of the week; Sunday is 0.
pub(super) fn weekday(days: i64) -> i64 {
    // 2000-01-01 was a Saturday.
    (days + 6).rem_euclid(7)
}

/// The day of the week; Monday is 1, Sunday is 7.
pub(super) fn iso_weekday(days: i64) -> i64 {
    match weekday(days) {
        0 => 7,
        day => day,
    }
}

/// The Monday of the week.
pub(super) fn monday(days: i64) -> i64 {
    days - (days + 5).rem_euclid(7)
}

/// ISO 8601 year and week of a day.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    // Weeks belong to the year of their Thursday.
    let thursday = monday(days) + 3;
    let year = civil_from_days(thursday).year;
    (year, (thursday - first_of(year, 1)) / 7 + 1)
}

/// How far into `year` a day is; the first is 1.
pub(super) fn day_of_year(days: i64, year: i64) -> i64 {
    days - first_of(year, 1) + 1
}

/// The first day of a month.
pub(super) fn first_of(year: i64, month: u8) -> i64 {
    days_from_civil(Civil {
        year,
        month,
        day: 1,
    })
}
