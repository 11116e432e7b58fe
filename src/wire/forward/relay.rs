//! The replica that a client is connected to: opens a stream to the one that leads, and
//! copies.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use kimberlite_sql::error::{Severity, SqlError, state};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::super::connection::shutting_down;
use super::super::io::{Closing, Io, Phase, reached};
use super::traffic::{End, Traffic};
use super::{Asserted, Duplex, Forwarder};

/// Bytes of the first read from the replica that leads.
const FIRST_READ: usize = 8 << 10;
/// How long the other replica may take to hear that the session is over.
const GOODBYE: Duration = Duration::from_secs(2);

/// A session that another replica serves.
#[derive(Debug)]
pub(in super::super) struct Passage {
    leader: Box<dyn Duplex>,
    /// What the other replica said first.
    begun: Vec<u8>,
    /// The connection slot, which is taken here as well.
    _slot: OwnedSemaphorePermit,
}

impl Passage {
    /// Opens a stream for an authenticated session and waits for the first answer.
    ///
    /// # Errors
    /// 57P03 when there is no stream or no answer, 54000 when the session cannot be
    /// described.
    pub(in super::super) async fn open(
        forwarder: &dyn Forwarder,
        session: &Asserted,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, Closing> {
        let packet = session.encode().map_err(|error| {
            let error = SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, error.to_string());
            Closing::Fatal(error.severity(Severity::Fatal))
        })?;
        let mut leader = forwarder.open().await.map_err(|why| not_now(&why))?;
        let mut begun = vec![0; FIRST_READ];
        let introduced = async {
            leader.write_all(&packet).await?;
            leader.flush().await?;
            leader.read(&mut begun).await
        };
        match introduced.await {
            Ok(0) => return Err(not_now("it closed the stream")),
            Ok(count) => begun.truncate(count),
            Err(error) => return Err(not_now(&error.to_string())),
        }
        Ok(Passage {
            leader,
            begun,
            _slot: slot,
        })
    }

    /// Copies in both directions to the end of the session; why it ends. `out` goes to
    /// the client first, and comes back empty.
    pub(in super::super) async fn carry(
        mut self,
        io: &mut Io,
        out: &mut BytesMut,
        phase: &mut watch::Receiver<Phase>,
    ) -> Closing {
        let to_client = [&out.split()[..], &self.begun].concat();
        let mut traffic = Traffic::new(io.input.take_all(), to_client);
        let closing = self.copy(&mut traffic, io, phase).await;
        // It finds out by itself if it does not hear this.
        let _ = tokio::time::timeout(GOODBYE, self.leader.shutdown()).await;
        closing
    }

    async fn copy(
        &mut self,
        traffic: &mut Traffic,
        io: &mut Io,
        phase: &mut watch::Receiver<Phase>,
    ) -> Closing {
        let mut draining = false;
        let end = loop {
            let next = if draining {
                Phase::Ending
            } else {
                Phase::Draining
            };
            let leader = &mut self.leader;
            let client = io.stream();
            tokio::select! {
                biased;
                end = poll_fn(|cx| traffic.poll(cx, client, leader, draining)) => break Some(end),
                () = reached(phase, next) => {
                    if draining {
                        break None;
                    }
                    draining = true;
                }
            }
        };
        match end {
            Some(End::Client(error)) => Closing::Io(error),
            Some(End::Leader(error)) => {
                if !traffic.is_over() {
                    tracing::warn!(peer = %io.peer, ?error, "the replica that led is gone");
                }
                told(traffic, leader_gone())
            }
            Some(End::Resting) | None => told(traffic, shutting_down()),
        }
    }
}

/// The reason, where the client can take one.
fn told(traffic: &Traffic, reason: Closing) -> Closing {
    if traffic.may_tell() {
        reason
    } else {
        Closing::Gone
    }
}

/// The session cannot begin.
fn not_now(why: &str) -> Closing {
    let error = SqlError::new(
        state::CANNOT_CONNECT_NOW,
        format!("the session cannot be passed on to the replica that leads: {why}"),
    )
    .hint(
        "Connect again. With default_transaction_read_only=on in the connection's options, \
         this replica serves reads itself.",
    );
    Closing::Fatal(error.severity(Severity::Fatal))
}

/// The session cannot go on.
fn leader_gone() -> Closing {
    let error = SqlError::new(
        state::ADMIN_SHUTDOWN,
        "the replica that led is gone: connect again",
    )
    .hint(
        "What was not committed is undone. Where a COMMIT was not answered, \
         look whether it took effect.",
    );
    Closing::Fatal(error.severity(Severity::Fatal))
}
