//! The values of sequences.
//!
//! `nextval` is not undone with its transaction, and gives no value twice, whatever
//! happens to the server. So what was given is in the log, in a stream of its own
//! outside of any user's transaction: a record says up to which value a sequence may
//! have been used. Values are reserved in blocks, and given from memory; a block is
//! ordered before it is used up, so that sessions rarely wait for the log.

mod access;
mod state;

pub use access::SequenceAccess;
pub(crate) use access::SequenceSource;
pub(crate) use state::SequenceStates;
