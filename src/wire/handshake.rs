//! From an accepted socket to an authenticated session.

use std::sync::Arc;

use bytes::BytesMut;
use kimberlite_sql::error::{Severity, SqlError, state};
use kimberlite_sql::session::{ConnectRequest, Session};
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::backend;
use super::cancel::CancelGuard;
use super::forward::Asserted;
use super::forward::relay::Passage;
use super::frontend::Kind;
use super::io::{Closing, Io, Phase};
use super::reader::protocol;
use super::scram::{self, Exchange};
use super::serve::Shared;
use super::startup::{self, MAX_PACKET, MIN_PACKET, Packet, SaslResponse, Start};

/// Bytes a client may send between its startup packet and its session.
const UNAUTHENTICATED_BYTES: usize = 64 << 10;
/// Bytes of cancel secret in protocol 3.0, which has room for no more.
const SHORT_SECRET: usize = 4;
/// Bytes of cancel secret since protocol 3.2.
const LONG_SECRET: usize = 32;

/// A session, and what it holds on to.
pub(super) struct Established {
    /// The session.
    pub(super) session: Session,
    /// Its place in the cancel registry.
    pub(super) cancel_key: CancelGuard,
    /// Its connection slot.
    pub(super) slot: OwnedSemaphorePermit,
}

/// Who serves an authenticated client.
pub(super) enum Served {
    /// This replica.
    Here(Box<Established>),
    /// The replica that leads.
    Elsewhere(Passage),
}

