//! Session settings: what `SET` accepts, and what it does.
//!
//! A setting that would change results is either carried out or refused; one
//! that only tunes PostgreSQL's own machinery is accepted and remembered.

mod before;
mod draft;
mod effect;
mod known;
mod number;
mod parameter;
mod style;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::ReadConsistency;
use crate::error::{Severity, SqlError, state};
use crate::txn::{IsolationLevel, Patience};
use crate::types::{Styles, TimeZone};
use known::{DEFAULTS, IN_HOT_STANDBY, READ_ONLY, REPORTED};

pub(super) use before::SettingsBefore;
pub use draft::SettingsDraft;
pub use known::{SERVER_VERSION, SERVER_VERSION_NUM};
use parameter::parameters;
pub(crate) use parameter::{parameter, reported_as};
pub(super) use value::{boolean, parse_isolation};

/// `work_mem` of a new session in bytes; [`DEFAULTS`] shows it.
const WORK_MEM_DEFAULT: usize = 64 << 20;

/// The settings of one session.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<String, Setting>,
    /// What the session started with, where that is not the default.
    start: Arc<BTreeMap<String, String>>,
    time_zone: TimeZone,
    styles: Styles,
    transaction: TransactionDefaults,
    /// `client_min_messages`.
    least_severity: Severity,
    statement_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
    idle_session: Option<Duration>,
    idle_in_transaction: Option<Duration>,
    deadlock_timeout: Duration,
    fast_path: bool,
    read_consistency: ReadConsistency,
    work_mem: usize,
    search_path: Vec<String>,
    /// The schema of the session's temporary relations, which is searched first.
    temporary: Option<String>,
    user: String,
    /// What SET LOCAL covers until the transaction ends; none = nothing was set.
    local: Vec<(String, Option<String>)>,
    changed: Vec<&'static str>,
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy)]
pub struct TransactionDefaults {
    /// `default_transaction_isolation`.
    pub isolation: IsolationLevel,
    /// `default_transaction_read_only`.
    pub read_only: bool,
    /// `default_transaction_deferrable`.
    pub deferrable: bool,
}

#[derive(Debug, Clone)]
struct Setting {
    name: String,
    shown: Shown,
}

/// A value as it is shown, and in the unit of its parameter.
#[derive(Debug, Clone)]
struct Shown {
    value: String,
    raw: String,
}

impl Shown {
    /// A value without a unit.
    fn plain(value: String) -> Self {
        Self {
            raw: value.clone(),
            value,
        }
    }
}

