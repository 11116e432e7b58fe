//! Writes the fields of a date, time or interval into a template.

use super::super::super::number_format::ordinal;
use super::super::day::{day_of_year, iso_week, iso_weekday, monday, weekday};
use super::names::{DAYS, MONTHS, ROMAN, named, short};
use super::template::{Case, Field, Node, Pattern};
use crate::error::{SqlError, SqlResult, state};
use crate::types::Interval;
use crate::types::calendar::{Civil, civil_from_days};
use crate::types::interval::MICROS_PER_DAY;

/// What a template is filled in from.
pub(super) struct Moment {
    /// Day number, unless it is an interval.
    pub(super) day: Option<i64>,
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day_of_month: i64,
    pub(super) day_of_year: i64,
    /// Microseconds of the time part.
    pub(super) time: i64,
    /// Seconds east of UTC, and what the zone is called.
    pub(super) offset: i32,
    pub(super) zone: String,
}

impl Moment {
    /// A point on a clock.
    pub(super) fn of_local(micros: i64) -> Moment {
        let day = micros.div_euclid(MICROS_PER_DAY);
        let Civil {
            year,
            month,
            day: day_of_month,
        } = civil_from_days(day);
        Moment {
            day: Some(day),
            year,
            month: i64::from(month),
            day_of_month: i64::from(day_of_month),
            day_of_year: day_of_year(day, year),
            time: micros.rem_euclid(MICROS_PER_DAY),
            offset: 0,
            zone: String::new(),
        }
    }

    /// A span of time.
    pub(super) fn of_interval(interval: Interval) -> Moment {
        let months = i64::from(interval.months);
        let days = i64::from(interval.days);
        Moment {
            day: None,
            year: months / 12,
            month: months % 12,
            day_of_month: days,
            day_of_year: months * 30 + days,
            time: interval.micros,
            offset: 0,
            zone: String::new(),
        }
    }

    /// The year as it is shown: there is no year 0.
    fn shown_year(&self, year: i64) -> i64 {
        if self.day.is_some() && year <= 0 {
            1 - year
        } else {
            year
        }
    }

    fn hour(&self) -> i64 {
        self.time / 3_600_000_000
    }

    fn micros(&self) -> i64 {
        self.time % 1_000_000
    }

    /// The day, for a field that an interval does not have (22007).
    fn date(&self) -> SqlResult<i64> {
        self.day.ok_or_else(|| {
            SqlError::new(
                state::INVALID_DATETIME_FORMAT,
                "invalid format specification for an interval value",
            )
            .hint("Intervals are not tied to specific calendar dates.")
        })
    }
}

/// The moment written into a template.
pub(super) fn write(moment: &Moment, nodes: &[Node]) -> SqlResult<String> {
    let mut out = String::new();
    for node in nodes {
        match node {
            Node::Pattern(pattern) => piece(moment, pattern, &mut out)?,
            Node::Exact => {}
            Node::Space(c) | Node::Separator(c) | Node::Text(c) => out.push(*c),
        }
    }
    Ok(out)
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Capital => text.to_owned(),
        Case::Lower => text.to_lowercase(),
    }
}

fn piece(moment: &Moment, pattern: &Pattern, out: &mut String) -> SqlResult<()> {
    if let Some((value, width)) = number(moment, pattern)? {
        let mut text = if pattern.trimmed {
            value.to_string()
        } else if value < 0 && has_place_for_sign(pattern.field) {
            format!("-{:0width$}", value.unsigned_abs())
        } else {
            format!("{value:0width$}")
        };
        if let Some(case) = pattern.ordinal {
            text.push_str(ordinal(&text, case == Case::Upper)?);
        }
        out.push_str(&text);
        return Ok(());
    }
    out.push_str(&word(moment, pattern)?);
    Ok(())
}

/// Whether the sign of a field below zero takes no place of a digit.
fn has_place_for_sign(field: Field) -> bool {
    matches!(
        field,
        Field::Hour24
            | Field::Hour12
            | Field::Minute
            | Field::Second
            | Field::Month
            | Field::Century
            | Field::Year(2..)
            | Field::IsoYear(2..)
    )
}

/// A field that is a number, and how many digits it has at least.
fn number(moment: &Moment, pattern: &Pattern) -> SqlResult<Option<(i64, usize)>> {
    if let Some(time) = time_number(moment, pattern.field) {
        return Ok(Some(time));
    }
    let shown = |year| moment.shown_year(year);
    let year = |digits: u8, year: i64| match digits {
        4 => (year, 4),
        3 => (year % 1_000, 3),
        2 => (year % 100, 2),
        _ => (year % 10, 1),
    };
    Ok(Some(match pattern.field {
        Field::Year(digits) => year(digits, shown(moment.year)),
        Field::IsoYear(digits) => year(digits, shown(iso_week(moment.date()?).0)),
        Field::Century => (century(moment), 2),
        Field::Month => (moment.month, 2),
        Field::DayOfMonth => (moment.day_of_month, 2),
        Field::DayOfYear => (moment.day_of_year, 3),
        Field::IsoDayOfYear => (iso_day_of_year(moment.date()?), 3),
        Field::Weekday => (weekday(moment.date()?) + 1, 1),
        Field::IsoWeekday => (iso_weekday(moment.date()?), 1),
        Field::Week => ((moment.day_of_year - 1) / 7 + 1, 2),
        Field::IsoWeek => (iso_week(moment.date()?).1, 2),
        Field::WeekOfMonth => ((moment.day_of_month - 1) / 7 + 1, 1),
        Field::Quarter if moment.month != 0 => ((moment.month - 1) / 3 + 1, 1),
        Field::Julian => (julian(moment), 1),
        _ => return Ok(None),
    }))
}

