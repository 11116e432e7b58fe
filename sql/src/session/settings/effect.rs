//! What a setting does when it is set.

use super::known::is_tuning;
use super::size::work_mem;
use super::value::{
    boolean, duration, invalid, is_encoding, on_off, only, parse_isolation, search_path, time_zone,
};
use super::{Settings, unknown};
use crate::error::{SqlError, state};

impl Settings {
    /// Carries a setting out; gives the text to remember.
    pub(super) fn take_effect(&mut self, lower: &str, value: &str) -> Result<String, SqlError> {
        match lower {
            "timezone" => {
                self.time_zone = time_zone(value)?;
                return Ok(self.time_zone.name().to_owned());
            }
            "statement_timeout" => self.statement_timeout = duration(lower, value)?,
            "lock_timeout" => self.lock_timeout = duration(lower, value)?,
            "deadlock_timeout" => {
                self.deadlock_timeout = duration(lower, value)?.ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_PARAMETER_VALUE,
                        "0 ms is outside the valid range for parameter \"deadlock_timeout\" (1 ms .. 2147483647 ms)",
                    )
                })?;
            }
            "kimberlite.fast_path" => self.fast_path = boolean(lower, value)?,
            "work_mem" => {
                let (bytes, text) = work_mem(value)?;
                self.work_mem = bytes;
                return Ok(text);
            }
            "search_path" => self.look_in(search_path(value, &self.user)),
            _ => return accepted(lower, value),
        }
        Ok(value.to_owned())
    }
}

/// The text to remember of a setting that has no effect of its own, if its
/// value is one that is followed.
fn accepted(lower: &str, value: &str) -> Result<String, SqlError> {
    match lower {
        "client_encoding" => return client_encoding(value),
        "datestyle" => return date_style(value),
        "standard_conforming_strings" => {
            if !boolean(lower, value)? {
                return Err(SqlError::unsupported("standard_conforming_strings = off"));
            }
        }
        "row_security" => {
            boolean(lower, value)?;
        }
        "default_table_access_method" => only(lower, value, "heap")?,
        "bytea_output" => only(lower, value, "hex")?,
        "intervalstyle" => only(lower, value, "postgres")?,
        "default_transaction_isolation" | "transaction_isolation" => {
            parse_isolation(value)?;
            return Ok(value.to_ascii_lowercase());
        }
        "default_transaction_deferrable"
        | "default_transaction_read_only"
        | "transaction_read_only" => {
            return Ok(on_off(boolean(lower, value)?));
        }
        "extra_float_digits" => float_digits(lower, value)?,
        "application_name" | "client_min_messages" | "synchronous_commit" => {}
        other if is_tuning(other) || other.contains('.') => {}
        other => return Err(unknown(other)),
    }
    Ok(value.to_owned())
}

/// UTF-8 is the only encoding.
fn client_encoding(value: &str) -> Result<String, SqlError> {
    // Only letters and digits count: drivers write 'utf-8' with quotes.
    let plain: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "utf8" | "unicode" | "auto" => Ok("UTF8".to_owned()),
        other if is_encoding(other) => {
            Err(SqlError::unsupported(format!("client_encoding {value}")))
        }
        _ => Err(invalid("client_encoding", value)),
    }
}

/// Dates are written as ISO 8601 says.
fn date_style(value: &str) -> Result<String, SqlError> {
    let wanted = value.to_ascii_lowercase();
    if wanted
        .split(',')
        .any(|p| !matches!(p.trim(), "iso" | "mdy" | "default"))
    {
        return Err(SqlError::unsupported(format!("DateStyle {value}")));
    }
    Ok("ISO, MDY".to_owned())
}

/// Floats are written with as many digits as it takes to read them back.
fn float_digits(name: &str, value: &str) -> Result<(), SqlError> {
    let digits: i32 = value.trim().parse().map_err(|_| invalid(name, value))?;
    if !(-15..=3).contains(&digits) {
        return Err(invalid(name, value));
    }
    if digits < 1 {
        return Err(SqlError::unsupported("extra_float_digits below 1"));
    }
    Ok(())
}
