//! The template of a date or time, taken apart.

use crate::error::{SqlError, SqlResult, state};

/// How letters are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// A field of a date or time, or a date's era.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field {
    /// `AD`, `BC`, with points or without
    Era {
        points: bool,
    },
    /// `AM`, `PM`, with points or without
    HalfDay {
        points: bool,
    },
    Century,
    DayName,
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    DayOfMonth,
    Weekday,
    IsoWeekday,
    /// `FF1` to `FF6`
    Fraction(u8),
    Hour24,
    Hour12,
    IsoWeek,
    Julian,
    Minute,
    Month,
    MonthName,
    MonthShort,
    Milliseconds,
    OffsetText,
    Quarter,
    RomanMonth,
    SecondsOfDay,
    Second,
    ZoneName,
    ZoneHour,
    ZoneMinute,
    Microseconds,
    Week,
    WeekOfMonth,
    YearWithComma,
    /// `YYYY` to `Y`: how many digits
    Year(u8),
    /// `IYYY` to `I`
    IsoYear(u8),
}

/// Which calendar a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Calendar {
    Gregorian,
    IsoWeek,
}

impl Field {
    /// The calendar of the field, for those that only one has.
    pub(super) fn calendar(self) -> Option<Calendar> {
        Some(match self {
            Self::IsoDayOfYear | Self::IsoWeekday | Self::IsoWeek | Self::IsoYear(_) => {
                Calendar::IsoWeek
            }
            Self::DayOfYear
            | Self::DayOfMonth
            | Self::Weekday
            | Self::Month
            | Self::MonthName
            | Self::MonthShort
            | Self::RomanMonth
            | Self::Week
            | Self::WeekOfMonth
            | Self::YearWithComma
            | Self::Year(_) => Calendar::Gregorian,
            _ => return None,
        })
    }

    /// Whether the field is read as digits.
    pub(super) fn is_digits(self) -> bool {
        !matches!(
            self,
            Self::Era { .. }
                | Self::HalfDay { .. }
                | Self::DayName
                | Self::DayShort
                | Self::MonthName
                | Self::MonthShort
                | Self::OffsetText
                | Self::RomanMonth
                | Self::ZoneName
                | Self::ZoneHour
        )
    }

    /// Whether the field is one of the time of day.
    pub(super) fn is_time(self) -> bool {
        matches!(
            self,
            Self::HalfDay { .. }
                | Self::Fraction(_)
                | Self::Hour24
                | Self::Hour12
                | Self::Minute
                | Self::Milliseconds
                | Self::SecondsOfDay
                | Self::Second
                | Self::Microseconds
        )
    }

    /// Whether the field is one of the time zone.
    pub(super) fn is_zone(self) -> bool {
        matches!(
            self,
            Self::OffsetText | Self::ZoneName | Self::ZoneHour | Self::ZoneMinute
        )
    }
}

/// A field with what is written around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pattern {
    pub(super) field: Field,
    /// The keyword.
    pub(super) word: &'static str,
    pub(super) case: Case,
    /// `FM`: no padding.
    pub(super) trimmed: bool,
    /// `TM`: the names of the locale, not padded.
    pub(super) translated: bool,
    /// `TH` or `th` behind it.
    pub(super) ordinal: Option<Case>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Pattern(Pattern),
    /// `FX`: everything has its width.
    Exact,
    Space(char),
    Separator(char),
    Text(char),
}

/// Keywords in capitals, longer ones before their beginnings.
const KEYWORDS: [(&str, Field); 53] = [
    ("A.D.", Field::Era { points: true }),
    ("A.M.", Field::HalfDay { points: true }),
    ("AD", Field::Era { points: false }),
    ("AM", Field::HalfDay { points: false }),
    ("B.C.", Field::Era { points: true }),
    ("BC", Field::Era { points: false }),
    ("CC", Field::Century),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("DD", Field::DayOfMonth),
    ("DY", Field::DayShort),
    ("D", Field::Weekday),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("IDDD", Field::IsoDayOfYear),
    ("ID", Field::IsoWeekday),
    ("IW", Field::IsoWeek),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("I", Field::IsoYear(1)),
    ("J", Field::Julian),
    ("MI", Field::Minute),
    ("MM", Field::Month),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MS", Field::Milliseconds),
    ("OF", Field::OffsetText),
    ("P.M.", Field::HalfDay { points: true }),
    ("PM", Field::HalfDay { points: false }),
    ("Q", Field::Quarter),
    ("RM", Field::RomanMonth),
    ("SSSSS", Field::SecondsOfDay),
    ("SSSS", Field::SecondsOfDay),
    ("SS", Field::Second),
    ("TZH", Field::ZoneHour),
    ("TZM", Field::ZoneMinute),
    ("TZ", Field::ZoneName),
    ("US", Field::Microseconds),
    ("WW", Field::Week),
    ("W", Field::WeekOfMonth),
    ("Y,YYY", Field::YearWithComma),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
];

