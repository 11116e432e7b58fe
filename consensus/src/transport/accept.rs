//! The listener's side of the first words.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::dial::{HANDSHAKE_MAX, belongs_together};
use super::hello::{
    Greeting, GreetingError, Hello, PROTOCOL_NEWEST, PROTOCOL_OLDEST, Purpose, Refusal,
    RefusalCode, Welcome,
};
use super::names::check_name;
use super::options::Identity;
use super::peer::{Direction, PeerState};
use super::reason::reason;
use super::shared::{Shared, claimed};
use super::socket::{self, Tls};
use super::traits::Caller;
use super::{receiver, request, session};
use crate::members::replica_of;

/// Connections that are between connecting and Welcome at once; more wait in the listener's
/// queue.
pub const HANDSHAKES_MAX: usize = 128;

/// A connection that is wanted.
pub(super) struct Admitted {
    pub(super) stream: Tls,
    pub(super) peer: Arc<PeerState>,
    pub(super) caller: Caller,
    pub(super) features: u64,
    pub(super) version: u16,
    /// Its place among requests or sessions.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// What we were when it was welcomed.
    pub(super) identity: Option<Identity>,
    purpose: Purpose,
}

/// Takes connections until the transport is closed.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((tcp, from)) => {
                let serving = serve(Arc::clone(&shared), tcp, from.ip(), handshake);
                shared.spawn(serving);
            }
            Err(error) => {
                // Out of files, mostly: others may be closed meanwhile.
                shared.complain_of_stranger("listener", &error.to_string());
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, tcp: TcpStream, from: IpAddr, handshake: OwnedSemaphorePermit) {
    let Ok(admitted) = timeout(HANDSHAKE_MAX, admit(&shared, tcp, from)).await else {
        shared.complain_of_stranger(&from.to_string(), "it did not finish the handshake in time");
        return;
    };
    drop(handshake);
    let Some(admitted) = admitted else { return };
    let removed = admitted.peer.cancel.clone();
    let serving = async {
        match admitted.purpose {
            Purpose::Replication => receiver::serve(&shared, admitted).await,
            Purpose::Request => request::serve(&shared, admitted).await,
            Purpose::Session => session::serve(&shared, admitted).await,
        }
    };
    tokio::select! {
        () = removed.cancelled() => {}
        () = serving => {}
    }
}

/// TLS, then Hello and its answer. Whoever is not wanted is told why.
async fn admit(shared: &Shared, tcp: TcpStream, from: IpAddr) -> Option<Admitted> {
    let who = from.to_string();
    let tcp = socket::prepare(tcp).ok()?;
    let server = shared.credentials.current().server();
    let accepted = TlsAcceptor::from(server).accept(tcp).into_fallible().await;
    let mut stream = match accepted {
        Ok(stream) => Tls::from(stream),
        Err((error, tcp)) => {
            shared.complain_of_stranger(&who, &reason(&error));
            socket::end(tcp).await;
            return None;
        }
    };
    let hello = match Greeting::read(&mut stream).await {
        Ok(Greeting::Hello(hello)) => hello,
        Ok(_) => {
            return malformed(shared, stream, &who, "the first words are no Hello".into()).await;
        }
        Err(GreetingError::Io(error)) => {
            shared.complain_of_stranger(&who, &reason(&error));
            return None;
        }
        Err(error) => return malformed(shared, stream, &who, error.to_string()).await,
    };
    answer(shared, stream, hello, &who).await
}

async fn malformed(shared: &Shared, stream: Tls, who: &str, text: String) -> Option<Admitted> {
    shared.complain_of_stranger(who, &text);
    refuse(stream, Refusal::new(RefusalCode::Malformed, text)).await;
    None
}

