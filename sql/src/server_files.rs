//! [`ServerFiles`]: the files that COPY may read on the server.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::error::{SqlError, state};

/// The directories that the operator has opened to `COPY … FROM 'file'`. None by
/// default: a statement then reads nothing on the server.
#[derive(Debug, Clone, Default)]
pub struct ServerFiles {
    directories: Vec<PathBuf>,
}

impl ServerFiles {
    /// What lies below `directories` may be read.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// Whether no directory is open.
    pub fn is_closed(&self) -> bool {
        self.directories.is_empty()
    }

    /// Opens a regular file below an open directory, wherever links lead.
    ///
    /// # Errors
    /// 42602 a relative path, 42501 outside the directories or not readable by the
    /// server's user, 58P01 no such file, 42809 a directory, a pipe or a device, 58030.
    pub fn open(&self, name: &str) -> Result<File, SqlError> {
        let path = Path::new(name);
        if !path.is_absolute() {
            return Err(SqlError::new(
                state::INVALID_NAME,
                "relative path not allowed for COPY from file",
            ));
        }
        // A name outside is not looked up: whether it exists is nobody's business.
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || !self.directories.iter().any(|open| path.starts_with(open)) {
            return Err(not_open(name));
        }
        // Links are followed before the file is opened, so that none leads out.
        let real = path.canonicalize().map_err(|e| not_read(name, &e))?;
        let inside = |open: &PathBuf| open.canonicalize().is_ok_and(|open| real.starts_with(open));
        if !self.directories.iter().any(inside) {
            return Err(not_open(name));
        }
        // Checked before it is opened: opening a pipe would wait for its writer.
        let kind = real.metadata().map_err(|e| not_read(name, &e))?;
        if kind.is_dir() {
            return Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{name}\" is a directory"),
            ));
        }
        if !kind.is_file() {
            return Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{name}\" is not a regular file"),
            ));
        }
        File::open(&real).map_err(|e| not_read(name, &e))
    }
}

fn not_open(name: &str) -> SqlError {
    SqlError::new(
        state::INSUFFICIENT_PRIVILEGE,
        format!("\"{name}\" is not below a directory that is open to COPY"),
    )
    .hint("The operator opens directories with copy_directories in [storage].")
}

fn not_read(name: &str, error: &std::io::Error) -> SqlError {
    let (code, reason) = match error.kind() {
        ErrorKind::NotFound => (
            state::UNDEFINED_FILE,
            "No such file or directory".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            state::INSUFFICIENT_PRIVILEGE,
            "Permission denied".to_owned(),
        ),
        _ => (state::IO_ERROR, error.to_string()),
    };
    SqlError::new(
        code,
        format!("could not open file \"{name}\" for reading: {reason}"),
    )
    .hint(
        "COPY FROM instructs the server process to read a file. You may want a client-side \
         facility such as psql's \\copy.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read as _;

    use super::*;

    fn code(result: Result<File, SqlError>) -> &'static str {
        result.unwrap_err().sqlstate()
    }

    #[test]
    fn only_what_lies_below_an_open_directory_is_read() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::write(open.join("in"), "1").unwrap();
        std::fs::write(home.path().join("out"), "2").unwrap();
        std::os::unix::fs::symlink(home.path().join("out"), open.join("link")).unwrap();
        let files = ServerFiles::new(vec![open.clone()]);
        let at = |name: &str| open.join(name).display().to_string();

        let mut text = String::new();
        files
            .open(&at("in"))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "1");
        let outside = home.path().join("absent").display().to_string();
        assert_eq!(code(files.open(&outside)), "42501");
        assert_eq!(code(files.open(&at("../absent"))), "42501");
        assert_eq!(code(files.open(&at("../out"))), "42501");
        assert_eq!(code(files.open(&at("link"))), "42501");
        assert_eq!(code(files.open(&at("absent"))), "58P01");
        assert_eq!(code(files.open(&at(""))), "42809");
        assert_eq!(code(files.open("in")), "42602");
        assert_eq!(code(files.open("/etc/passwd")), "42501");
        assert_eq!(code(ServerFiles::default().open(&at("in"))), "42501");
    }
}
