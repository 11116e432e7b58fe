//! What opening is doing.

use std::fmt;

/// A long step of opening, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Reading back the end of the log.
    Walking {
        /// The block just read.
        index: u64,
    },
    /// Applying blocks that the projection does not have.
    Replaying {
        /// Blocks applied.
        done: u64,
        /// Blocks there are to apply.
        total: u64,
    },
    /// As `Replaying`, from the beginning of the log.
    Rebuilding {
        /// Blocks applied.
        done: u64,
        /// Blocks there are to apply.
        total: u64,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Walking { index } => write!(f, "reading the log: block {index}"),
            Self::Replaying { done, total } => {
                write!(f, "replaying the log: block {done} of {total}")
            }
            Self::Rebuilding { done, total } => {
                write!(f, "rebuilding the projection: block {done} of {total}")
            }
        }
    }
}
