//! Session settings: what `SET` accepts, and what it does.
//!
//! A setting that would change results is either carried out or refused; one
//! that only tunes PostgreSQL's own machinery is accepted and remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use crate::error::{SqlError, state};

/// The PostgreSQL release whose behaviour is followed.
pub const SERVER_VERSION: &str = "15.14";
/// The same as a number, as `server_version_num` gives it.
pub const SERVER_VERSION_NUM: &str = "150014";

/// Settings that a session starts with: name as PostgreSQL spells it, value.
const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "on"),
    ("kimberlite.fast_path", "on"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUM),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronous_commit", "on"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("work_mem", "64MB"),
];

/// Settings reported to the client when they change (protocol manual,
/// "Asynchronous Operations").
const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// Settings that cannot be changed.
const READ_ONLY: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "max_identifier_length",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
];

/// PostgreSQL's settings that tune its own planner, storage or logging and
/// cannot change a result: remembered, nothing more.
const TUNING: &[&str] = &[
    "backend_flush_after",
    "commit_delay",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "default_statistics_target",
    "effective_cache_size",
    "effective_io_concurrency",
    "from_collapse_limit",
    "geqo",
    "hash_mem_multiplier",
    "jit",
    "join_collapse_limit",
    "log_duration",
    "log_min_duration_statement",
    "log_statement",
    "maintenance_work_mem",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "temp_buffers",
    "track_activities",
    "vacuum_cost_delay",
    "wal_compression",
];

/// The settings of one session.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<String, Setting>,
    time_zone: Tz,
    statement_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
    fast_path: bool,
    search_path: Vec<String>,
    user: String,
    changed: Vec<&'static str>,
}

#[derive(Debug, Clone)]
struct Setting {
    name: String,
    value: String,
}

impl Settings {
    /// The settings of a new session of `user`.
    pub fn new(user: &str) -> Self {
        let mut values: BTreeMap<String, Setting> = DEFAULTS
            .iter()
            .map(|(name, value)| {
                let setting = Setting {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                };
                (name.to_ascii_lowercase(), setting)
            })
            .collect();
        if let Some(setting) = values.get_mut("session_authorization") {
            setting.value = user.to_owned();
        }
        let mut settings = Self {
            values,
            time_zone: Tz::UTC,
            statement_timeout: None,
            lock_timeout: None,
            fast_path: true,
            search_path: Vec::new(),
            user: user.to_owned(),
            changed: Vec::new(),
        };
        settings.search_path = settings.parse_search_path("\"$user\", public");
        settings
    }

    /// The time zone of `timestamptz` text.
    pub fn time_zone(&self) -> Tz {
        self.time_zone
    }

