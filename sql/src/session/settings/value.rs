//! Reads the values of settings.

use std::time::Duration;

use chrono_tz::Tz;

use crate::error::{SqlError, state};
use crate::txn::IsolationLevel;

/// The isolation level that a setting names.
///
/// # Errors
/// 22023 for anything else, 0A000 for serializable.
pub(in super::super) fn parse_isolation(value: &str) -> Result<IsolationLevel, SqlError> {
    match value.to_ascii_lowercase().as_str() {
        "read committed" | "read uncommitted" => Ok(IsolationLevel::ReadCommitted),
        "repeatable read" => Ok(IsolationLevel::RepeatableRead),
        "serializable" => Ok(IsolationLevel::Serializable),
        _ => Err(invalid("transaction_isolation", value)),
    }
}

/// The schemas that a search path names, for a user.
pub(super) fn search_path(value: &str, user: &str) -> Vec<String> {
    value
        .split(',')
        .map(|part| part.trim().trim_matches(['"', '\'']))
        .filter(|part| !part.is_empty())
        .map(|part| if part == "$user" { user } else { part })
        .map(str::to_owned)
        .collect()
}

/// The time zone of that name.
pub(super) fn time_zone(value: &str) -> Result<Tz, SqlError> {
    let plain = value.trim();
    if plain.eq_ignore_ascii_case("default") || plain.eq_ignore_ascii_case("local") {
        return Ok(Tz::UTC);
    }
    chrono_tz::TZ_VARIANTS
        .iter()
        .copied()
        .find(|tz| tz.name().eq_ignore_ascii_case(plain))
        .ok_or_else(|| invalid("TimeZone", value))
}

/// A duration setting: a number of milliseconds, or with a unit. Zero is none.
pub(super) fn duration(name: &str, value: &str) -> Result<Option<Duration>, SqlError> {
    let value = value.trim();
    let split = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (digits, unit) = value.split_at(split);
    let number: u64 = digits.parse().map_err(|_| invalid(name, value))?;
    let ms = match unit.trim() {
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    match ms {
        Some(0) => Ok(None),
        Some(ms) if ms <= i32::MAX as u64 => Ok(Some(Duration::from_millis(ms))),
        _ => Err(invalid(name, value)),
    }
}

/// A switch.
pub(super) fn boolean(name: &str, value: &str) -> Result<bool, SqlError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("parameter \"{name}\" requires a Boolean value"),
        )),
    }
}

/// A switch as it is shown.
pub(super) fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

/// Accepts the one value that is followed (0A000 for any other).
pub(super) fn only(name: &str, value: &str, supported: &str) -> Result<(), SqlError> {
    if value.eq_ignore_ascii_case(supported) {
        return Ok(());
    }
    Err(SqlError::unsupported(format!("{name} = {value}")))
}

/// Whether PostgreSQL knows an encoding of that name, in small letters and
/// without hyphens and underscores.
pub(super) fn is_encoding(name: &str) -> bool {
    const FAMILIES: [&str; 7] = ["latin", "win", "windows", "iso8859", "koi8", "euc", "alt"];
    const OTHERS: [&str; 10] = [
        "sqlascii",
        "sjis",
        "shiftjis",
        "shiftjis2004",
        "big5",
        "gbk",
        "uhc",
        "gb18030",
        "johab",
        "muleinternal",
    ];
    OTHERS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// 22023 for a value that a setting cannot have.
pub(super) fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}
