//! The connection that takes our frames to a peer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::dial::dial;
use super::error::TransportError;
use super::hello::Purpose;
use super::packet::{BEAT_EVERY, Batch};
use super::peer::{Direction, PeerState};
use super::reason::reason;
use super::shared::Shared;
use crate::frame::FRAME_LEN_MAX;
use crate::members::replica_of;

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Bytes that have to go out within the time after which a peer counts as stuck.
const CHUNK_LEN: usize = 256 << 10;

/// Keeps a connection to the peer until it is removed.
pub(super) async fn run(shared: Arc<Shared>, peer: Arc<PeerState>) {
    let _gone = Gone(&peer);
    tokio::select! {
        () = peer.cancel.cancelled() => {}
        () = keep_connected(&shared, &peer) => {}
    }
}

/// However the task ends, nothing is connected or waits any more.
struct Gone<'a>(&'a PeerState);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.disconnected_out();
        self.0.queue.clear();
    }
}

/// Connects, again and again, with longer pauses the longer it does not work.
async fn keep_connected(shared: &Shared, peer: &PeerState) {
    let mut entry = peer.entry.subscribe();
    let mut identity = shared.identity.subscribe();
    let mut pause = BACKOFF_MIN;
    loop {
        entry.mark_unchanged();
        if identity.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let began = Instant::now();
        let ended = tokio::select! {
            ended = connection(shared, peer) => Some(ended),
            _ = entry.changed() => None,
            _ = identity.changed() => None,
        };
        // What was on its way may be lost; what waited is old.
        let was_connected = peer.disconnected_out();
        peer.queue.clear();
        let Some(error) = ended else {
            if was_connected {
                shared.lost(peer);
            }
            pause = BACKOFF_MIN;
            continue;
        };
        peer.complain(Direction::Out, Purpose::Replication, &error.to_string());
        shared.lost(peer);
        if was_connected && began.elapsed() >= BACKOFF_MAX {
            pause = BACKOFF_MIN;
        }
        tokio::select! {
            () = sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
            () = peer.redial.notified() => {}
            _ = entry.changed() => {}
            _ = identity.changed() => {}
        }
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

/// One connection, from dialling to its end.
async fn connection(shared: &Shared, peer: &PeerState) -> TransportError {
    let (stream, welcome) = match dial(shared, peer, Purpose::Replication).await {
        Ok(connected) => connected,
        Err(error) => return error,
    };
    peer.connected_out(&welcome);
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        error = write_frames(writer, peer, shared.stall_after) => error,
        error = watch(reader, shared.stall_after) => error,
    }
}

async fn write_frames(
    mut writer: impl AsyncWrite + Unpin,
    peer: &PeerState,
    stall_after: Duration,
) -> TransportError {
    let mut batch = Batch::default();
    loop {
        match timeout(BEAT_EVERY, peer.queue.filled()).await {
            Ok(()) => gather(&mut batch, peer).await,
            Err(_) => batch.beat(),
        }
        if let Err(error) = write(&mut writer, batch.bytes(), peer, stall_after).await {
            return error;
        }
        batch.clear();
    }
}

async fn gather(batch: &mut Batch, peer: &PeerState) {
    while !batch.is_full()
        && let Some((frame, len, waiting)) = peer.queue.pop()
    {
        if len <= FRAME_LEN_MAX {
            batch.add(frame, len, waiting).await;
        } else {
            // The core bounds what a frame carries far below this.
            let replica = replica_of(peer.replica);
            tracing::error!(replica, len, "a frame is longer than the protocol allows");
        }
    }
}

/// Writes in pieces, each of which has its deadline.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    peer: &PeerState,
    stall_after: Duration,
) -> Result<(), TransportError> {
    for chunk in bytes.chunks(CHUNK_LEN) {
        in_time("sending", stall_after, writer.write_all(chunk)).await?;
        peer.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    if peer.queue.is_empty() {
        in_time("sending", stall_after, writer.flush()).await?;
    }
    Ok(())
}

/// Reads the peer's signs of life until they stop.
async fn watch(mut reader: impl AsyncRead + Unpin, stall_after: Duration) -> TransportError {
    let mut beats = [0; 64];
    loop {
        match in_time("a sign of life", stall_after, reader.read(&mut beats)).await {
            Ok(0) => return TransportError::Lost("it closed the connection".into()),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Gives an operation on a stream its deadline.
pub(super) async fn in_time<T>(
    what: &'static str,
    after: Duration,
    operation: impl Future<Output = std::io::Result<T>>,
) -> Result<T, TransportError> {
    match timeout(after, operation).await {
        Ok(done) => done.map_err(|e| TransportError::Lost(reason(&e))),
        Err(_) => Err(TransportError::Deadline { what, after }),
    }
}
