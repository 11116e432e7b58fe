//! Settings as a running statement's functions see and change them.

use std::sync::Arc;

use super::Settings;
use crate::error::SqlError;

/// What `set_config` did in the running statement.
#[derive(Debug)]
pub struct SettingsDraft {
    settings: Arc<Settings>,
    log: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone)]
pub(in super::super) struct Change {
    pub(in super::super) name: String,
    pub(in super::super) value: String,
    pub(in super::super) local: bool,
}

impl SettingsDraft {
    /// Nothing changed yet.
    pub(in super::super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            log: Vec::new(),
        }
    }

    /// Sets a value, for the transaction or the session, that of the session's start
    /// when there is none; gives what is shown.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
    ) -> Result<String, SqlError> {
        let start = self.settings.start_of(name).unwrap_or_default();
        let value = value.unwrap_or(&start);
        Arc::make_mut(&mut self.settings).set(name, value)?;
        self.log.push(Change {
            name: name.to_owned(),
            value: value.to_owned(),
            local,
        });
        Ok(self.settings.show(name)?.1)
    }

    /// The value of a setting, if the statement changed any.
    pub(crate) fn changed(&self, name: &str) -> Option<String> {
        if self.log.is_empty() {
            return None;
        }
        self.settings.show(name).ok().map(|(_, value)| value)
    }

    /// What is still to be done to the session.
    pub(in super::super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.log)
    }
}
