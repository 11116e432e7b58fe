//! Session settings: what `SET` accepts, and what it does.
//!
//! A setting that would change results is either carried out or refused; one
//! that only tunes PostgreSQL's own machinery is accepted and remembered.

mod before;
mod draft;
mod effect;
mod known;
mod size;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use crate::error::{SqlError, state};
use crate::txn::Patience;
use known::{DEFAULTS, READ_ONLY, REPORTED, is_tuning};

pub(super) use before::SettingsBefore;
pub use draft::SettingsDraft;
pub use known::{SERVER_VERSION, SERVER_VERSION_NUM};
pub(super) use value::parse_isolation;

/// `work_mem` of a new session in bytes; [`DEFAULTS`] shows it.
const WORK_MEM_DEFAULT: usize = 64 << 20;

/// The settings of one session.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<String, Setting>,
    time_zone: Tz,
    statement_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
    deadlock_timeout: Duration,
    fast_path: bool,
    work_mem: usize,
    search_path: Vec<String>,
    /// The schema of the session's temporary relations, which is searched first.
    temporary: Option<String>,
    user: String,
    /// What SET LOCAL covers until the transaction ends; none = nothing was set.
    local: Vec<(String, Option<String>)>,
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
        Self {
            values,
            time_zone: Tz::UTC,
            statement_timeout: None,
            lock_timeout: None,
            deadlock_timeout: Duration::from_secs(1),
            fast_path: true,
            work_mem: WORK_MEM_DEFAULT,
            search_path: value::search_path("\"$user\", public", user),
            temporary: None,
            user: user.to_owned(),
            local: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// The time zone of `timestamptz` text.
    pub fn time_zone(&self) -> Tz {
        self.time_zone
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

    /// Bytes that an operator of a query may hold before it spills.
    pub fn work_mem(&self) -> usize {
        self.work_mem
    }

    /// Schemas to look in, in order.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
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
            Some(value) => self.set_session(name, &value),
            None if self.values.remove(&lower).is_some() => Ok(()),
            None if is_tuning(&lower) => Ok(()),
            None => Err(unknown(name)),
        }
    }

    /// Sets a value until the transaction ends.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_local(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let lower = name.to_ascii_lowercase();
        let covered = self.values.get(&lower).map(|s| s.value.clone());
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
                None => drop(self.values.remove(&name)),
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
}

/// The value that a setting starts with.
pub(super) fn default_of(name: &str, user: &str) -> Option<String> {
    let fresh = Settings::new(user);
    fresh.show(name).ok().map(|(_, value)| value)
}

/// 42704 for a setting there is not.
fn unknown(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}
