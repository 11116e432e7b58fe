//! Reads the values of settings.

use crate::error::{SqlError, state};
use crate::txn::IsolationLevel;

/// The isolation level that a setting names.
///
/// # Errors
/// 22023 for anything else.
pub(in super::super) fn parse_isolation(
    name: &str,
    value: &str,
) -> Result<IsolationLevel, SqlError> {
    match value.to_ascii_lowercase().as_str() {
        "read committed" | "read uncommitted" => Ok(IsolationLevel::ReadCommitted),
        "repeatable read" => Ok(IsolationLevel::RepeatableRead),
        "serializable" => Ok(IsolationLevel::Serializable),
        _ => Err(invalid(name, value).hint(
            "Available values: serializable, repeatable read, read committed, read uncommitted.",
        )),
    }
}

/// The schemas that a search path names, for a user: names with commas between
/// them, in small letters unless they are quoted.
pub(super) fn search_path(value: &str, user: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut characters = value.chars().peekable();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                name.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c if quoted => name.push(c),
            c if c.is_whitespace() => {}
            c => name.extend(c.to_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    for name in &mut names {
        if name == "$user" {
            user.clone_into(name);
        }
    }
    names
}

/// A switch: a word for yes or no, or the beginning of one.
pub(in super::super) fn boolean(name: &str, value: &str) -> Result<bool, SqlError> {
    let word = value.trim().to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        return Ok(true);
    }
    if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        return Ok(false);
    }
    Err(SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("parameter \"{name}\" requires a Boolean value"),
    ))
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

/// UTF-8 is the only encoding.
pub(super) fn client_encoding(value: &str) -> Result<String, SqlError> {
    // Only letters and digits count: drivers write 'utf-8' with quotes.
    let plain: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "utf8" | "unicode" | "auto" | "default" => Ok("UTF8".to_owned()),
        other if is_encoding(other) => {
            Err(SqlError::unsupported(format!("client_encoding {value}")))
        }
        _ => Err(invalid("client_encoding", value)),
    }
}

/// 22023 for a value that a setting cannot have.
pub(super) fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}
