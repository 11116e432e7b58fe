//! The result of a running query.

use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::stop::Stop;
use crate::cancel::Cancellation;
use crate::error::SqlError;

/// Batches that may wait for the reader.
pub(super) const WAITING_BATCHES: usize = 2;

/// What the query task sends.
pub(super) enum Message {
    Batch(RecordBatch),
    Failed(SqlError),
    Done,
}

/// Record batches of a query that runs on the query runtime. Dropping the stream
/// stops the query.
#[derive(Debug)]
pub struct QueryStream {
    receiver: mpsc::Receiver<Message>,
    task: AbortHandle,
    cancel: Cancellation,
    stop: Stop,
    ended: bool,
}

impl QueryStream {
    pub(super) fn new(
        receiver: mpsc::Receiver<Message>,
        task: AbortHandle,
        cancel: Cancellation,
        stop: Stop,
    ) -> Self {
        Self {
            receiver,
            task,
            cancel,
            stop,
            ended: false,
        }
    }

    /// The next batch; `None` after the last one or after an error.
    ///
    /// # Errors
    /// Whatever the query fails with.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        if self.ended {
            return None;
        }
        // Asked here and not only by the query: an operator that computes for long
        // without a pause would not notice.
        let message = tokio::select! {
            biased;
            error = self.cancel.cancelled() => Some(Message::Failed(error)),
            message = self.receiver.recv() => message,
        };
        match message {
            Some(Message::Batch(batch)) => Some(Ok(batch)),
            Some(Message::Done) => {
                self.ended = true;
                None
            }
            Some(Message::Failed(error)) => {
                self.ended = true;
                Some(Err(error))
            }
            None => {
                self.ended = true;
                Some(Err(SqlError::internal(
                    "the query task ended without a result",
                )))
            }
        }
    }
}

impl Drop for QueryStream {
    fn drop(&mut self) {
        // Where the query waits, and where it does not.
        self.task.abort();
        self.stop.set();
    }
}
