//! What functions may ask about the session that runs a query.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::config_err;

use crate::activity::SessionLink;
use crate::error::SqlError;
use crate::sequence::SequenceAccess;
use crate::session::Settings;
use crate::types::{Styles, TimeZone};

/// Facts about a session, fixed for one statement.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// `current_user` and `session_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// `TimeZone`.
    pub time_zone: TimeZone,
    /// DateStyle and the like.
    pub styles: Styles,
    /// `now()`: start of the transaction, microseconds since 2000-01-01 UTC.
    pub transaction_us: i64,
    /// `statement_timestamp()`, microseconds since 2000-01-01 UTC.
    pub statement_us: i64,
    /// `pg_backend_pid()`.
    pub backend_pid: i32,
    /// Settings for `current_setting`.
    pub settings: Arc<Settings>,
    /// `transaction_isolation`.
    pub isolation: &'static str,
    /// `transaction_deferrable`.
    pub deferrable: bool,
    /// Schemas that unqualified names are looked up in.
    pub search_path: Vec<String>,
    /// `server_version`.
    pub server_version: String,
    /// `version()`.
    pub version: String,
    /// Whether the transaction must not change anything.
    pub read_only: bool,
    /// The way to sequences; `None` where there are none.
    pub sequences: Option<Arc<SequenceAccess>>,
    /// The session itself and the others; none outside of a server.
    pub link: Option<SessionLink>,
}

impl SessionInfo {
    /// The value of a setting.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub fn setting(&self, name: &str) -> Result<String, SqlError> {
        let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
        match name.to_ascii_lowercase().as_str() {
            "transaction_isolation" => Ok(self.isolation.to_owned()),
            "transaction_read_only" => Ok(on_off(self.read_only)),
            "transaction_deferrable" => Ok(on_off(self.deferrable)),
            _ => self.settings.show(name).map(|(_, value)| value),
        }
    }
}

/// Carries a [`SessionInfo`] to functions through DataFusion's options.
#[derive(Debug, Clone)]
pub(super) struct SessionExtension(pub(super) Arc<SessionInfo>);

impl ConfigExtension for SessionExtension {
    const PREFIX: &'static str = "kimberlite";
}

impl ExtensionOptions for SessionExtension {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> datafusion::common::Result<()> {
        config_err!("kimberlite.{key} cannot be set")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// The session a function runs in.
pub(super) fn session_of(options: &ConfigOptions) -> Option<&Arc<SessionInfo>> {
    options.extensions.get::<SessionExtension>().map(|e| &e.0)
}
