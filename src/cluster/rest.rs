//! A replica that keeps out of its cluster because an operator wants it to.
//!
//! A *paused* replica comes back with `resume` or a restart: for a moment of maintenance,
//! such as a copy of its data directory. An *isolated* one stays out, restarts included,
//! until `rejoin`: for a replica that is under suspicion. Both are as good as dead to the
//! others, and leave their files as they are.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file that says that a replica is isolated, and why.
const FILE_NAME: &str = "isolated";

/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// How long a replica keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestKind {
    Paused,
    Isolated,
}

impl RestKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Isolated => "isolated",
        }
    }
}

/// That a replica keeps out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) kind: RestKind,
    pub(super) reason: String,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// Whether the replica of a data directory is isolated.
///
/// # Errors
/// When that cannot be read.
pub(super) fn isolated(data_dir: &Path) -> io::Result<Option<Rest>> {
    match std::fs::read_to_string(path(data_dir)) {
        Ok(reason) => Ok(Some(Rest {
            kind: RestKind::Isolated,
            reason: reason.trim_end().to_owned(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes durably that the replica of a data directory is isolated.
///
/// # Errors
/// When that cannot be written.
pub(super) fn isolate(data_dir: &Path, reason: &str) -> io::Result<Rest> {
    let end = reason.floor_char_boundary(REASON_BYTES_MAX);
    let reason = reason.get(..end).unwrap_or_default().to_owned();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path(data_dir))?;
    writeln!(file, "{reason}")?;
    file.sync_all()?;
    std::fs::File::open(data_dir)?.sync_all()?;
    Ok(Rest {
        kind: RestKind::Isolated,
        reason,
    })
}

/// Takes the note away.
///
/// # Errors
/// When that cannot be done.
pub(super) fn release(data_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::File::open(data_dir)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    #[test]
    fn isolation_outlives_the_process_and_ends_when_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(isolated(dir.path()).unwrap(), None);
        let long = "é".repeat(REASON_BYTES_MAX);
        let rest = isolate(dir.path(), &long).unwrap();
        assert_eq!(rest.reason.len(), REASON_BYTES_MAX);
        assert_eq!(isolated(dir.path()).unwrap(), Some(rest));
        release(dir.path()).unwrap();
        release(dir.path()).unwrap();
        assert_eq!(isolated(dir.path()).unwrap(), None);
    }
}