/// Speaks the startup phase up to and including `BackendKeyData`; the caller
/// sends `ReadyForQuery`. Where the replica that leads serves the session, this
/// one ends with the SASL exchange and the other begins with `AuthenticationOk`.
/// `None` when there is no session to serve: a cancel
/// request, or a socket that did not speak the protocol.
pub(super) async fn establish(
    io: &mut Io,
    out: &mut BytesMut,
    shared: &Shared,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Option<Served>, Closing> {
    let Some(start) = first_packet(io, out, shared, phase).await? else {
        return Ok(None);
    };
    check_encryption(shared, io.is_encrypted(), &start.user, &start.database)?;
    // Taken before the password is asked for: logins under way count too.
    let slot = take_slot(shared)?;
    if start.negotiate {
        backend::negotiate_protocol_version(out, start.minor, &start.unknown_options);
    }
    if let Err(closing) = authenticate(io, out, shared, phase, &start).await {
        if let Closing::Fatal(error) = &closing {
            shared.config.metrics.auth_failed();
            tracing::warn!(
                peer = %io.peer, user = %start.user, database = %start.database,
                %error, reason = error.get_internal(), "authentication failed"
            );
        }
        return Err(closing);
    }
    let session = Asserted::new(start, io.peer, io.is_encrypted());
    let forwarder = shared.config.forward.as_deref();
    let served = match forwarder.filter(|forwarder| forwarder.wanted(&session)) {
        Some(forwarder) => Served::Elsewhere(Passage::open(forwarder, &session, slot).await?),
        None => Served::Here(Box::new(open_session(out, shared, session, slot)?)),
    };
    Ok(Some(served))
}

/// Sessions on connections without TLS may be refused.
pub(super) fn check_encryption(
    shared: &Shared,
    encrypted: bool,
    user: &str,
    database: &str,
) -> Result<(), Closing> {
    if encrypted || !shared.config.tls_required {
        return Ok(());
    }
    let what = format!(
        "connection for user \"{user}\" to database \"{database}\" without TLS is not allowed"
    );
    let error = SqlError::new(state::INVALID_AUTHORIZATION_SPECIFICATION, what);
    Err(fatal(
        error.hint("Connect with sslmode=require or stricter."),
    ))
}

/// Takes a connection slot.
pub(super) fn take_slot(shared: &Shared) -> Result<OwnedSemaphorePermit, Closing> {
    Arc::clone(&shared.slots).try_acquire_owned().map_err(|_| {
        shared.config.metrics.refused();
        fatal(SqlError::new(
            state::TOO_MANY_CONNECTIONS,
            "sorry, too many clients already",
        ))
    })
}

/// Opens the session of an authenticated client, from `AuthenticationOk` to
/// `BackendKeyData`.
pub(super) fn open_session(
    out: &mut BytesMut,
    shared: &Shared,
    start: Asserted,
    slot: OwnedSemaphorePermit,
) -> Result<Established, Closing> {
    backend::authentication_ok(out);
    let secret_len = if start.minor >= 2 {
        LONG_SECRET
    } else {
        SHORT_SECRET
    };
    let cancel_key = shared.cancels.reserve();
    let session = shared
        .engine
        .connect(ConnectRequest {
            database: start.database,
            user: start.user,
            application_name: start.application_name,
            options: start.settings,
            backend_pid: cancel_key.pid(),
            client_addr: start.client.to_string(),
        })
        .map_err(fatal)?;
    for (name, value) in session.parameters() {
        backend::parameter_status(out, name, &value);
    }
    let secret = cancel_key.publish(session.cancel_handle(), secret_len);
    backend::backend_key_data(out, cancel_key.pid(), &secret);
    Ok(Established {
        session,
        cancel_key,
        slot,
    })
}

/// Reads packets until one starts a session. Each kind of encryption may be
/// asked for once, in either order.
async fn first_packet(
    io: &mut Io,
    out: &mut BytesMut,
    shared: &Shared,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Option<Start>, Closing> {
    let (mut asked_ssl, mut asked_gss) = (false, false);
    loop {
        let packet = loop {
            match io.input.next_packet(MIN_PACKET, MAX_PACKET) {
                Ok(Some(packet)) => break packet,
                Ok(None) => io.read().await?,
                // Not this protocol; an answer would be noise to whoever it is.
                Err(_) => {
                    tracing::debug!(peer = %io.peer, "invalid length of startup packet");
                    return Ok(None);
                }
            }
        };
        match startup::parse(packet).map_err(fatal)? {
            Packet::Ssl if !asked_ssl => {
                asked_ssl = true;
                negotiate_tls(io, out, shared, phase).await?;
            }
            Packet::GssEnc if !asked_gss => {
                asked_gss = true;
                out.extend_from_slice(b"N");
                io.flush(out, phase).await?;
            }
            Packet::Ssl | Packet::GssEnc => {
                return Err(fatal(protocol("encryption was asked for twice")));
            }
            Packet::Cancel { pid, secret } => {
                shared.config.metrics.cancel_requested();
                let found = shared.cancels.cancel(pid, &secret);
                tracing::debug!(peer = %io.peer, pid, found, "cancel request");
                if let Some(forwarder) = shared.config.forward.as_ref().filter(|_| !found) {
                    forwarder.cancel(pid, &secret).await;
                }
                return Ok(None);
            }
            Packet::Start(start) => return Ok(Some(start)),
        }
    }
}

/// Answers SSLRequest, and does the handshake when the answer is yes.
async fn negotiate_tls(
    io: &mut Io,
    out: &mut BytesMut,
    shared: &Shared,
    phase: &mut watch::Receiver<Phase>,
) -> Result<(), Closing> {
    let Some(tls) = shared.config.tls.as_ref().filter(|_| !io.is_encrypted()) else {
        out.extend_from_slice(b"N");
        return io.flush(out, phase).await;
    };
    // A client waits for the answer before it goes on. Bytes that are here
    // already were put in by somebody else, and must not be read as if they
    // had come through the encrypted connection (CVE-2021-23214).
    if !io.input.is_empty() {
        return Err(fatal(
            protocol("received unencrypted data after SSL request")
                .detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."),
        ));
    }
    out.extend_from_slice(b"S");
    io.flush(out, phase).await?;
    io.encrypt(tls.acceptor()).await
}

/// SCRAM, start to end.
async fn authenticate(
    io: &mut Io,
    out: &mut BytesMut,
    shared: &Shared,
    phase: &mut watch::Receiver<Phase>,
    start: &Start,
) -> Result<(), Closing> {
    let plain = ScramServerAuth::new();
    let server = match &shared.config.tls {
        Some(tls) if io.is_encrypted() => tls.scram(),
        _ => &plain,
    };
    let mut budget = UNAUTHENTICATED_BYTES;
    backend::authentication_sasl(out, &scram::mechanisms(server));
    io.flush(out, phase).await?;

    let body = password_message(io, &mut budget).await?;
    let first = SaslResponse::decode_initial(body).map_err(fatal)?;
    let verifier = shared.engine.scram_secret(&start.database, &start.user);
    let (exchange, reply) = Exchange::begin(
        server,
        &shared.decoys,
        &start.database,
        &start.user,
        verifier.as_deref(),
        &first,
    )
    .map_err(fatal)?;
    backend::authentication_sasl_continue(out, &reply);
    io.flush(out, phase).await?;

    let body = password_message(io, &mut budget).await?;
    let last = exchange
        .finish(&SaslResponse::decode(body))
        .map_err(fatal)?;
    backend::authentication_sasl_final(out, &last);
    Ok(())
}

/// Waits for a `p` message and takes its length out of the budget.
async fn password_message(io: &mut Io, budget: &mut usize) -> Result<bytes::Bytes, Closing> {
    loop {
        if let Some(frame) = io.input.next_frame(*budget).map_err(fatal)? {
            *budget = budget.saturating_sub(frame.body.len());
            return match frame.kind {
                Kind::Password => Ok(frame.body),
                Kind::Terminate => Err(Closing::Gone),
                other => Err(fatal(protocol(format!(
                    "expected SASL response, got message type {}",
                    other.byte()
                )))),
            };
        }
        io.read().await?;
    }
}

/// The end, with this reason.
pub(super) fn fatal(error: SqlError) -> Closing {
    Closing::Fatal(error.severity(Severity::Fatal))
}