    /// How long a statement may run.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// How long a statement may wait for a lock.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.lock_timeout
    }

    /// Whether simple statements may skip the general planner.
    pub fn fast_path(&self) -> bool {
        self.fast_path
    }

    /// Schemas to look in, in order.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// The value as `SHOW` prints it.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub fn show(&self, name: &str) -> Result<(String, String), SqlError> {
        self.values
            .get(&name.to_ascii_lowercase())
            .map(|s| (s.name.clone(), s.value.clone()))
            .ok_or_else(|| unknown(name))
    }

    /// All settings in name order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .values()
            .map(|s| (s.name.as_str(), s.value.as_str()))
    }

    /// The settings to report at the start of a session.
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        REPORTED
            .iter()
            .filter_map(|name| Some((*name, self.show(name).ok()?.1)))
            .collect()
    }

    /// The reported settings that changed since the last call.
    pub fn take_changes(&mut self) -> Vec<(&'static str, String)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|name| Some((name, self.show(name).ok()?.1)))
            .collect()
    }

    /// Back to the default.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub fn reset(&mut self, name: &str) -> Result<(), SqlError> {
        let lower = name.to_ascii_lowercase();
        let default = DEFAULTS
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| (*value).to_owned());
        match default {
            Some(value) => self.set(name, &value),
            None if self.values.remove(&lower).is_some() => Ok(()),
            None if is_tuning(&lower) => Ok(()),
            None => Err(unknown(name)),
        }
    }

    /// Back to an earlier state.
    pub fn restore(&mut self, before: Self) {
        let mut changed = Vec::new();
        for name in REPORTED {
            if self.show(name).ok() != before.show(name).ok() {
                changed.push(*name);
            }
        }
        *self = before;
        self.changed = changed;
    }

    /// Back to the defaults, all of them.
    pub fn reset_all(&mut self) {
        let fresh = Self::new(&self.user);
        self.restore(fresh);
    }

    /// Sets a value given as text.
    ///
    /// # Errors
    /// 42704 unknown, 22023 bad value, 55P02 read-only, 0A000 for a value whose
    /// effect is not there.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let lower = name.to_ascii_lowercase();
        if let Some(fixed) = READ_ONLY.iter().find(|n| n.eq_ignore_ascii_case(name)) {
            if self.show(fixed)?.1 == value {
                return Ok(());
            }
            return Err(SqlError::new(
                state::CANT_CHANGE_RUNTIME_PARAM,
                format!("parameter \"{fixed}\" cannot be changed"),
            ));
        }
        let stored = self.take_effect(&lower, value)?;
        if let Some(setting) = self.values.get_mut(&lower) {
            setting.value = stored;
        } else {
            self.values.insert(
                lower.clone(),
                Setting {
                    name: lower.clone(),
                    value: stored,
                },
            );
        }
        if let Some(name) = REPORTED.iter().find(|n| n.eq_ignore_ascii_case(&lower)) {
            self.changed.push(name);
        }
        Ok(())
    }

    /// Carries a setting out; gives the text to remember.
    fn take_effect(&mut self, lower: &str, value: &str) -> Result<String, SqlError> {
        match lower {
            "timezone" => {
                self.time_zone = parse_time_zone(value)?;
                return Ok(self.time_zone.name().to_owned());
            }
            "statement_timeout" => self.statement_timeout = duration(lower, value)?,
            "lock_timeout" => self.lock_timeout = duration(lower, value)?,
            "kimberlite.fast_path" => {
                self.fast_path = boolean(lower, value)?;
            }
            "search_path" => self.search_path = self.parse_search_path(value),
            "client_encoding" => {
                // Only letters and digits count: drivers write 'utf-8' with quotes.
                let plain: String = value
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|c| c.to_ascii_lowercase())
                    .collect();
                if !matches!(plain.as_str(), "utf8" | "unicode" | "auto") {
                    return Err(if is_encoding(&plain) {
                        SqlError::unsupported(format!("client_encoding {value}"))
                    } else {
                        SqlError::new(
                            state::INVALID_PARAMETER_VALUE,
                            format!("invalid value for parameter \"client_encoding\": \"{value}\""),
                        )
                    });
                }
                return Ok("UTF8".to_owned());
            }
            "datestyle" => {
                let wanted = value.to_ascii_lowercase();
                if wanted
                    .split(',')
                    .any(|p| !matches!(p.trim(), "iso" | "mdy" | "default"))
                {
                    return Err(SqlError::unsupported(format!("DateStyle {value}")));
                }
                return Ok("ISO, MDY".to_owned());
            }
            "standard_conforming_strings" | "row_security" => {
                if !boolean(lower, value)? && lower == "standard_conforming_strings" {
                    return Err(SqlError::unsupported("standard_conforming_strings = off"));
                }
            }
            "default_table_access_method" => only(lower, value, "heap")?,
            "bytea_output" => only(lower, value, "hex")?,
            "intervalstyle" => only(lower, value, "postgres")?,
            "default_transaction_isolation" | "transaction_isolation" => {
                parse_isolation(value)?;
                return Ok(value.to_ascii_lowercase());
            }
            "default_transaction_read_only" | "transaction_read_only" => {
                return Ok(on_off(boolean(lower, value)?));
            }
            "extra_float_digits" => {
                let digits: i32 = value.trim().parse().map_err(|_| invalid(lower, value))?;
                if !(-15..=3).contains(&digits) {
                    return Err(invalid(lower, value));
                }
                if digits < 1 {
                    return Err(SqlError::unsupported("extra_float_digits below 1"));
                }
            }
            "application_name" | "client_min_messages" | "synchronous_commit" | "work_mem" => {}
            other if is_tuning(other) || other.contains('.') => {}
            other => return Err(unknown(other)),
        }
        Ok(value.to_owned())
    }

    fn parse_search_path(&self, value: &str) -> Vec<String> {
        value
            .split(',')
            .map(|part| part.trim().trim_matches(['"', '\'']).to_owned())
            .filter(|part| !part.is_empty())
            .map(|part| {
                if part == "$user" {
                    self.user.clone()
                } else {
                    part
                }
            })
            .collect()
    }
}