impl Settings {
    /// The settings of a new session of `user`.
    pub fn new(user: &str) -> Self {
        let mut values: BTreeMap<String, Setting> = DEFAULTS
            .iter()
            .map(|(name, value)| {
                let setting = Setting {
                    name: (*name).to_owned(),
                    shown: Shown::plain((*value).to_owned()),
                };
                (name.to_ascii_lowercase(), setting)
            })
            .collect();
        if let Some(setting) = values.get_mut("session_authorization") {
            setting.shown = Shown::plain(user.to_owned());
        }
        Self {
            values,
            start: Arc::default(),
            time_zone: TimeZone::default(),
            styles: Styles::default(),
            least_severity: Severity::Notice,
            transaction: TransactionDefaults {
                isolation: IsolationLevel::ReadCommitted,
                read_only: false,
                deferrable: false,
            },
            statement_timeout: None,
            lock_timeout: None,
            idle_session: None,
            idle_in_transaction: None,
            deadlock_timeout: Duration::from_secs(1),
            fast_path: true,
            read_consistency: ReadConsistency::default(),
            work_mem: WORK_MEM_DEFAULT,
            search_path: value::search_path("\"$user\", public", user),
            temporary: None,
            user: user.to_owned(),
            local: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// The time zone of `timestamptz` text.
    pub fn time_zone(&self) -> TimeZone {
        self.time_zone
    }

    /// Whether the client wants to hear what is of this severity.
    pub(super) fn tells(&self, severity: Severity) -> bool {
        if severity == Severity::Info {
            return true;
        }
        let rank = |severity| match severity {
            Severity::Debug => 0,
            Severity::Log => 1,
            Severity::Notice | Severity::Info => 2,
            Severity::Warning => 3,
            Severity::Error | Severity::Fatal | Severity::Panic => 4,
        };
        rank(severity) >= rank(self.least_severity)
    }

    /// How a transaction begins.
    pub fn transaction(&self) -> TransactionDefaults {
        self.transaction
    }

    /// DateStyle and the like.
    pub fn styles(&self) -> Styles {
        self.styles
    }

    /// How long the session may wait for its client, outside of a transaction.
    pub fn idle_session(&self) -> Option<Duration> {
        self.idle_session
    }

    /// The same inside of one.
    pub fn idle_in_transaction(&self) -> Option<Duration> {
        self.idle_in_transaction
    }

    /// Makes what is set now what RESET goes back to.
    pub(super) fn starts_here(&mut self) {
        let set = self.values.iter();
        let set = set.map(|(name, setting)| (name.clone(), setting.shown.value.clone()));
        self.start = Arc::new(set.collect());
    }

    /// What a setting had when the session started.
    pub(crate) fn start_of(&self, name: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        if let Some(value) = self.start.get(&lower) {
            return Some(value.clone());
        }
        let parameter = parameter(&lower)?;
        let boot = parameter.value(parameter.boot);
        Some(boot.map_or_else(|_| parameter.boot.to_owned(), |(shown, _)| shown))
    }

    /// The value of a setting in the unit of its parameter.
    pub(crate) fn raw(&self, name: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        if let Some(setting) = self.values.get(&lower) {
            return Some(setting.shown.raw.clone());
        }
        let parameter = parameter(&lower)?;
        Some(parameter.value(parameter.boot).ok()?.1)
    }

    /// How long a statement may run.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// How long a statement may wait for a lock, and after how long deadlocks
    /// are looked for.
    pub fn patience(&self) -> Patience {
        Patience {
            limit: self.lock_timeout,
            deadlock: self.deadlock_timeout,
        }
    }

    /// Whether simple statements may skip the general planner.
    pub fn fast_path(&self) -> bool {
        self.fast_path
    }

    /// `kimberlite.read_consistency`.
    pub fn read_consistency(&self) -> ReadConsistency {
        self.read_consistency
    }

    /// Whether this replica only reads at the moment, as `in_hot_standby` says.
    pub(crate) fn in_recovery(&self) -> bool {
        let setting = self.values.get(IN_HOT_STANDBY);
        setting.is_some_and(|setting| setting.shown.value == "on")
    }

    /// Says whether this replica only reads.
    pub(crate) fn set_in_recovery(&mut self, on: bool) {
        if let Some(setting) = self.values.get_mut(IN_HOT_STANDBY) {
            let value = if on { "on" } else { "off" };
            setting.shown = Shown::plain(value.to_owned());
            if !self.changed.contains(&IN_HOT_STANDBY) {
                self.changed.push(IN_HOT_STANDBY);
            }
        }
    }

    /// Bytes that an operator of a query may hold before it spills.
    pub fn work_mem(&self) -> usize {
        self.work_mem
    }

    /// Schemas to look in, in order.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// Looks into a schema before all others; the path to go back to.
    pub(crate) fn look_first_in(&mut self, schema: &str) -> Vec<String> {
        let before = self.search_path.clone();
        let first = before.iter().filter(|s| self.temporary.as_ref() == Some(s));
        let mut path: Vec<String> = first.cloned().collect();
        path.push(schema.to_owned());
        path.extend(
            before
                .iter()
                .filter(|s| self.temporary.as_ref() != Some(s))
                .cloned(),
        );
        self.search_path = path;
        before
    }

    /// Goes back to the path that [`Self::look_first_in`] gave.
    pub(crate) fn look_again_in(&mut self, path: Vec<String>) {
        self.search_path = path;
    }

    /// The schema of the session's temporary relations, if it has one.
    pub(crate) fn temporary_schema(&self) -> Option<&str> {
        self.temporary.as_deref()
    }

    /// Looks into a schema of temporary relations before all others.
    pub(crate) fn use_temporary_schema(&mut self, name: &str) {
        self.temporary = Some(name.to_owned());
        let path = std::mem::take(&mut self.search_path);
        self.look_in(path);
    }

    /// Sets the schemas to look in; temporary relations come first.
    fn look_in(&mut self, path: Vec<String>) {
        self.search_path = path;
        if let Some(name) = &self.temporary {
            match self.search_path.iter().position(|s| s == "pg_temp") {
                Some(at) => {
                    if let Some(named) = self.search_path.get_mut(at) {
                        named.clone_from(name);
                    }
                }
                None if self.search_path.contains(name) => {}
                None => self.search_path.insert(0, name.clone()),
            }
        }
    }

    /// The value as `SHOW` prints it.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub fn show(&self, name: &str) -> Result<(String, String), SqlError> {
        let lower = name.to_ascii_lowercase();
        if let Some(set) = self.values.get(&lower) {
            return Ok((set.name.clone(), set.shown.value.clone()));
        }
        if let Some(parameter) = parameter(&lower) {
            return Ok((
                parameter.name.to_owned(),
                parameter.value(parameter.boot)?.0,
            ));
        }
        match parameter::of_server(&lower) {
            Some(_) => Err(SqlError::unsupported(format!("the setting {lower}"))),
            None => Err(unknown(name)),
        }
    }

    /// The names of all settings, in their order.
    pub fn names(&self) -> Vec<String> {
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for parameter in parameters() {
            names.insert(parameter.name.to_ascii_lowercase(), parameter.name);
        }
        for (lower, setting) in &self.values {
            names.insert(lower.clone(), &setting.name);
        }
        names.into_values().map(str::to_owned).collect()
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
        match self.start_of(name) {
            Some(value) => self.set_session(name, &value),
            None if self.values.contains_key(&lower) => self.set_session(name, ""),
            None => Err(match parameter::of_server(&lower) {
                Some(refused) => refused,
                None => unknown(name),
            }),
        }
    }

    /// Sets a value until the transaction ends.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_local(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let lower = name.to_ascii_lowercase();
        let covered = self.values.get(&lower).map(|s| s.shown.value.clone());
        self.set(name, value)?;
        if !self.local.iter().any(|(known, _)| *known == lower) {
            self.local.push((lower, covered));
        }
        Ok(())
    }

