//! Streams to a replica that may hang: a process that is stopped, or a machine that is,
//! answers nothing and breaks no connection.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use kimberlite_consensus::transport::SessionStream;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Ends streams to replicas that hang.
#[derive(Default)]
pub(super) struct Hangs(Mutex<BTreeMap<u64, CancellationToken>>);

impl Hangs {
    /// A stream to a replica that ends when the replica is found to hang.
    pub(super) fn watch(&self, replica: u64, stream: SessionStream) -> Watched {
        let token = self.0.lock().entry(replica).or_default().clone();
        Watched {
            stream,
            cut: Box::pin(token.cancelled_owned()),
        }
    }

    /// Ends all streams to a replica.
    pub(super) fn cut(&self, replica: u64) {
        if let Some(token) = self.0.lock().remove(&replica) {
            token.cancel();
        }
    }
}

/// A stream that can be ended from elsewhere.
pub(super) struct Watched {
    stream: SessionStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Watched {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the replica does not answer any more, and another one leads",
            )),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_stream_to_a_replica_that_hangs_ends_and_others_do_not() {
        let hangs = Hangs::default();
        let (one, mut other_end) = tokio::io::duplex(64);
        let (two, _kept) = tokio::io::duplex(64);
        let mut hanging = hangs.watch(2, Box::new(two));
        let mut well = hangs.watch(3, Box::new(one));
        let cutting = async { hangs.cut(2) };
        let mut byte = [0];
        let (error, ()) = tokio::join!(hanging.read(&mut byte), cutting);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        tokio::io::AsyncWriteExt::write_all(&mut other_end, b"x")
            .await
            .unwrap();
        assert_eq!(well.read(&mut byte).await.unwrap(), 1);
    }
}