/// The isolation level that a setting names.
///
/// # Errors
/// 22023 for anything else, 0A000 for serializable.
pub(super) fn parse_isolation(value: &str) -> Result<crate::txn::IsolationLevel, SqlError> {
    use crate::txn::IsolationLevel;
    match value.to_ascii_lowercase().as_str() {
        "read committed" | "read uncommitted" => Ok(IsolationLevel::ReadCommitted),
        "repeatable read" => Ok(IsolationLevel::RepeatableRead),
        "serializable" => Err(SqlError::unsupported("isolation level SERIALIZABLE")),
        _ => Err(invalid("transaction_isolation", value)),
    }
}

fn is_tuning(lower: &str) -> bool {
    lower.starts_with("enable_") || TUNING.contains(&lower)
}

fn parse_time_zone(value: &str) -> Result<Tz, SqlError> {
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
fn duration(name: &str, value: &str) -> Result<Option<Duration>, SqlError> {
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

fn boolean(name: &str, value: &str) -> Result<bool, SqlError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("parameter \"{name}\" requires a Boolean value"),
        )),
    }
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn only(name: &str, value: &str, supported: &str) -> Result<(), SqlError> {
    if value.eq_ignore_ascii_case(supported) {
        return Ok(());
    }
    Err(SqlError::unsupported(format!("{name} = {value}")))
}

fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

/// Whether PostgreSQL knows an encoding of that name, in small letters and
/// without hyphens and underscores.
fn is_encoding(name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn settings_take_effect_or_are_refused() {
        let mut settings = Settings::new("ann");
        settings.set("statement_timeout", "2s").unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
        settings.set("TIMEZONE", "europe/berlin").unwrap();
        assert_eq!(settings.show("timezone").unwrap().1, "Europe/Berlin");
        assert_eq!(
            settings.take_changes(),
            [("TimeZone", "Europe/Berlin".to_owned())]
        );
        settings.set("search_path", "\"$user\", other").unwrap();
        assert_eq!(settings.search_path(), ["ann", "other"]);
        for (name, value, state) in [
            ("nonsense", "1", "42704"),
            ("lock_timeout", "soon", "22023"),
            ("server_version", "9.6", "55P02"),
            ("client_encoding", "LATIN1", "0A000"),
            ("DateStyle", "German", "0A000"),
        ] {
            assert_eq!(
                settings.set(name, value).unwrap_err().sqlstate(),
                state,
                "{name}"
            );
        }
    }

    #[test]
    fn an_earlier_state_comes_back_and_is_reported() {
        let mut settings = Settings::new("ann");
        let before = settings.clone();
        settings.set("timezone", "Asia/Tokyo").unwrap();
        settings.set("lock_timeout", "5").unwrap();
        settings.restore(before);
        assert_eq!(settings.lock_timeout(), None);
        assert_eq!(settings.take_changes(), [("TimeZone", "UTC".to_owned())]);
    }
}
