//! What can keep a run from happening at all.
//!
//! A record that gives a wrong answer is no error here: it is a
//! [`crate::score::Miss`].

use std::path::PathBuf;

/// Why the run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection string cannot be understood; the text says where.
    #[error("connection string: {0}")]
    Url(String),
    /// The TLS settings of the connection string cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The server does not let us in.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The scratch database or schema of a file cannot be made.
    #[error("cannot make a scratch {what}: {message}")]
    Scratch {
        /// "database" or "schema".
        what: &'static str,
        /// What the server said.
        message: String,
    },
    /// A file or folder of ours cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state file is not one of ours, or belongs to another version.
    #[error("{path}, line {line}: not a state file of this program: {message}")]
    State {
        /// The state file.
        path: PathBuf,
        /// Line in it, counted from 1.
        line: usize,
        /// What is wrong with the line.
        message: String,
    },
    /// The paths given hold no file to run.
    #[error("no .slt or .test file under {0}")]
    NoFiles(String),
}

/// Result of anything that can keep a run from happening.
pub type Result<T> = std::result::Result<T, Error>;

/// The server's own words when it has said something, else the driver's.
pub fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}