/// Keywords that may be written with a capital first.
const CAPITAL: [&str; 4] = ["DAY", "DY", "MONTH", "MON"];

/// Takes a template apart. With `strict` only the separators of the SQL standard
/// may stand between the fields.
///
/// # Errors
/// 22007 for another separator.
pub(super) fn nodes(text: &str, strict: bool) -> SqlResult<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = match pattern(rest) {
            Some((Some(pattern), after)) => {
                nodes.push(pattern);
                after
            }
            Some((None, after)) => plain(after, strict, &mut nodes)?,
            None => plain(rest, strict, &mut nodes)?,
        };
    }
    Ok(nodes)
}

/// A keyword at the beginning of a text, and how it is written.
fn keyword(rest: &str) -> Option<(&'static str, Field, Case)> {
    KEYWORDS.iter().find_map(|(word, field)| {
        let start = rest.get(..word.len())?;
        if !start.eq_ignore_ascii_case(word) {
            return None;
        }
        let case = if start == *word {
            Case::Upper
        } else if start == word.to_ascii_lowercase() {
            Case::Lower
        } else if CAPITAL.contains(word)
            && start.starts_with(|c: char| c.is_ascii_uppercase())
            && start.get(1..).is_some_and(|r| r == r.to_ascii_lowercase())
        {
            Case::Capital
        } else {
            return None;
        };
        Some((*word, *field, case))
    })
}

/// A field with its prefix and suffix, and what comes behind; no field for a prefix
/// of nothing, which is left out.
fn pattern(text: &str) -> Option<(Option<Node>, &str)> {
    let either = |text: &'_ str, word: &str| {
        text.starts_with(word) || text.starts_with(&word.to_ascii_lowercase())
    };
    let (mut rest, mut trimmed, mut translated) = (text, false, false);
    if either(rest, "FM") {
        trimmed = true;
    } else if either(rest, "TM") {
        translated = true;
    }
    if trimmed || translated {
        rest = rest.get(2..).unwrap_or_default();
    }
    if either(rest, "FX") {
        return Some((Some(Node::Exact), rest.get(2..).unwrap_or_default()));
    }
    let Some((word, field, case)) = keyword(rest) else {
        return (trimmed || translated).then_some((None, rest));
    };
    rest = rest.get(word.len()..).unwrap_or_default();
    let mut ordinal = None;
    if rest.starts_with("TH") {
        ordinal = Some(Case::Upper);
    } else if rest.starts_with("th") {
        ordinal = Some(Case::Lower);
    }
    if ordinal.is_some() || rest.starts_with("SP") {
        rest = rest.get(2..).unwrap_or_default();
    }
    let pattern = Pattern {
        field,
        word,
        case,
        trimmed,
        translated,
        ordinal,
    };
    Some((Some(Node::Pattern(pattern)), rest))
}

/// Text at the beginning that is no field; what comes behind.
fn plain<'a>(text: &'a str, strict: bool, nodes: &mut Vec<Node>) -> SqlResult<&'a str> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return Ok("");
    };
    if first == '"' {
        return Ok(quoted(chars.as_str(), nodes));
    }
    if strict {
        nodes.push(match first {
            ' ' => Node::Space(first),
            '-' | '.' | '/' | ',' | '\'' | ';' | ':' => Node::Separator(first),
            other => {
                return Err(SqlError::new(
                    state::INVALID_DATETIME_FORMAT,
                    format!("invalid datetime format separator: \"{other}\""),
                ));
            }
        });
        return Ok(chars.as_str());
    }
    let mut shown = first;
    if first == '\\' && chars.as_str().starts_with('"') {
        chars.next();
        shown = '"';
    }
    nodes.push(if is_separator(shown) {
        Node::Separator(shown)
    } else if shown.is_ascii_whitespace() {
        Node::Space(shown)
    } else {
        Node::Text(shown)
    });
    Ok(chars.as_str())
}

fn quoted<'a>(text: &'a str, nodes: &mut Vec<Node>) -> &'a str {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => nodes.push(Node::Text(chars.next().unwrap_or('\\'))),
            other => nodes.push(Node::Text(other)),
        }
    }
    chars.as_str()
}

/// Whether a character separates fields.
pub(super) fn is_separator(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_alphanumeric()
}
