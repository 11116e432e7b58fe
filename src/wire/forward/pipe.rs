//! One direction of a session that is copied.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that one direction holds at most, beyond what it began with.
const PIPE: usize = 16 << 10;

/// Why a direction ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// No more will come, and everything was handed on.
    Over,
    /// Reading failed.
    Reading(io::Error),
    /// Writing failed.
    Writing(io::Error),
}

/// Bytes that were read and are not written yet.
#[derive(Debug)]
pub(super) struct Pipe {
    buffer: Vec<u8>,
    written: usize,
    filled: usize,
    unflushed: bool,
    over: bool,
}

impl Pipe {
    /// A pipe that has some bytes to write already.
    pub(super) fn holding(buffer: Vec<u8>) -> Self {
        Pipe {
            written: 0,
            filled: buffer.len(),
            buffer,
            unflushed: false,
            over: false,
        }
    }

    /// Whether everything that was read is written.
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.filled
    }

    /// Moves what can be moved now; ready at the end only. Nothing is read before what
    /// was read is written: a slow reader makes its writer wait.
    pub(super) fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut (impl AsyncRead + ?Sized)>,
        mut to: Pin<&mut (impl AsyncWrite + ?Sized)>,
        mut on_read: impl FnMut(&[u8]),
        mut on_written: impl FnMut(&[u8]),
    ) -> Poll<Ended> {
        loop {
            let waiting = self.buffer.get(self.written..self.filled);
            let waiting = waiting.unwrap_or_default();
            if !waiting.is_empty() {
                match ready!(to.as_mut().poll_write(cx, waiting)) {
                    Ok(0) => return Poll::Ready(Ended::Writing(io::ErrorKind::WriteZero.into())),
                    Ok(count) => {
                        on_written(waiting.get(..count).unwrap_or_default());
                        self.written += count;
                        self.unflushed = true;
                    }
                    Err(error) => return Poll::Ready(Ended::Writing(error)),
                }
                continue;
            }
            if self.unflushed {
                match to.as_mut().poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(error)) => return Poll::Ready(Ended::Writing(error)),
                    Poll::Pending if self.over => return Poll::Pending,
                    // It goes on when there is room; meanwhile more may come.
                    Poll::Pending => {}
                }
            }
            if self.over {
                return Poll::Ready(Ended::Over);
            }
            match ready!(self.poll_fill(cx, from.as_mut())) {
                Ok(()) => on_read(self.buffer.get(..self.filled).unwrap_or_default()),
                Err(error) => return Poll::Ready(Ended::Reading(error)),
            }
        }
    }

    /// Reads once into the empty buffer.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: Pin<&mut (impl AsyncRead + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        (self.written, self.filled) = (0, 0);
        if self.buffer.len() != PIPE {
            self.buffer = vec![0; PIPE];
        }
        let mut room = ReadBuf::new(&mut self.buffer);
        ready!(from.poll_read(cx, &mut room))?;
        self.filled = room.filled().len();
        self.over = self.filled == 0;
        Poll::Ready(Ok(()))
    }
}
