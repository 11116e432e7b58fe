//! What was read by a template as a point in time.

use super::super::day::monday;
use super::read::Read;
use super::template::Calendar;
use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{Civil, civil_from_days, days_from_civil, days_in_month};

/// A date and a time of day.
pub(super) struct Clock {
    /// Days since 2000-01-01.
    pub(super) day: i64,
    /// Microseconds of the day.
    pub(super) time: i64,
    /// Seconds east of UTC, when the text says so.
    pub(super) offset: Option<i32>,
    /// Digits of the last `FF` pattern.
    pub(super) fraction_digits: Option<u8>,
}

/// The Julian day of 2000-01-01.
const JULIAN: i64 = 2_451_545;

fn overflow(text: &str) -> SqlError {
    SqlError::new(
        state::DATETIME_FIELD_OVERFLOW,
        format!("date/time field value out of range: \"{text}\""),
    )
}

/// A year, month and day that were not checked yet.
#[derive(Clone, Copy)]
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    fn of_number(days: i64) -> Day {
        let civil = civil_from_days(days);
        Day {
            year: civil.year,
            month: i64::from(civil.month),
            day: i64::from(civil.day),
        }
    }
}

/// The point in time, checked; `text` is for errors.
///
/// # Errors
/// 22008 for fields that are out of range, 22007 for a day without its year.
pub(super) fn clock(mut read: Read, text: &str) -> SqlResult<Clock> {
    let time = time_of_day(&read, text)?;
    let day = day(&mut read, text)?;
    let offset = match read.zone_sign {
        0 => None,
        sign => Some(sign * zone_seconds(&read)?),
    };
    Ok(Clock {
        day,
        time,
        offset,
        fraction_digits: read.fraction_digits,
    })
}

fn zone_seconds(read: &Read) -> SqlResult<i32> {
    let (hours, minutes) = (read.zone_hours, read.zone_minutes);
    if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) {
        return Err(SqlError::new(
            state::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
            "time zone displacement out of range",
        ));
    }
    Ok(hours * 3_600 + minutes * 60)
}

fn time_of_day(read: &Read, text: &str) -> SqlResult<i64> {
    let (mut hour, mut minute, mut second) = (0, 0, 0);
    if read.seconds_of_day != 0 {
        hour = read.seconds_of_day / 3_600;
        minute = read.seconds_of_day % 3_600 / 60;
        second = read.seconds_of_day % 60;
    }
    if read.second != 0 {
        second = read.second;
    }
    if read.minute != 0 {
        minute = read.minute;
    }
    if read.hour != 0 {
        hour = read.hour;
    }
    if read.twelve_hours {
        if !(1..=12).contains(&hour) {
            return Err(SqlError::new(
                state::INVALID_DATETIME_FORMAT,
                format!("hour \"{hour}\" is invalid for the 12-hour clock"),
            )
            .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        hour = hour % 12 + if read.afternoon != 0 { 12 } else { 0 };
    }
    let micros = i64::from(read.millis) * 1_000 + i64::from(read.micros);
    let fits = (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1_000_000).contains(&micros);
    if !fits {
        return Err(overflow(text));
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Ok(seconds * 1_000_000 + micros)
}

/// The year, when the text has one.
fn year(read: &mut Read) -> Option<i64> {
    if read.year == 0 && read.century == 0 {
        return None;
    }
    let (mut century, year) = (i64::from(read.century), i64::from(read.year));
    let short = year != 0 && century != 0 && read.year_digits <= 2;
    if read.before_christ != 0 && (short || year == 0) {
        century = -century;
    }
    if short {
        // The last digits of a year in the century.
        let last = year % 100;
        return Some(match (last, century >= 0) {
            (0, true) => century * 100,
            (0, false) => century * 100 + 1,
            (last, true) => last + (century - 1) * 100,
            (last, false) => (century + 1) * 100 - last + 1,
        });
    }
    if year != 0 {
        let year = if read.before_christ != 0 { -year } else { year };
        // There is no year 0.
        return Some(if year < 0 { year + 1 } else { year });
    }
    Some(if century >= 0 {
        (century - 1) * 100 + 1
    } else {
        century * 100 + 1
    })
}

/// The Monday of a week of an ISO year.
fn monday_of(year: i64, week: i64) -> i64 {
    let fourth = days_from_civil(Civil {
        year,
        month: 1,
        day: 4,
    });
    monday(fourth) + (week - 1) * 7
}

/// The number of the day.
fn day(read: &mut Read, text: &str) -> SqlResult<i64> {
    let given = year(read);
    let mut date = Day {
        year: given.unwrap_or(0),
        month: 1,
        day: 1,
    };
    if !(-5_000_000..=6_000_000).contains(&date.year) {
        return Err(overflow(text));
    }
    if read.julian != 0 {
        date = Day::of_number(i64::from(read.julian) - JULIAN);
    }
    let iso = read.calendar == Some(Calendar::IsoWeek);
    if read.week != 0 {
        if iso {
            let monday = monday_of(date.year, i64::from(read.week));
            date = Day::of_number(match i64::from(read.weekday) {
                0 => monday,
                1 => monday + 6,
                weekday => monday + weekday - 2,
            });
        } else {
            read.day_of_year = (read.week.saturating_sub(1))
                .saturating_mul(7)
                .saturating_add(1);
        }
    }
    if read.week_of_month != 0 {
        read.day = (read.week_of_month.saturating_sub(1))
            .saturating_mul(7)
            .saturating_add(1);
    }
    if read.day != 0 {
        date.day = i64::from(read.day);
    }
    if read.month != 0 {
        date.month = i64::from(read.month);
    }
    if read.day_of_year != 0 && (date.month <= 1 || date.day <= 1) {
        date = within_year(date, read, iso)?;
    }
    let month = u8::try_from(date.month)
        .ok()
        .filter(|m| (1..=12).contains(m));
    let (Some(month), Ok(day)) = (month, u8::try_from(date.day)) else {
        return Err(overflow(text));
    };
    if !(1..=31).contains(&day) {
        return Err(overflow(text));
    }
    let whole = given.is_some() && read.month != 0 && read.day != 0;
    if day > days_in_month(date.year, month) && whole {
        return Err(overflow(text));
    }
    let first = days_from_civil(Civil {
        year: date.year,
        month,
        day: 1,
    });
    Ok(first + i64::from(day) - 1)
}

/// The date of a day of the year.
fn within_year(date: Day, read: &Read, iso: bool) -> SqlResult<Day> {
    if date.year == 0 && read.before_christ == 0 {
        return Err(SqlError::new(
            state::INVALID_DATETIME_FORMAT,
            "cannot calculate day of year without year information",
        ));
    }
    let number = i64::from(read.day_of_year);
    if iso {
        return Ok(Day::of_number(monday_of(date.year, 1) + number - 1));
    }
    let mut days = 0;
    for month in 1..=12u8 {
        let length = i64::from(days_in_month(date.year, month));
        if number <= days + length {
            return Ok(Day {
                year: date.year,
                month: if date.month <= 1 {
                    i64::from(month)
                } else {
                    date.month
                },
                day: if date.day <= 1 {
                    number - days
                } else {
                    date.day
                },
            });
        }
        days += length;
    }
    // Beyond the year's end there is no month.
    Ok(Day { month: 13, ..date })
}
