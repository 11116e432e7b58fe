//! What keeps a run from going on. A wrong answer is no error here.

use std::path::{Path, PathBuf};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server cannot be reached or hung up.
    #[error("{0}")]
    Connect(String),
    /// Reading or writing a socket.
    #[error("{0}")]
    Socket(#[from] std::io::Error),
    /// An answer is too large to be compared.
    #[error("the answer is too large")]
    TooLarge,
    /// A server of ours does not start, or a database cannot be made.
    #[error("{0}")]
    Server(String),
    /// A file or folder.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The logic-test runner.
    #[error(transparent)]
    Logic(#[from] kimberlite_sqllogictest::error::Error),
    /// A file of ours is not what it should be.
    #[error("{0}")]
    Content(String),
}

impl Error {
    /// Says which file.
    pub fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Result of anything here.
pub type Result<T> = std::result::Result<T, Error>;
