//! Frames that wait for a connection to their peer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frame::Frame;

/// Most bytes of frames that wait for one peer; a larger frame waits alone.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Most frames that wait for one peer.
pub const QUEUE_FRAMES_MAX: usize = 1024;

/// Bounded; never waits.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Default)]
struct Inner {
    frames: VecDeque<(Frame, usize)>,
    bytes: usize,
    dropped: u64,
    /// Whether a frame did not fit since the queue was last empty.
    overflowing: bool,
}

impl Queue {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a frame at the end, or drops it where there is no room. `true` when it is the
    /// first that is dropped since the queue was empty.
    #[must_use]
    pub(super) fn push(&self, frame: Frame) -> bool {
        let len = frame.encoded_len();
        let mut inner = self.inner();
        let fits = inner.frames.is_empty()
            || (inner.frames.len() < QUEUE_FRAMES_MAX && inner.bytes + len <= QUEUE_BYTES_MAX);
        if !fits {
            inner.dropped += 1;
            return !std::mem::replace(&mut inner.overflowing, true);
        }
        inner.bytes += len;
        inner.frames.push_back((frame, len));
        drop(inner);
        self.filled.notify_one();
        false
    }

    /// The next frame, its length, and whether others wait behind it.
    pub(super) fn pop(&self) -> Option<(Frame, usize, bool)> {
        let mut inner = self.inner();
        let (frame, len) = inner.frames.pop_front()?;
        inner.bytes = inner.bytes.saturating_sub(len);
        let more = !inner.frames.is_empty();
        inner.overflowing &= more;
        Some((frame, len, more))
    }

    /// Waits until there is a frame. For one waiter.
    pub(super) async fn filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner().frames.is_empty()
    }

    /// Drops everything, as the network might have.
    pub(super) fn clear(&self) {
        let mut inner = self.inner();
        inner.dropped += inner.frames.len() as u64;
        inner.frames = VecDeque::new();
        inner.bytes = 0;
        inner.overflowing = false;
    }

    /// Bytes that wait, and frames dropped so far.
    pub(super) fn figures(&self) -> (usize, u64) {
        let inner = self.inner();
        (inner.bytes, inner.dropped)
    }
}
