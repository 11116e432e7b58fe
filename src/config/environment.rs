//! The `KIMBERLITE_*` environment variables, read once, as a value.

use std::ffi::OsString;
use std::path::PathBuf;

/// What kind of machine the node runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The default: nothing may be open by accident.
    #[default]
    Production,
    /// `KIMBERLITE_ENV=development`: TLS may be off, on loopback only.
    Development,
}

/// The environment variables that override the file.
///
/// `KIMBERLITE_CONFIG` is not among them: it names the file and is read with
/// the command line. `KIMBERLITE_MASTER_KEY` is a secret and is read by the
/// key provider alone, and only when the file asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KIMBERLITE_ENV`.
    pub env: Option<String>,
    /// `KIMBERLITE_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// `KIMBERLITE_LOG_LEVEL`.
    pub log_level: Option<String>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        let text =
            |name: &str| std::env::var_os(name).map(|v: OsString| v.to_string_lossy().into_owned());
        Self {
            env: text("KIMBERLITE_ENV"),
            data_dir: std::env::var_os("KIMBERLITE_DATA_DIR").map(PathBuf::from),
            log_level: text("KIMBERLITE_LOG_LEVEL"),
        }
    }

    /// The mode asked for; an unknown name is an error, never a default.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn mode(&self) -> Result<Mode, String> {
        match self.env.as_deref() {
            None | Some("production") => Ok(Mode::Production),
            Some("development") => Ok(Mode::Development),
            Some(other) => Err(format!(
                "KIMBERLITE_ENV is `{other}`; it must be `production` (the default) or `development`"
            )),
        }
    }
}