async fn answer(shared: &Shared, mut stream: Tls, hello: Hello, who: &str) -> Option<Admitted> {
    let identity = *shared.identity.borrow();
    let known = shared.peer(hello.from);
    let certified = certified(&stream, &hello, known.as_deref());
    // Only who has shown its certificate may fill in the peer's status.
    let shown = known.clone().filter(|_| certified.is_ok());
    let verdict = judge(shared.replica, &hello)
        .and_then(|version| certified.map(|()| version))
        .and_then(|version| related(&hello, identity).map(|()| version))
        .and_then(|version| Ok((version, slot(hello.purpose, known.as_deref())?)));
    let (version, slot) = match verdict {
        Ok(verdict) => verdict,
        Err(refusal) => {
            let text = &refusal.text;
            match shown {
                Some(peer) => peer.complain(Direction::In, hello.purpose, text),
                None => {
                    shared.complain_of_stranger(&claimed(who, hello.from), text);
                }
            }
            refuse(stream, refusal).await;
            return None;
        }
    };
    let welcome = Greeting::Welcome(Welcome {
        version,
        features: shared.features,
        identity,
        from: shared.replica,
    });
    stream.write_all(&welcome.encode()).await.ok()?;
    stream.flush().await.ok()?;
    if hello.purpose == Purpose::Replication {
        shared.settle_stranger(who, hello.from);
    }
    Some(Admitted {
        stream,
        peer: known?,
        caller: Caller {
            replica: hello.from,
            identity: hello.identity,
        },
        features: hello.features,
        version,
        slot,
        identity,
        purpose: hello.purpose,
    })
}

async fn refuse(mut stream: Tls, refusal: Refusal) {
    let bytes = Greeting::Refused(refusal).encode();
    if stream.write_all(&bytes).await.is_ok() {
        socket::end(stream).await;
    }
}

/// The version to speak with somebody who says this Hello.
fn judge(own: u64, hello: &Hello) -> Result<u16, Refusal> {
    let version = PROTOCOL_NEWEST.min(hello.newest);
    if version < PROTOCOL_OLDEST.max(hello.oldest) {
        let text = format!(
            "no common version of the protocol: {PROTOCOL_OLDEST} to {PROTOCOL_NEWEST} is spoken \
             here, {} to {} there",
            hello.oldest, hello.newest
        );
        return Err(Refusal::new(RefusalCode::Version, text));
    }
    if hello.to != own {
        let (own, to) = (replica_of(own), replica_of(hello.to));
        let text = format!("this is replica {own}, and not replica {to}");
        return Err(Refusal::new(RefusalCode::WrongReplica, text));
    }
    Ok(version)
}

fn related(hello: &Hello, identity: Option<Identity>) -> Result<(), Refusal> {
    match belongs_together(hello.purpose, hello.identity, identity) {
        Some((code, text)) => Err(Refusal::new(code, text)),
        None => Ok(()),
    }
}

/// Whether who says Hello is in the address book and its certificate names it.
fn certified(stream: &Tls, hello: &Hello, known: Option<&PeerState>) -> Result<(), Refusal> {
    let Some(peer) = known else {
        let text = format!("replica {} is not known here", replica_of(hello.from));
        return Err(Refusal::new(RefusalCode::UnknownReplica, text));
    };
    let name = peer.entry.borrow().name.clone();
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[CertificateDer<'_>]>::first);
    let named = match certificate {
        Some(certificate) => check_name(certificate, &name),
        None => Err("it shows no certificate".to_owned()),
    };
    named.map_err(|why| {
        let text = format!("replica {}: {why}", replica_of(hello.from));
        Refusal::new(RefusalCode::WrongName, text)
    })
}

/// A place for a request or a session.
fn slot(
    purpose: Purpose,
    peer: Option<&PeerState>,
) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    let places = match (purpose, peer) {
        (Purpose::Request, Some(peer)) => &peer.requests_in,
        (Purpose::Session, Some(peer)) => &peer.sessions_in,
        _ => return Ok(None),
    };
    let place = Arc::clone(places).try_acquire_owned();
    let busy = |_| Refusal::new(RefusalCode::Busy, format!("too many {purpose} connections"));
    place.map(Some).map_err(busy)
}
