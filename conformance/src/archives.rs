//! Other people's tests: unpacked into a folder that goes away.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{Error, Result};

/// The archives by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// SQLite's logic tests.
    Logic,
    /// PostgreSQL's regression topics.
    Regress,
    /// PostgreSQL's isolation specs.
    Isolation,
}

impl Archive {
    fn file(self) -> &'static str {
        match self {
            Self::Logic => "sqlite-slt.tar.xz",
            Self::Regress => "pg_regress.tar.xz",
            Self::Isolation => "pg_isolation.tar.xz",
        }
    }
}

/// An unpacked archive.
pub struct Unpacked {
    folder: TempDir,
}

impl Unpacked {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Unpacks an archive of `from`; `None` when it is not there. Everyone may read
/// the folder, because PostgreSQL runs as another user.
pub async fn unpack(from: &Path, archive: Archive) -> Result<Option<Unpacked>> {
    let file: PathBuf = from.join(archive.file());
    if !file.exists() {
        return Ok(None);
    }
    let folder = tempfile::Builder::new().prefix("conformance-").tempdir()?;
    let status = Command::new("tar")
        .arg("--extract")
        .arg("--no-same-owner")
        .arg("--file")
        .arg(&file)
        .arg("--directory")
        .arg(folder.path())
        .stdin(Stdio::null())
        .status()
        .await
        .map_err(|e| Error::Server(format!("tar: {e}")))?;
    if !status.success() {
        return Err(Error::Content(format!(
            "tar cannot unpack {}",
            file.display()
        )));
    }
    open_to_all(folder.path(), 0o755)?;
    Ok(Some(Unpacked { folder }))
}

/// Sets a folder's mode.
pub(crate) fn open_to_all(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(Error::at(path))
}
