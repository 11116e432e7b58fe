//! Reads the fields of a template out of a text.

use super::names::{DAYS, MONTHS, ROMAN, short};
use super::template::{Calendar, Field, Node, Pattern, is_separator};
use crate::error::{SqlError, SqlResult, state};

/// What a text says; 0 for what it does not say.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) calendar: Option<Calendar>,
    pub(super) hour: i32,
    pub(super) afternoon: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) seconds_of_day: i32,
    /// 1 to 7, Sunday first.
    pub(super) weekday: i32,
    pub(super) day: i32,
    pub(super) day_of_year: i32,
    pub(super) month: i32,
    pub(super) millis: i32,
    pub(super) micros: i32,
    pub(super) year: i32,
    /// Digits of the pattern that gave the year.
    pub(super) year_digits: u8,
    pub(super) before_christ: i32,
    pub(super) week: i32,
    pub(super) week_of_month: i32,
    pub(super) century: i32,
    pub(super) julian: i32,
    pub(super) twelve_hours: bool,
    /// -1 or 1 when there is a zone.
    pub(super) zone_sign: i32,
    pub(super) zone_hours: i32,
    pub(super) zone_minutes: i32,
    /// Digits of the last `FF` pattern.
    pub(super) fraction_digits: Option<u8>,
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_DATETIME_FORMAT, message)
}

