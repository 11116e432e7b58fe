//! The socket of one connection: plain or TLS, with its read buffer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use kimberlite_sql::cancel::{CancelReason, Cancellation};
use kimberlite_sql::error::SqlError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::forward::Duplex;
use super::input::Input;

/// Output leaves when this many bytes are waiting.
pub(super) const FLUSH_AT: usize = 64 << 10;

/// How far the end of the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serving.
    Running,
    /// Idle sessions close; statements may finish.
    Draining,
    /// The grace is over: every wait for a client ends.
    Ending,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Closing {
    /// The client said goodbye, or its socket is closed.
    Gone,
    /// The socket failed.
    Io(io::Error),
    /// The server ends the session; the client is told.
    Fatal(SqlError),
}

impl From<io::Error> for Closing {
    fn from(error: io::Error) -> Self {
        Closing::Io(error)
    }
}

/// A statement-level error, which is reported and survived, or the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Report it; the session goes on.
    Sql(SqlError),
    /// The connection ends.
    Close(Closing),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Stop::Sql(error)
    }
}

impl From<Closing> for Stop {
    fn from(closing: Closing) -> Self {
        Stop::Close(closing)
    }
}

/// The other end: a socket, encrypted or not, or a replica.
#[derive(Debug)]
pub(super) enum Stream {
    /// As accepted.
    Plain(TcpStream),
    /// After a TLS handshake.
    Tls(Box<TlsStream<TcpStream>>),
    /// What another replica passes on of its client.
    Forwarded(Box<dyn Duplex>),
    /// During a TLS handshake, and after one that failed.
    Lost,
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Stream::Forwarded(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Lost => Poll::Ready(Err(lost())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Stream::Forwarded(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Stream::Forwarded(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Stream::Forwarded(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Lost => Poll::Ready(Err(lost())),
        }
    }
}

/// A socket with its read buffer.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    /// Bytes received and not yet decoded.
    pub(super) input: Input,
    /// The client's address, also where another replica passes it on.
    pub(super) peer: SocketAddr,
    /// The other end closed the socket, or it failed.
    gone: bool,
}

impl Io {
    /// Wraps an accepted socket or stream.
    pub(super) fn new(stream: Stream, peer: SocketAddr) -> Self {
        Io {
            stream,
            input: Input::new(),
            peer,
            gone: false,
        }
    }

    /// Does the TLS handshake on a plain socket whose read buffer is empty.
    pub(super) async fn encrypt(&mut self, acceptor: TlsAcceptor) -> Result<(), Closing> {
        let Stream::Plain(socket) = std::mem::replace(&mut self.stream, Stream::Lost) else {
            return Err(Closing::Gone);
        };
        let encrypted = acceptor.accept(socket).await?;
        self.stream = Stream::Tls(Box::new(encrypted));
        Ok(())
    }

    /// Whether a TLS handshake was done.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The other end, for who copies bytes and reads no messages.
    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Whether the client is known to be away.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Reads once, into the buffer. `Closing::Gone` at the end of the stream.
    pub(super) async fn read(&mut self) -> Result<(), Closing> {
        if self.gone {
            return Err(Closing::Gone);
        }
        let read = self.stream.read_buf(self.input.prepare()).await;
        match read {
            Ok(0) => self.gone = true,
            Ok(count) => {
                self.input.received(count);
                return Ok(());
            }
            Err(error) => {
                self.gone = true;
                return Err(Closing::Io(error));
            }
        }
        Err(Closing::Gone)
    }

    /// Writes everything in `out` and empties it. Ends early when the server
    /// cannot wait for this client any longer.
    pub(super) async fn flush(
        &mut self,
        out: &mut BytesMut,
        phase: &mut watch::Receiver<Phase>,
    ) -> Result<(), Closing> {
        if out.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            written = self.write(out) => written,
            () = reached(phase, Phase::Ending) => Err(Closing::Gone),
        }
    }

    /// Writes everything in `out` and empties it, however long it takes.
    pub(super) async fn write(&mut self, out: &mut BytesMut) -> Result<(), Closing> {
        self.stream.write_all(out).await?;
        self.stream.flush().await?;
        if out.capacity() > 4 * FLUSH_AT {
            *out = BytesMut::new();
        } else {
            out.clear();
        }
        Ok(())
    }

    /// Closes the write side, politely where TLS has a goodbye.
    pub(super) async fn shutdown(&mut self) {
        // The peer may be away already; there is nobody left to tell.
        let _ = self.stream.shutdown().await;
    }

    /// Runs a statement's future to its end. Meanwhile the socket is read
    /// ahead, so that a client that leaves cancels what it asked for.
    ///
    /// The future is never dropped half way: a commit that has begun ends by
    /// itself, one way or the other.
    pub(super) async fn watch<F: Future>(&mut self, cancel: &Cancellation, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            let may_read = !self.gone && self.input.has_room_ahead();
            tokio::select! {
                biased;
                output = &mut future => return output,
                read = self.read(), if may_read => {
                    if read.is_err() {
                        cancel.cancel(CancelReason::Disconnect);
                    }
                }
            }
        }
    }
}

/// Waits until the server has come as far as `least`. Ends at once when the
/// sender is gone, which only happens when the listener itself is.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, least: Phase) {
    let _ = phase.wait_for(|now| *now >= least).await;
}
