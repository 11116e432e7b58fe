//! Both directions of a session that is copied, as one thing to poll.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::conversation::Conversation;
use super::pipe::{Ended, Pipe};

/// Why nothing is copied any more.
#[derive(Debug)]
pub(super) enum End {
    /// The other replica has closed the stream, or the stream broke. What came before
    /// was handed on.
    Leader(Option<io::Error>),
    /// The client's connection failed.
    Client(io::Error),
    /// The session rests, and was to end when it does.
    Resting,
}

/// How far the direction to the replica that leads has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Up {
    Open,
    /// The client says no more, which the other replica has to hear.
    Closing,
    Closed,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Traffic {
    up: Pipe,
    down: Pipe,
    up_is: Up,
    /// The client has closed its side.
    hung_up: bool,
    session: Conversation,
}

impl Traffic {
    /// Begins with bytes that the client sent already, and with bytes for it.
    pub(super) fn new(from_client: Vec<u8>, to_client: Vec<u8>) -> Self {
        let mut session = Conversation::new();
        session.received(&from_client);
        Traffic {
            up: Pipe::holding(from_client),
            down: Pipe::holding(to_client),
            up_is: Up::Open,
            hung_up: false,
            session,
        }
    }

    /// Whether the client can be told why its session ends: it does not know, and is
    /// not in the middle of a message.
    pub(super) fn may_tell(&self) -> bool {
        !self.hung_up && !self.session.is_over() && self.session.may_interject()
    }

    /// Whether the session ended in a way that is nobody's fault.
    pub(super) fn is_over(&self) -> bool {
        self.hung_up || self.session.is_over()
    }

    /// Copies what can be copied now. Ready at the end: with `draining` also when the
    /// session rests.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut (impl AsyncRead + AsyncWrite + Unpin),
        leader: &mut (impl AsyncRead + AsyncWrite + Unpin),
        draining: bool,
    ) -> Poll<End> {
        if let Poll::Ready(error) = self.poll_up(cx, client, leader) {
            return Poll::Ready(End::Client(error));
        }
        let session = &mut self.session;
        let sent = |bytes: &[u8]| session.sent(bytes);
        let (from, to) = (Pin::new(leader), Pin::new(client));
        match self.down.poll_move(cx, from, to, |_| (), sent) {
            Poll::Ready(Ended::Over) => return Poll::Ready(End::Leader(None)),
            Poll::Ready(Ended::Reading(error)) => return Poll::Ready(End::Leader(Some(error))),
            Poll::Ready(Ended::Writing(error)) => return Poll::Ready(End::Client(error)),
            Poll::Pending => {}
        }
        let quiet = self.up.is_empty() && self.down.is_empty();
        if draining && quiet && self.session.is_resting() {
            return Poll::Ready(End::Resting);
        }
        Poll::Pending
    }

    /// From the client to the replica that leads. Ready when the client's connection
    /// fails; the end of the other one shows where it is read, after its last words.
    fn poll_up(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut (impl AsyncRead + Unpin),
        leader: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Error> {
        loop {
            self.up_is = match self.up_is {
                Up::Open => {
                    let session = &mut self.session;
                    let received = |bytes: &[u8]| session.received(bytes);
                    let (from, to) = (Pin::new(&mut *client), Pin::new(&mut *leader));
                    match ready!(self.up.poll_move(cx, from, to, received, |_| ())) {
                        Ended::Over => {
                            self.hung_up = true;
                            Up::Closing
                        }
                        Ended::Writing(error) => {
                            tracing::debug!(%error, "the stream to the replica that leads broke");
                            Up::Closed
                        }
                        Ended::Reading(error) => return Poll::Ready(error),
                    }
                }
                Up::Closing => {
                    // Where it fails there is nobody left to hear it.
                    let _ = ready!(Pin::new(&mut *leader).poll_shutdown(cx));
                    Up::Closed
                }
                Up::Closed => return Poll::Pending,
            }
        }
    }
}