    /// Sets a value for the session, also where SET LOCAL covered another.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_session(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        self.set(name, value)?;
        self.uncover(name);
        Ok(())
    }

    fn uncover(&mut self, name: &str) {
        self.local
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Whether something is set until the transaction ends.
    pub fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// Ends what SET LOCAL set.
    pub fn end_local(&mut self) {
        for (name, value) in std::mem::take(&mut self.local) {
            match value {
                // It was valid before.
                Some(value) => drop(self.set(&name, &value)),
                None => {
                    if let Some(start) = self.start_of(&name) {
                        drop(self.set(&name, &start));
                    }
                    self.values.remove(&name);
                }
            }
        }
    }

    /// Back to an earlier state.
    pub fn restore(&mut self, before: Self) {
        // What is not reported yet still has to be.
        let mut changed = std::mem::take(&mut self.changed);
        for name in REPORTED {
            if self.show(name).ok() != before.show(name).ok() && !changed.contains(name) {
                changed.push(*name);
            }
        }
        *self = before;
        self.changed = changed;
    }

    /// Back to the defaults, all of them.
    pub fn reset_all(&mut self) {
        let mut fresh = Self::new(&self.user);
        fresh.start = self.start.clone();
        for (name, value) in self.start.iter() {
            // It was valid before.
            drop(fresh.set(name, value));
        }
        for name in self.values.keys().filter(|name| name.contains('.')) {
            if !fresh.values.contains_key(name) {
                drop(fresh.set(name, ""));
            }
        }
        if let Some(name) = &self.temporary {
            fresh.use_temporary_schema(name);
        }
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
            setting.shown = stored;
        } else {
            let known = parameter(&lower).map_or(lower.as_str(), |p| p.name);
            let setting = Setting {
                name: known.to_owned(),
                shown: stored,
            };
            self.values.insert(lower.clone(), setting);
        }
        if let Some(name) = REPORTED.iter().find(|n| n.eq_ignore_ascii_case(&lower)) {
            self.changed.push(name);
        }
        Ok(())
    }
}

/// 42704 for a setting there is not.
fn unknown(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}
