//! The `KIMBERLITE_*` environment variables, read once, as a value.

use std::ffi::OsString;
use std::path::PathBuf;

use super::cluster::REPLICA_ID_MAX;

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
    /// `KIMBERLITE_REPLICA_ID`: a number, or the name of a pod of a StatefulSet.
    pub replica_id: Option<String>,
    /// `KIMBERLITE_BIND_ADDRESS`: the replication port.
    pub bind_address: Option<String>,
    /// `KIMBERLITE_CLIENT_ADDRESS`.
    pub client_address: Option<String>,
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
            replica_id: text("KIMBERLITE_REPLICA_ID"),
            bind_address: text("KIMBERLITE_BIND_ADDRESS"),
            client_address: text("KIMBERLITE_CLIENT_ADDRESS"),
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
    /// The replica that this process is told to be: all of the variable, or what
    /// follows its last `-`, as in `kimberlite-2`.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn replica_id(&self) -> Result<Option<u32>, String> {
        let Some(text) = self.replica_id.as_deref() else {
            return Ok(None);
        };
        let number = match text.rsplit_once('-') {
            Some(("", _)) => None,
            Some((_, number)) => Some(number),
            None => Some(text),
        };
        number
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|id| *id <= REPLICA_ID_MAX)
            .map(Some)
            .ok_or_else(|| {
                format!(
                    "KIMBERLITE_REPLICA_ID is `{text}`; it must be a number up to \
                     {REPLICA_ID_MAX} or a name that ends in one, as `kimberlite-2`"
                )
            })
    }
}
