//! The replica that leads: takes the session that another replica passes on.

use bytes::BytesMut;
use kimberlite_sql::error::{SqlError, state};

use super::super::handshake::{self, Established, fatal};
use super::super::io::{Closing, Io};
use super::super::reader::protocol;
use super::super::serve::Shared;
use super::Asserted;
use super::asserted::{MAX_PACKET, MIN_PACKET};

/// Reads whose session it is, and opens it; up to and including `BackendKeyData`.
pub(in super::super) async fn accept(
    io: &mut Io,
    out: &mut BytesMut,
    shared: &Shared,
    via: &str,
) -> Result<Established, Closing> {
    let session = read_packet(io).await?;
    io.peer = session.client;
    tracing::debug!(peer = %io.peer, via, user = %session.user, "a session is passed on");
    // After the packet was read: a stream that is closed with bytes unread may take
    // the refusal with it.
    if shared.engine.epoch().is_none() {
        return Err(fatal(not_leading()));
    }
    handshake::check_encryption(shared, session.tls, &session.user, &session.database)?;
    let slot = handshake::take_slot(shared)?;
    handshake::open_session(out, shared, session, slot)
}

async fn read_packet(io: &mut Io) -> Result<Asserted, Closing> {
    loop {
        match io.input.next_packet(MIN_PACKET, MAX_PACKET) {
            Ok(Some(packet)) => {
                let session = Asserted::decode(packet);
                return session.map_err(|error| fatal(protocol(error.to_string())));
            }
            Ok(None) => io.read().await?,
            Err(_) => {
                let what = "the session was passed on in a packet of an impossible length";
                return Err(fatal(protocol(what)));
            }
        }
    }
}

fn not_leading() -> SqlError {
    SqlError::new(
        state::CANNOT_CONNECT_NOW,
        "the replica that the session was passed on to does not lead any more",
    )
    .hint("Connect again: another one leads, or will in a moment.")
}
