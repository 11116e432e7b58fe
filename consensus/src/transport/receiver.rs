//! The connection that brings a peer's frames.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::sleep;

use super::accept::Admitted;
use super::error::TransportError;
use super::hello::Purpose;
use super::packet::{BEAT_EVERY, Head, PACKET_HEAD_LEN, PLAIN_LEN_LEN, decompress, plain_len};
use super::peer::{Direction, PeerState, WINDOW_BYTES};
use super::sender::in_time;
use super::shared::Shared;
use super::traits::Permit;
use crate::frame::Frame;
use crate::members::replica_of;

/// What a frame costs of the window at least: it is more in memory than on the wire.
const FRAME_COST_MIN: usize = 1024;

/// Hands frames over until the connection ends, another one takes its place, or this
/// replica becomes somebody else.
pub(super) async fn serve(shared: &Shared, admitted: Admitted) {
    let peer = admitted.peer;
    let mut identity = shared.identity.subscribe();
    let (number, replaced) = peer.connected_in(admitted.features, admitted.version);
    let gone = Gone(&peer, number);
    let (reader, writer) = tokio::io::split(admitted.stream);
    let ended = tokio::select! {
        () = replaced.cancelled() => None,
        _ = identity.wait_for(|now| *now != admitted.identity) => None,
        error = read_frames(reader, shared, &peer) => Some(error),
        error = beat(writer, shared.stall_after) => Some(error),
    };
    drop(gone);
    if let Some(error) = ended {
        peer.complain(Direction::In, Purpose::Replication, &error.to_string());
    }
}

/// However the task ends, the connection of that number is no more.
struct Gone<'a>(&'a PeerState, u64);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.disconnected_in(self.1);
    }
}

async fn beat(mut writer: impl AsyncWrite + Unpin, stall_after: Duration) -> TransportError {
    loop {
        sleep(BEAT_EVERY).await;
        let beat = async {
            writer.write_all(&[0]).await?;
            writer.flush().await
        };
        if let Err(error) = in_time("a sign of life", stall_after, beat).await {
            return error;
        }
    }
}

async fn read_frames(
    mut reader: impl AsyncRead + Unpin,
    shared: &Shared,
    peer: &PeerState,
) -> TransportError {
    loop {
        match read_frame(&mut reader, shared, peer).await {
            Ok(Some((frame, permit))) => shared.inbox.deliver(frame, permit),
            Ok(None) => {}
            Err(error) => return error,
        }
    }
}

async fn read_frame(
    reader: &mut (impl AsyncRead + Unpin),
    shared: &Shared,
    peer: &PeerState,
) -> Result<Option<(Frame, Permit)>, TransportError> {
    let stall = shared.stall_after;
    let mut head = [0; PACKET_HEAD_LEN];
    in_time("a sign of life", stall, reader.read_exact(&mut head)).await?;
    let (len, plain) = match Head::decode(head).map_err(TransportError::Protocol)? {
        Head::Beat => return Ok(None),
        Head::Plain(len) => (len, None),
        Head::Compressed(len) => {
            let mut field = [0; PLAIN_LEN_LEN];
            in_time("receiving", stall, reader.read_exact(&mut field)).await?;
            let plain = plain_len(field, len).map_err(TransportError::Protocol)?;
            (len - PLAIN_LEN_LEN, Some(plain))
        }
    };
    let permit = room(peer, plain.unwrap_or(len)).await?;
    let body = read_body(reader, len, stall).await?;
    peer.received
        .fetch_add((head.len() + len) as u64, Ordering::Relaxed);
    let body = match plain {
        None => body,
        Some(plain) => decompressed(body, plain).await?,
    };
    let frame = Frame::decode(&body).map_err(|e| TransportError::Protocol(e.to_string()))?;
    if (frame.from(), frame.to()) != (peer.replica, shared.replica) {
        return Err(TransportError::Protocol(format!(
            "a frame from replica {} to replica {} on a connection from replica {} to replica {}",
            replica_of(frame.from()),
            replica_of(frame.to()),
            replica_of(peer.replica),
            replica_of(shared.replica)
        )));
    }
    Ok(Some((frame, permit)))
}

/// Waits until the core has taken enough of what the peer sent before.
async fn room(peer: &PeerState, len: usize) -> Result<Permit, TransportError> {
    let cost = u32::try_from(len.max(FRAME_COST_MIN)).unwrap_or(WINDOW_BYTES);
    let window = Arc::clone(&peer.window);
    let held = window.acquire_many_owned(cost.min(WINDOW_BYTES)).await;
    held.map(Permit::new).map_err(|_| TransportError::Closed)
}

/// Reads `len` bytes; each piece of them has its deadline.
pub(super) async fn read_body(
    reader: &mut (impl AsyncRead + Unpin),
    len: usize,
    stall_after: Duration,
) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::with_capacity(len);
    let mut rest = reader.take(len as u64);
    while body.len() < len {
        let read = in_time("receiving", stall_after, rest.read_buf(&mut body)).await?;
        if read == 0 {
            return Err(TransportError::Lost("it closed the connection".into()));
        }
    }
    Ok(body.freeze())
}

async fn decompressed(body: Bytes, plain_len: usize) -> Result<Bytes, TransportError> {
    let work = tokio::task::spawn_blocking(move || decompress(&body, plain_len));
    let plain = work.await.map_err(|_| TransportError::Closed)?;
    plain.map(Bytes::from).map_err(TransportError::Protocol)
}
