//! Streams between two replicas, for whoever needs one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::accept::Admitted;
use super::dial::dial;
use super::error::TransportError;
use super::hello::Purpose;
use super::peer::PeerState;
use super::shared::Shared;
use super::socket::Tls;
use super::traits::SessionStream;

/// Opens a session with a peer, if there are not too many.
pub(super) async fn open(
    shared: &Shared,
    peer: &PeerState,
) -> Result<SessionStream, TransportError> {
    let busy = |_| TransportError::Refused {
        code: super::RefusalCode::Busy,
        text: "too many sessions with this peer are open here".into(),
    };
    let slot = Arc::clone(&peer.sessions_out)
        .try_acquire_owned()
        .map_err(busy)?;
    tokio::select! {
        () = peer.cancel.cancelled() => Err(TransportError::Closed),
        dialled = dial(shared, peer, Purpose::Session) => {
            let (stream, _) = dialled?;
            Ok(Box::new(Held::new(stream, Some(slot), &peer.cancel)))
        }
    }
}

/// Serves a session that a peer opened.
pub(super) async fn serve(shared: &Shared, admitted: Admitted) {
    let stream = Held::new(admitted.stream, admitted.slot, &admitted.peer.cancel);
    shared
        .handler
        .session(admitted.caller, Box::new(stream))
        .await;
}

/// A stream that has its place among the sessions, and breaks when the peer is removed.
struct Held {
    stream: Tls,
    _slot: Option<OwnedSemaphorePermit>,
    /// One for each direction: two tasks may wait.
    read_ended: Ended,
    write_ended: Ended,
}

impl Held {
    fn new(stream: Tls, slot: Option<OwnedSemaphorePermit>, cancel: &CancellationToken) -> Self {
        Self {
            stream,
            _slot: slot,
            read_ended: Ended::new(cancel),
            write_ended: Ended::new(cancel),
        }
    }
}

struct Ended {
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
}

impl Ended {
    fn new(cancel: &CancellationToken) -> Self {
        Self {
            cancelled: Box::pin(cancel.clone().cancelled_owned()),
            over: false,
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.over = self.over || self.cancelled.as_mut().poll(cx).is_ready();
        match self.over {
            true => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the transport is closed or the replica was removed",
            )),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read_ended.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_ended.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_ended.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_ended.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
