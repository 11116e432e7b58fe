//! DateStyle and TimeZone: settings with a small language of their own.

use super::Styles;
use super::value::invalid;
use crate::error::{SqlError, state};
use crate::types::{DateOrder, DateStyle, TimeZone};

/// Reads a DateStyle; what it leaves open stays as it is in `styles`.
///
/// # Errors
/// 22023 for unknown words and for several that contradict each other.
pub(super) fn date_style(value: &str, styles: &mut Styles) -> Result<(), SqlError> {
    let (mut style, mut order): (Option<DateStyle>, Option<DateOrder>) = (None, None);
    let conflicting =
        || invalid("DateStyle", value).detail("Conflicting \"datestyle\" specifications.");
    for word in value.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let word = word.trim_matches('"');
        let lower = word.to_ascii_lowercase();
        let mut is = (None, None);
        match lower.as_str() {
            "iso" => is.0 = Some(DateStyle::Iso),
            "sql" => is.0 = Some(DateStyle::Sql),
            "german" => is.0 = Some(DateStyle::German),
            "ymd" => is.1 = Some(DateOrder::Ymd),
            "dmy" => is.1 = Some(DateOrder::Dmy),
            "mdy" | "us" => is.1 = Some(DateOrder::Mdy),
            "default" => {
                style = style.or(Some(DateStyle::Iso));
                order = order.or(Some(DateOrder::Mdy));
            }
            lower if lower.starts_with("postgres") => is.0 = Some(DateStyle::Postgres),
            lower if lower.starts_with("euro") => is.1 = Some(DateOrder::Dmy),
            lower if lower.starts_with("noneuro") => is.1 = Some(DateOrder::Mdy),
            _ => {
                return Err(invalid("DateStyle", value)
                    .detail(format!("Unrecognized key word: \"{word}\".")));
            }
        }
        if let Some(new) = is.0 {
            if style.is_some_and(|old| old != new) {
                return Err(conflicting());
            }
            style = Some(new);
            // Germans write the day first, unless told otherwise.
            if new == DateStyle::German && order.is_none() {
                styles.order = DateOrder::Dmy;
            }
        }
        if let Some(new) = is.1 {
            if order.is_some_and(|old| old != new) {
                return Err(conflicting());
            }
            order = Some(new);
        }
    }
    styles.date = style.unwrap_or(styles.date);
    styles.order = order.unwrap_or(styles.order);
    Ok(())
}

/// DateStyle as it is shown.
pub(super) fn date_style_text(styles: &Styles) -> String {
    let style = match styles.date {
        DateStyle::Iso => "ISO",
        DateStyle::Sql => "SQL",
        DateStyle::Postgres => "Postgres",
        DateStyle::German => "German",
    };
    let order = match styles.order {
        DateOrder::Mdy => "MDY",
        DateOrder::Dmy => "DMY",
        DateOrder::Ymd => "YMD",
    };
    format!("{style}, {order}")
}

/// Reads a TimeZone: a name, hours to the east, or an offset as POSIX has it, to
/// the west. Gives what is shown too.
///
/// # Errors
/// 22023; 0A000 for POSIX zones with summer time.
pub(super) fn time_zone(value: &str) -> Result<(TimeZone, String), SqlError> {
    let text = value.trim();
    let wrong = || invalid("TimeZone", value);
    if text.eq_ignore_ascii_case("default") || text.eq_ignore_ascii_case("local") {
        return time_zone("UTC");
    }
    if let Ok(hours) = text.parse::<f64>() {
        let seconds = hours * 3600.0;
        if seconds.is_nan() || seconds.abs() > 167.0 * 3600.0 {
            return Err(wrong().detail("UTC timezone offset is out of range."));
        }
        // In range, as was just seen.
        let zone = TimeZone::Fixed(seconds as i32);
        return Ok((zone, zone.name()));
    }
    let named = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(text));
    if let Some(zone) = named {
        return Ok((TimeZone::Named(*zone), zone.name().to_owned()));
    }
    posix(text).map_or_else(|| Err(wrong()), |zone| Ok((zone?, text.to_owned())))
}

/// `FOO+3`, `<-03>+3`, `+02:00`; none for anything else.
fn posix(text: &str) -> Option<Result<TimeZone, SqlError>> {
    let rest = match text.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?.1,
        None => {
            let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
            if letters != 0 && letters < 3 {
                return None;
            }
            text.get(letters..)?
        }
    };
    let (sign, digits) = match rest.as_bytes().first()? {
        b'-' => (1, rest.get(1..)?),
        b'+' => (-1, rest.get(1..)?),
        _ => (-1, rest),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ':');
    let (offset, summer) = digits.split_at(end.unwrap_or(digits.len()));
    let mut parts = offset.split(':');
    let mut seconds: i32 = 0;
    for (unit, most) in [(3600, 167), (60, 59), (1, 59)] {
        if let Some(part) = parts.next() {
            let number: i32 = part.parse().ok()?;
            if number > most {
                return None;
            }
            seconds += number * unit;
        }
    }
    if parts.next().is_some() {
        return None;
    }
    if !summer.is_empty() {
        return Some(Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("the time zone {text} is not supported: POSIX rules for summer time"),
        )));
    }
    Some(Ok(TimeZone::Fixed(sign * seconds)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    /// Expected values: SHOW on PostgreSQL 15.
    #[test]
    fn zones_are_read_and_shown_as_postgresql_does() {
        for (value, east, text) in [
            ("-5", -18_000, "<-05>+05"),
            ("-7.5", -27_000, "<-07:30>+07:30"),
            ("+02:00", -7_200, "+02:00"),
            ("FOO+3", -10_800, "FOO+3"),
            ("<-03>+3", -10_800, "<-03>+3"),
            ("utc", 0, "UTC"),
            ("EST", -18_000, "EST"),
        ] {
            let (zone, shown) = time_zone(value).unwrap();
            assert_eq!((zone.offset_at(0), shown.as_str()), (east, text), "{value}");
        }
        for value in ["PST", "200", "", "Mars/Olympus", "+02:00:00:00"] {
            assert_eq!(time_zone(value).unwrap_err().sqlstate(), "22023", "{value}");
        }
        let error = time_zone("CET-1CEST").unwrap_err();
        assert_eq!(error.sqlstate(), "0A000");
    }

    #[test]
    fn date_styles() {
        let mut styles = Styles::default();
        for (value, text) in [
            ("sql", "SQL, MDY"),
            ("ymd", "SQL, YMD"),
            ("european", "SQL, DMY"),
            ("us,german", "German, MDY"),
            ("postgresql, noneuropean", "Postgres, MDY"),
            ("german", "German, DMY"),
            ("iso", "ISO, DMY"),
            ("default", "ISO, MDY"),
            ("", "ISO, MDY"),
        ] {
            date_style(value, &mut styles).unwrap();
            assert_eq!(date_style_text(&styles), text, "{value}");
        }
        for value in ["foo", "iso, sql", "mdy,dmy"] {
            let error = date_style(value, &mut styles.clone()).unwrap_err();
            assert_eq!(error.sqlstate(), "22023", "{value}");
        }
    }
}
