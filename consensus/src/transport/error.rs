//! Why something did not reach another replica.

use crate::members::replica_of;
use std::io;
use std::time::Duration;

pub use super::hello::RefusalCode;

/// Why a transport did not start, or did not reach a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The certificate, key or authorities cannot be used.
    #[error("{0}")]
    Files(String),
    /// There is no runtime, or the listener cannot be used.
    #[error("cannot start the transport: {0}")]
    Start(#[source] io::Error),
    /// Nobody of that id is in the address book.
    #[error("replica {} is not in the address book", replica_of(*.0))]
    UnknownPeer(u64),
    /// The transport was closed, or the peer left the address book.
    #[error("the connection was given up: the transport is closed or the replica was removed")]
    Closed,
    /// This replica belongs to no cluster yet, so it can only make requests.
    #[error("this replica belongs to no cluster yet")]
    NoIdentity,
    /// It took too long.
    #[error("{what} took longer than {after:?}")]
    Deadline {
        /// What took long.
        what: &'static str,
        /// How long it was given.
        after: Duration,
    },
    /// No connection: the host is not known, does not answer or refuses.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// The address as the book has it.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The certificates do not fit.
    #[error("TLS: {0}")]
    Tls(String),
    /// The peer does not want the connection.
    #[error("refused by the peer: {text}")]
    Refused {
        /// Why.
        code: RefusalCode,
        /// Why, in the peer's words.
        text: String,
    },
    /// The peer said what it must not say.
    #[error("against the protocol: {0}")]
    Protocol(String),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// A request is longer than [`REQUEST_LEN_MAX`](super::REQUEST_LEN_MAX).
    #[error("a request of {0} bytes is too long")]
    RequestTooLong(usize),
    /// The answer is longer than [`ANSWER_LEN_MAX`](super::ANSWER_LEN_MAX).
    #[error("the answer is too long to be sent")]
    AnswerTooLong,
}
