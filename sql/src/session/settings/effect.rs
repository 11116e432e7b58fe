//! What a setting does when it is set.

use std::time::Duration;

use super::Settings;
use super::parameter::{of_server, parameter};
use super::style::{date_style, date_style_text, time_zone};
use super::value::{client_encoding, only, parse_isolation, search_path};
use super::{Shown, unknown};
use crate::cluster::ReadConsistency;
use crate::error::{Severity, SqlError, state};
use crate::types::IntervalStyle;

/// Settings of PostgreSQL whose other values would change results here, and are not
/// followed.
const AS_THEY_ARE: [&str; 8] = [
    "array_nulls",
    "default_table_access_method",
    "exit_on_error",
    "quote_all_identifiers",
    "session_replication_role",
    "standard_conforming_strings",
    "timezone_abbreviations",
    "transform_null_equals",
];

/// Settings that name a locale.
const LOCALES: [&str; 4] = ["lc_messages", "lc_monetary", "lc_numeric", "lc_time"];

impl Settings {
    /// Carries a setting out; gives the text to show.
    pub(super) fn take_effect(&mut self, lower: &str, value: &str) -> Result<Shown, SqlError> {
        match lower {
            "timezone" => {
                let (zone, shown) = time_zone(value)?;
                self.time_zone = zone;
                return Ok(Shown::plain(shown));
            }
            "datestyle" => {
                let mut styles = self.styles;
                date_style(value, &mut styles)?;
                self.styles = styles;
                return Ok(Shown::plain(date_style_text(&styles)));
            }
            "client_encoding" => return client_encoding(value).map(Shown::plain),
            "search_path" => {
                self.look_in(search_path(value, &self.user));
                return Ok(Shown::plain(value.to_owned()));
            }
            "kimberlite.fast_path" => {
                self.fast_path = super::value::boolean(lower, value)?;
                return Ok(Shown::plain(value.to_owned()));
            }
            "kimberlite.read_consistency" => {
                self.read_consistency = ReadConsistency::parse(value)?;
                return Ok(Shown::plain(value.to_ascii_lowercase()));
            }
            "default_transaction_isolation" | "transaction_isolation" => {
                let level = parse_isolation(lower, value)?;
                if lower == "default_transaction_isolation" {
                    self.transaction.isolation = level;
                }
                return Ok(Shown::plain(value.to_ascii_lowercase()));
            }
            _ => {}
        }
        let Some(parameter) = parameter(lower) else {
            return self.other(lower, value);
        };
        let (shown, raw) = parameter.value(value)?;
        let changed = parameter
            .value(parameter.boot)
            .is_ok_and(|boot| boot.0 != shown);
        if changed && AS_THEY_ARE.contains(&lower) {
            return Err(SqlError::unsupported(format!("{lower} = {value}")));
        }
        if LOCALES.contains(&lower) && !matches!(value, "" | "C" | "POSIX") {
            return Err(SqlError::unsupported(format!("{lower} = {value}")));
        }
        if matches!(lower, "default_tablespace" | "temp_tablespaces") && !value.is_empty() {
            only(lower, value, "pg_default")?;
        }
        self.follow(lower, &raw);
        Ok(Shown { value: shown, raw })
    }

    /// Carries out a parameter whose value is known to be good.
    fn follow(&mut self, lower: &str, raw: &str) {
        let milliseconds = || {
            raw.parse()
                .ok()
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis)
        };
        match lower {
            "statement_timeout" => self.statement_timeout = milliseconds(),
            "lock_timeout" => self.lock_timeout = milliseconds(),
            "idle_session_timeout" => self.idle_session = milliseconds(),
            "idle_in_transaction_session_timeout" => self.idle_in_transaction = milliseconds(),
            "deadlock_timeout" => {
                self.deadlock_timeout = milliseconds().unwrap_or(self.deadlock_timeout);
            }
            "work_mem" => {
                let kilobytes: usize = raw.parse().unwrap_or(0);
                self.work_mem = kilobytes.saturating_mul(1_024);
            }
            "default_transaction_read_only" => self.transaction.read_only = raw == "on",
            "default_transaction_deferrable" => self.transaction.deferrable = raw == "on",
            "client_min_messages" => {
                self.least_severity = match raw {
                    "log" => Severity::Log,
                    "info" | "notice" => Severity::Notice,
                    "warning" => Severity::Warning,
                    "error" => Severity::Error,
                    _ => Severity::Debug,
                };
            }
            "bytea_output" => self.styles.bytea_escape = raw == "escape",
            "extra_float_digits" => self.styles.float_digits = raw.parse().unwrap_or(1),
            "intervalstyle" => {
                self.styles.interval = match raw {
                    "postgres_verbose" => IntervalStyle::PostgresVerbose,
                    "sql_standard" => IntervalStyle::SqlStandard,
                    "iso_8601" => IntervalStyle::Iso8601,
                    _ => IntervalStyle::Postgres,
                };
            }
            _ => {}
        }
    }

    /// A setting that PostgreSQL does not have, or that no session may set.
    fn other(&self, lower: &str, value: &str) -> Result<Shown, SqlError> {
        if let Some(refused) = of_server(lower) {
            return Err(refused);
        }
        if !lower.contains('.') || lower.starts_with("kimberlite.") {
            return Err(unknown(lower));
        }
        let is_name = |part: &str| {
            let mut characters = part.chars();
            let starts = characters
                .next()
                .is_some_and(|c| c.is_alphabetic() || c == '_');
            starts && characters.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        };
        if !lower.split('.').all(is_name) {
            return Err(SqlError::new(
                state::INVALID_NAME,
                format!("invalid configuration parameter name \"{lower}\""),
            )
            .detail(
                "Custom parameter names must be two or more simple identifiers separated by dots.",
            ));
        }
        Ok(Shown::plain(value.to_owned()))
    }
}