/// The fields of `text` by a template; `strict` as the SQL standard wants it.
///
/// # Errors
/// 22007 for a text that does not suit the template.
pub(super) fn read(text: &str, nodes: &[Node], strict: bool) -> SqlResult<Read> {
    let mut reader = Reader {
        text,
        at: 0,
        nodes,
        exact: strict,
        strict,
        skipped: 0,
        read: Read::default(),
    };
    let mut index = 0;
    while let Some(node) = nodes.get(index) {
        if reader.rest().is_empty() {
            break;
        }
        reader.node(index, node)?;
        index += 1;
    }
    if strict {
        if index < nodes.len() {
            return Err(invalid("input string is too short for datetime format"));
        }
        reader.blanks();
        if !reader.rest().is_empty() {
            return Err(invalid(
                "trailing characters remain in input string after datetime format",
            ));
        }
    }
    Ok(reader.read)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: &'a [Node],
    /// Everything has its width.
    exact: bool,
    strict: bool,
    /// Characters that were skipped beyond those of the template.
    skipped: i32,
    read: Read,
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Sets a field, which must not say two things.
fn set(field: &mut i32, value: i32, pattern: &Pattern) -> SqlResult<()> {
    if *field != 0 && *field != value {
        return Err(invalid(format!(
            "conflicting values for \"{}\" field in formatting string",
            pattern.word
        ))
        .detail("This value contradicts a previous setting for the same field type."));
    }
    *field = value;
    Ok(())
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over one character.
    fn step(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// Steps over blanks; how many there were.
    fn blanks(&mut self) -> i32 {
        let count = self.rest().bytes().take_while(|b| is_space(*b)).count();
        self.at += count;
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    fn node(&mut self, index: usize, node: &Node) -> SqlResult<()> {
        let is_field = matches!(node, Node::Pattern(_));
        if !self.exact && *node != Node::Exact && (is_field || index == 0) {
            self.skipped += self.blanks();
        }
        match node {
            Node::Space(c) | Node::Separator(c) => self.separator(*c),
            Node::Text(c) => self.literal(*c),
            Node::Exact => {
                self.exact = true;
                Ok(())
            }
            Node::Pattern(pattern) => {
                self.calendar(pattern.field)?;
                self.field(index, pattern)?;
                if !self.exact {
                    self.skipped = self.blanks();
                }
                Ok(())
            }
        }
    }

    fn separator(&mut self, wanted: char) -> SqlResult<()> {
        let Some(next) = self.rest().chars().next() else {
            return Ok(());
        };
        if self.strict {
            if next != wanted {
                return Err(invalid(format!("unmatched format separator \"{wanted}\"")));
            }
            self.step();
        } else if self.exact {
            self.step();
        } else {
            self.skipped -= 1;
            if next.is_ascii_whitespace() || is_separator(next) {
                self.step();
                self.skipped += 1;
            }
        }
        Ok(())
    }

    fn literal(&mut self, wanted: char) -> SqlResult<()> {
        if self.exact {
            if self.strict && !self.rest().starts_with(wanted) {
                return Err(invalid(format!("unmatched format character \"{wanted}\"")));
            }
            self.step();
        } else if self.skipped > 0 {
            // It may have been stepped over with the blanks before.
            self.skipped -= 1;
        } else {
            self.step();
        }
        Ok(())
    }

    fn calendar(&mut self, field: Field) -> SqlResult<()> {
        let Some(calendar) = field.calendar() else {
            return Ok(());
        };
        match self.read.calendar {
            Some(other) if other != calendar => Err(invalid(
                "invalid combination of date conventions",
            )
            .hint("Do not mix Gregorian and ISO week date conventions in a formatting template.")),
            _ => {
                self.read.calendar = Some(calendar);
                Ok(())
            }
        }
    }

    fn field(&mut self, index: usize, pattern: &Pattern) -> SqlResult<()> {
        if pattern.field.is_time() {
            return self.time_field(index, pattern);
        }
        if pattern.field.is_zone() {
            return self.zone_field(index, pattern);
        }
        if let Field::Year(_) | Field::IsoYear(_) | Field::YearWithComma = pattern.field {
            return self.year_field(index, pattern);
        }
        let ordinal = pattern.ordinal.is_some();
        match pattern.field {
            Field::Era { points } => {
                let words: &[&str] = if points {
                    &["A.D.", "B.C."]
                } else {
                    &["AD", "BC"]
                };
                let found = self.name(words.iter().copied(), pattern)?;
                return set(&mut self.read.before_christ, found, pattern);
            }
            Field::MonthName | Field::MonthShort => {
                let full = pattern.field == Field::MonthName;
                let names = MONTHS.iter().map(|n| if full { *n } else { short(n) });
                let found = self.name(names, pattern)?;
                return set(&mut self.read.month, found + 1, pattern);
            }
            Field::DayName | Field::DayShort => {
                let full = pattern.field == Field::DayName;
                let names = DAYS.iter().map(|n| if full { *n } else { short(n) });
                let found = self.name(names, pattern)?;
                set(&mut self.read.weekday, found, pattern)?;
                self.read.weekday += 1;
                return Ok(());
            }
            Field::RomanMonth => {
                let found = self.name(ROMAN.iter().copied(), pattern)?;
                return set(&mut self.read.month, 12 - found, pattern);
            }
            _ => {}
        }
        let width = match pattern.field {
            Field::IsoDayOfYear => 3,
            Field::IsoWeekday => 1,
            _ => pattern.word.len(),
        };
        let (value, _) = self.integer(index, pattern, width)?;
        let read = &mut self.read;
        match pattern.field {
            Field::Month => set(&mut read.month, value, pattern)?,
            Field::DayOfMonth => set(&mut read.day, value, pattern)?,
            Field::DayOfYear | Field::IsoDayOfYear => set(&mut read.day_of_year, value, pattern)?,
            Field::Weekday => set(&mut read.weekday, value, pattern)?,
            Field::IsoWeekday => {
                set(&mut read.weekday, value, pattern)?;
                read.weekday = if value + 1 > 7 { 1 } else { value + 1 };
            }
            Field::Week | Field::IsoWeek => set(&mut read.week, value, pattern)?,
            Field::WeekOfMonth => set(&mut read.week_of_month, value, pattern)?,
            Field::Century => set(&mut read.century, value, pattern)?,
            Field::Julian => set(&mut read.julian, value, pattern)?,
            // A quarter says too little about a date to be used.
            _ => {}
        }
        self.ordinal(ordinal);
        Ok(())
    }

    /// Steps over the ending of an ordinal number.
    fn ordinal(&mut self, ordinal: bool) {
        if ordinal {
            self.step();
            self.step();
        }
    }

    fn time_field(&mut self, index: usize, pattern: &Pattern) -> SqlResult<()> {
        if let Field::HalfDay { points } = pattern.field {
            let words: &[&str] = if points {
                &["A.M.", "P.M."]
            } else {
                &["AM", "PM"]
            };
            let found = self.name(words.iter().copied(), pattern)?;
            self.read.twelve_hours = true;
            return set(&mut self.read.afternoon, found, pattern);
        }
        let width = match pattern.field {
            Field::Milliseconds => 3,
            Field::Microseconds => 6,
            Field::Fraction(digits) => usize::from(digits),
            Field::Hour12 | Field::Hour24 => 2,
            _ => pattern.word.len(),
        };
        let (value, used) = self.integer(index, pattern, width)?;
        let scaled = |digits: usize| {
            let missing = u32::try_from(digits.saturating_sub(used)).unwrap_or(0);
            value.saturating_mul(10i32.pow(missing))
        };
        let read = &mut self.read;
        match pattern.field {
            Field::Hour12 => {
                set(&mut read.hour, value, pattern)?;
                read.twelve_hours = true;
            }
            Field::Hour24 => set(&mut read.hour, value, pattern)?,
            Field::Minute => set(&mut read.minute, value, pattern)?,
            Field::Second => set(&mut read.second, value, pattern)?,
            Field::SecondsOfDay => set(&mut read.seconds_of_day, value, pattern)?,
            Field::Milliseconds => {
                set(&mut read.millis, value, pattern)?;
                read.millis = scaled(3);
            }
            Field::Fraction(digits) => {
                set(&mut read.micros, value, pattern)?;
                read.fraction_digits = Some(digits);
                read.micros = scaled(6);
            }
            _ => {
                set(&mut read.micros, value, pattern)?;
                read.micros = scaled(6);
            }
        }
        self.ordinal(pattern.ordinal.is_some());
        Ok(())
    }

    fn zone_field(&mut self, index: usize, pattern: &Pattern) -> SqlResult<()> {
        match pattern.field {
            Field::ZoneHour => {
                match self.byte() {
                    Some(byte @ (b'+' | b'-' | b' ')) => {
                        self.read.zone_sign = if byte == b'-' { -1 } else { 1 };
                        self.at += 1;
                    }
                    _ => {
                        // The sign may have been taken for a separator.
                        let before = self.at.checked_sub(1);
                        let before = before.and_then(|at| self.text.as_bytes().get(at));
                        let minus = self.skipped > 0 && before == Some(&b'-');
                        self.read.zone_sign = if minus { -1 } else { 1 };
                    }
                }
                let (value, _) = self.integer(index, pattern, 2)?;
                set(&mut self.read.zone_hours, value, pattern)
            }
            Field::ZoneMinute => {
                if self.read.zone_sign == 0 {
                    self.read.zone_sign = 1;
                }
                let (value, _) = self.integer(index, pattern, 2)?;
                set(&mut self.read.zone_minutes, value, pattern)
            }
            _ => Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!(
                    "formatting field \"{}\" is only supported in to_char",
                    pattern.word
                ),
            )),
        }
    }

    fn year_field(&mut self, index: usize, pattern: &Pattern) -> SqlResult<()> {
        let digits = match pattern.field {
            Field::Year(digits) | Field::IsoYear(digits) => digits,
            _ => {
                let year = self.year_with_comma()?;
                set(&mut self.read.year, year, pattern)?;
                self.read.year_digits = 4;
                self.ordinal(pattern.ordinal.is_some());
                return Ok(());
            }
        };
        let (value, used) = self.integer(index, pattern, usize::from(digits))?;
        set(&mut self.read.year, value, pattern)?;
        if digits < 4 && used < 4 {
            self.read.year = nearest_to_2020(value);
        }
        self.read.year_digits = digits;
        self.ordinal(pattern.ordinal.is_some());
        Ok(())
    }

    fn year_with_comma(&mut self) -> SqlResult<i32> {
        let fault = || invalid("invalid input string for \"Y,YYY\"");
        self.blanks();
        let (thousands, used) = leading_integer(self.rest()).ok_or_else(fault)?;
        let after = self.rest().get(used..).unwrap_or_default();
        let after = after.strip_prefix(',').ok_or_else(fault)?;
        let digits = after.bytes().take(3).take_while(u8::is_ascii_digit).count();
        let rest: i64 = after
            .get(..digits)
            .and_then(|d| d.parse().ok())
            .ok_or_else(fault)?;
        self.at += used + 1 + digits;
        i32::try_from(thousands.saturating_mul(1_000).saturating_add(rest)).map_err(|_| fault())
    }

    /// A name of several, without regard to its case; which one it is.
    fn name(
        &mut self,
        mut names: impl Iterator<Item = &'static str>,
        pattern: &Pattern,
    ) -> SqlResult<i32> {
        let rest = self.rest();
        let found = names.position(|name| {
            let start = rest.get(..name.len());
            let matches = start.is_some_and(|start| start.eq_ignore_ascii_case(name));
            if matches {
                self.at += name.len();
            }
            matches
        });
        found.and_then(|i| i32::try_from(i).ok()).ok_or_else(|| {
            let shown: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
            invalid(format!(
                "invalid value \"{shown}\" for \"{}\"",
                pattern.word
            ))
            .detail("The given value did not match any of the allowed values for this field.")
        })
    }

    /// Whether what follows a node ends a number.
    fn ends_number(&self, index: usize, pattern: &Pattern) -> bool {
        if pattern.ordinal.is_some() {
            return true;
        }
        match self.nodes.get(index + 1) {
            Some(Node::Pattern(next)) => !next.field.is_digits(),
            Some(Node::Text(c) | Node::Separator(c) | Node::Space(c)) => !c.is_ascii_digit(),
            Some(Node::Exact) | None => true,
        }
    }

    /// A number: of `width` digits, or as many as there are when something else
    /// comes next. Also how many bytes it takes.
    fn integer(
        &mut self,
        index: usize,
        pattern: &Pattern,
        width: usize,
    ) -> SqlResult<(i32, usize)> {
        let start = self.at;
        self.blanks();
        let rest = self.rest();
        let word = pattern.word;
        let greedy = pattern.trimmed || self.ends_number(index, pattern);
        let (value, used) = if greedy {
            leading_integer(rest).unwrap_or((0, 0))
        } else {
            let left = rest.len();
            if left < width {
                return Err(invalid(format!(
                    "source string too short for \"{word}\" formatting field"
                ))
                .detail(format!(
                    "Field requires {width} characters, but only {left} remain."
                ))
                .hint(NOT_FIXED));
            }
            let end = (0..=width).rev().find(|end| rest.is_char_boundary(*end));
            let copy = rest.get(..end.unwrap_or(0)).unwrap_or_default();
            let (value, used) = leading_integer(copy).unwrap_or((0, 0));
            if used > 0 && used < width {
                return Err(invalid(format!("invalid value \"{copy}\" for \"{word}\""))
                    .detail(format!(
                        "Field requires {width} characters, but only {used} could be parsed."
                    ))
                    .hint(NOT_FIXED));
            }
            (value, used)
        };
        if used == 0 {
            let shown: String = rest.chars().take(width.max(1)).collect();
            return Err(invalid(format!("invalid value \"{shown}\" for \"{word}\""))
                .detail("Value must be an integer."));
        }
        self.at += used;
        let value = i32::try_from(value).map_err(|_| {
            SqlError::new(
                state::DATETIME_VALUE_OUT_OF_RANGE,
                format!("value for \"{word}\" in source string is out of range"),
            )
            .detail("Value must be in the range -2147483648 to 2147483647.")
        })?;
        Ok((value, self.at - start))
    }
}

const NOT_FIXED: &str = "If your source string is not fixed-width, try using the \"FM\" modifier.";

/// The number at the beginning of a text and how many bytes it has.
fn leading_integer(text: &str) -> Option<(i64, usize)> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text
        .bytes()
        .skip(sign)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits == 0 {
        return None;
    }
    let used = sign + digits;
    let negative = text.starts_with('-');
    let value = text.get(sign..used)?.parse().unwrap_or(i64::MAX);
    Some((if negative { -value } else { value }, used))
}

/// A year of fewer than four digits as the one nearest to 2020.
fn nearest_to_2020(year: i32) -> i32 {
    match year {
        ..70 => year.saturating_add(2000),
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}