fn time_number(moment: &Moment, field: Field) -> Option<(i64, usize)> {
    let hour = moment.hour();
    Some(match field {
        Field::Hour24 => (hour, 2),
        Field::Hour12 => (if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
        Field::Minute => (moment.time / 60_000_000 % 60, 2),
        Field::Second => (moment.time / 1_000_000 % 60, 2),
        Field::SecondsOfDay => (moment.time / 1_000_000, 1),
        Field::Milliseconds => (moment.micros() / 1_000, 3),
        Field::Microseconds => (moment.micros(), 6),
        Field::Fraction(digits) => {
            let drop = 10i64.pow(6 - u32::from(digits.min(6)));
            (moment.micros() / drop, usize::from(digits))
        }
        _ => return None,
    })
}

fn century(moment: &Moment) -> i64 {
    let year = moment.year;
    if moment.day.is_none() {
        year / 100
    } else if year > 0 {
        (year - 1) / 100 + 1
    } else {
        year / 100 - 1
    }
}

fn iso_day_of_year(day: i64) -> i64 {
    let (_, week) = iso_week(day);
    (week - 1) * 7 + day - monday(day) + 1
}

/// The Julian day; an interval counts from a date of its fields.
fn julian(moment: &Moment) -> i64 {
    const FIRST: i64 = 2_451_545;
    if let Some(day) = moment.day {
        return day + FIRST;
    }
    let (mut year, mut month) = (moment.year, moment.month);
    if month > 2 {
        month += 1;
        year += 4800;
    } else {
        month += 13;
        year += 4799;
    }
    let century = year / 100;
    year * 365 - 32_167 + year / 4 - century
        + century / 4
        + 7_834 * month / 256
        + moment.day_of_month
}

/// A field that is text.
fn word(moment: &Moment, pattern: &Pattern) -> SqlResult<String> {
    let fill = !pattern.trimmed && !pattern.translated;
    let full = |name: &str| {
        if fill {
            format!("{name:<9}")
        } else {
            name.to_owned()
        }
    };
    let afternoon = moment.hour().rem_euclid(24) >= 12;
    let pair = |points: bool, second: bool, words: [&str; 4]| {
        let index = usize::from(second) + if points { 2 } else { 0 };
        words.get(index).copied().unwrap_or_default().to_owned()
    };
    let month = named(&MONTHS, moment.month - 1);
    let text = match pattern.field {
        Field::HalfDay { points } => pair(points, afternoon, ["AM", "PM", "A.M.", "P.M."]),
        Field::Era { points } => {
            moment.date()?;
            pair(points, moment.year <= 0, ["AD", "BC", "A.D.", "B.C."])
        }
        Field::MonthName => {
            moment.date()?;
            full(month)
        }
        Field::MonthShort => {
            moment.date()?;
            short(month).to_owned()
        }
        Field::DayName => full(named(&DAYS, weekday(moment.date()?))),
        Field::DayShort => short(named(&DAYS, weekday(moment.date()?))).to_owned(),
        Field::RomanMonth => roman_month(moment, fill),
        Field::YearWithComma => return with_comma(moment, pattern),
        other => return zone_text(moment, other, pattern),
    };
    Ok(cased(&text, pattern.case))
}

/// A month in Roman digits; months of an interval before none count from the end.
fn roman_month(moment: &Moment, fill: bool) -> String {
    let (year, month) = (moment.year, moment.month);
    if month == 0 && year == 0 {
        return String::new();
    }
    let index = match month {
        0 if year >= 0 => 0,
        0 => 11,
        month if month < 0 => -(month + 1),
        month => 12 - month,
    };
    let name = named(&ROMAN, index);
    if fill {
        format!("{name:<4}")
    } else {
        name.to_owned()
    }
}

fn with_comma(moment: &Moment, pattern: &Pattern) -> SqlResult<String> {
    let year = moment.shown_year(moment.year);
    let thousands = year / 1_000;
    let mut text = format!("{thousands},{:03}", year - thousands * 1_000);
    if let Some(case) = pattern.ordinal {
        text.push_str(ordinal(&text, case == Case::Upper)?);
    }
    Ok(text)
}

/// The zone or its offset.
fn zone_text(moment: &Moment, field: Field, pattern: &Pattern) -> SqlResult<String> {
    if !field.is_zone() {
        return Ok(String::new());
    }
    moment.date()?;
    let sign = if moment.offset < 0 { '-' } else { '+' };
    let seconds = moment.offset.abs();
    let (hours, minutes) = (seconds / 3_600, seconds % 3_600 / 60);
    Ok(match field {
        Field::ZoneName if pattern.case == Case::Lower => moment.zone.to_lowercase(),
        Field::ZoneName => moment.zone.clone(),
        Field::ZoneHour => format!("{sign}{hours:02}"),
        Field::ZoneMinute => format!("{minutes:02}"),
        _ => {
            let hours = if pattern.trimmed {
                hours.to_string()
            } else {
                format!("{hours:02}")
            };
            if seconds % 3_600 == 0 {
                format!("{sign}{hours}")
            } else {
                format!("{sign}{hours}:{minutes:02}")
            }
        }
    })
}
