//! What a transport asks of the replica it serves.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::options::Identity;
use crate::frame::Frame;

/// Where frames of peers go. Nothing here may block: a transport's tasks and, of
/// [`unreachable`](Self::unreachable), senders of frames call it.
pub trait Inbox: Send + Sync {
    /// A frame of a peer, which is who the frame says. The permit is dropped when the frame
    /// has been taken from wherever it waits; until then it counts against what the peer may
    /// have waiting.
    fn deliver(&self, frame: Frame, permit: Permit);

    /// Frames to a peer were lost. Told once when a peer cannot be reached or a connection
    /// breaks, and again only after there was a connection; and once when its queue
    /// overflows, and again only after the queue was empty.
    fn unreachable(&self, peer: u64);
}

/// A frame's share of what a peer may have waiting here: 32 MiB, or one larger frame. Drop
/// it when the frame has been taken.
#[derive(Debug)]
pub struct Permit {
    _held: OwnedSemaphorePermit,
}

impl Permit {
    pub(super) const fn new(held: OwnedSemaphorePermit) -> Self {
        Self { _held: held }
    }
}

/// Who asks. Its certificate names the replica it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its id.
    pub replica: u64,
    /// What it belongs to; `None` for a replica that has not joined yet, which may make
    /// requests and nothing else. The cluster is ours, if we have one; the lineage may be
    /// another.
    pub identity: Option<Identity>,
}

/// A stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// One end of a session. It breaks when the peer is removed or the transport closed; until
/// it is dropped it counts against the sessions there may be.
pub type SessionStream = Box<dyn Duplex>;

/// Answers what peers ask.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers a request, with at most [`ANSWER_LEN_MAX`](super::ANSWER_LEN_MAX) bytes. It is
    /// dropped when the peer does not wait any more.
    async fn request(&self, caller: Caller, request: Bytes) -> Bytes;

    /// Serves a session. It is dropped when the peer is removed or the transport is closed.
    async fn session(&self, caller: Caller, stream: SessionStream);
}
