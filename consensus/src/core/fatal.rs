//! Why a core does nothing more.
//!
//! What was committed cannot be taken back, and what this replica has told others it
//! keeps: when its own log does not hold what it has to, going on would break a promise.
//! So it ends, and opening the log again finds out what is there.

/// What must not be and cannot be passed over, in words.
#[derive(Debug)]
pub(super) struct Fatal(pub(super) String);

/// What a step of a core comes to.
pub(super) type Step<T = ()> = Result<T, Fatal>;
