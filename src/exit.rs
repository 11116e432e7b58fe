//! Exit statuses of `kimberlite`, so that a supervisor can tell what to do.
//!
//! | Status | Meaning | What helps |
//! |---|---|---|
//! | 0 | stopped because it was asked to | |
//! | 1 | an error with no status of its own | read the message |
//! | 2 | command line or configuration refused | correct it; restarting does not help |
//! | 3 | an address cannot be listened on | free the port or choose another |
//! | 4 | another server has the data directory | stop that one |
//! | 5 | the data directory cannot be used (missing, not initialised, read-only, full, on a disk that fails) | the message says which |
//! | 6 | the master key is missing, unreadable or not the right one | restore the original key |
//! | 7 | the log is damaged | `kimberlite-cli storage verify`, then restore |
//! | 8 | a write or flush failed while running; the process stopped at once | check the disk, then restart |

use std::process::ExitCode;

use kimberlite_storage::StorageError;

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Stopped because it was asked to.
    Clean = 0,
    /// An error with no status of its own.
    Failure = 1,
    /// Command line or configuration refused (clap uses 2 as well).
    Usage = 2,
    /// An address cannot be listened on.
    Address = 3,
    /// Another server has the data directory.
    Locked = 4,
    /// The data directory cannot be used.
    DataDir = 5,
    /// The master key is missing, unreadable or wrong.
    Key = 6,
    /// The log is damaged.
    Damaged = 7,
    /// A write or flush failed while running.
    LogFailed = 8,
}

impl Exit {
    /// The status for an error met while opening the store.
    pub fn of_storage(error: &StorageError) -> Self {
        match error {
            StorageError::Locked(_) => Self::Locked,
            StorageError::WrongMasterKey { .. } | StorageError::Key(_) => Self::Key,
            StorageError::Damaged(_) | StorageError::Format(_) => Self::Damaged,
            StorageError::Full { .. } | StorageError::ReadOnly { .. } | StorageError::Io { .. } => {
                Self::DataDir
            }
            StorageError::Closed(_) => Self::LogFailed,
            _ => Self::Failure,
        }
    }

    /// The number handed to the operating system.
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What an operator is told about a storage error beyond the error itself.
pub fn storage_hint(error: &StorageError, data_dir: &std::path::Path) -> Option<String> {
    let dir = data_dir.display();
    Some(match error {
        StorageError::Damaged(_) | StorageError::Format(_) => format!(
            "Nothing was changed. For the full extent run: kimberlite-cli storage verify --data-dir {dir}"
        ),
        StorageError::Full { .. } => format!(
            "Nothing acknowledged is lost. Free space on the file system of {dir} and start again."
        ),
        StorageError::ReadOnly { .. } => {
            format!("Mount the file system of {dir} writable, or name another --data-dir.")
        }
        StorageError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            format!("This user may not write in {dir}: change its owner or its mode.")
        }
        error if error.is_medium_failure() => {
            format!("The disk of {dir} failed: see the system's log (dmesg) before starting again.")
        }
        StorageError::Projection(_) => format!(
            "Projections are derived from the log and can be made again: \
             kimberlite-cli projection rebuild --data-dir {dir}"
        ),
        _ => return None,
    })
}
