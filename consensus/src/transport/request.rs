//! A request and its answer, each on a connection of its own.
//!
//! After Welcome the dialler sends a `u32` length, at most 1 MiB, and the request; the
//! other side a `u32` length, at most 64 MiB, and the answer, or the length `0xffff_ffff`
//! alone where the answer is too long to be sent. Integers are little-endian. Then both
//! close.
//!
//! Connections are not kept: a request that fails on a connection that has been idle may
//! or may not have been carried out, and nobody could tell. Requests are rare; the cost is
//! one TLS handshake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::accept::Admitted;
use super::dial::{HANDSHAKE_MAX, dial};
use super::error::TransportError;
use super::hello::Purpose;
use super::peer::{Direction, PeerState};
use super::receiver::read_body;
use super::sender::in_time;
use super::shared::Shared;
use super::socket::{self, Tls};

/// Longest request in bytes.
pub const REQUEST_LEN_MAX: usize = 1 << 20;
/// Longest answer in bytes.
pub const ANSWER_LEN_MAX: usize = 64 << 20;

const TOO_LONG: u32 = u32::MAX;
const CHUNK_LEN: usize = 256 << 10;

/// Asks a peer. All of it has to be done before the deadline.
pub(super) async fn ask(
    shared: &Shared,
    peer: &PeerState,
    request: &[u8],
    deadline: Duration,
) -> Result<Bytes, TransportError> {
    if request.len() > REQUEST_LEN_MAX {
        return Err(TransportError::RequestTooLong(request.len()));
    }
    let asking = async {
        let turn = Arc::clone(&peer.requests_out).acquire_owned().await;
        let _turn = turn.map_err(|_| TransportError::Closed)?;
        let (stream, _) = dial(shared, peer, Purpose::Request).await?;
        exchange(stream, request, deadline).await
    };
    tokio::select! {
        () = peer.cancel.cancelled() => Err(TransportError::Closed),
        answer = timeout(deadline, asking) => match answer {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::Deadline { what: "a request", after: deadline }),
        }
    }
}

async fn exchange(
    mut stream: Tls,
    request: &[u8],
    deadline: Duration,
) -> Result<Bytes, TransportError> {
    let len = (request.len() as u32).to_le_bytes();
    let said = async {
        stream.write_all(&len).await?;
        stream.write_all(request).await?;
        stream.flush().await
    };
    in_time("a request", deadline, said).await?;
    let mut len = [0; 4];
    in_time("a request", deadline, stream.read_exact(&mut len)).await?;
    let len = u32::from_le_bytes(len);
    if len == TOO_LONG {
        return Err(TransportError::AnswerTooLong);
    }
    if len as usize > ANSWER_LEN_MAX {
        return Err(TransportError::Protocol(format!(
            "an answer of {len} bytes"
        )));
    }
    let answer = read_body(&mut stream, len as usize, deadline).await?;
    // The answer is here; how the connection ends does not matter.
    drop(stream.shutdown().await);
    Ok(answer)
}

/// Answers the one request of a connection.
pub(super) async fn serve(shared: &Shared, admitted: Admitted) {
    let Admitted {
        stream,
        peer,
        caller,
        slot,
        ..
    } = admitted;
    if let Err(error) = respond(shared, stream, caller).await {
        peer.complain(Direction::In, Purpose::Request, &error.to_string());
    }
    drop(slot);
}

async fn respond(
    shared: &Shared,
    mut stream: Tls,
    caller: super::traits::Caller,
) -> Result<(), TransportError> {
    let mut len = [0; 4];
    in_time("a request", HANDSHAKE_MAX, stream.read_exact(&mut len)).await?;
    let len = u32::from_le_bytes(len) as usize;
    if len > REQUEST_LEN_MAX {
        return Err(TransportError::Protocol(format!(
            "a request of {len} bytes"
        )));
    }
    let request = read_body(&mut stream, len, shared.stall_after).await?;
    let mut waste = [0];
    let answer = tokio::select! {
        answer = shared.handler.request(caller, request) => answer,
        // Nobody waits any more, or says what nobody asked for.
        _ = stream.read(&mut waste) => return Ok(()),
    };
    send(&mut stream, &answer, shared.stall_after).await?;
    socket::end(stream).await;
    Ok(())
}

async fn send(stream: &mut Tls, answer: &[u8], stall: Duration) -> Result<(), TransportError> {
    let (len, answer) = match u32::try_from(answer.len()) {
        Ok(len) if answer.len() <= ANSWER_LEN_MAX => (len, answer),
        _ => (TOO_LONG, &[][..]),
    };
    in_time("an answer", stall, stream.write_all(&len.to_le_bytes())).await?;
    for chunk in answer.chunks(CHUNK_LEN) {
        in_time("an answer", stall, stream.write_all(chunk)).await?;
    }
    in_time("an answer", stall, stream.flush()).await
}
