//! The dialler's side of the first words.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::error::TransportError;
use super::hello::{
    Greeting, GreetingError, Hello, PROTOCOL_NEWEST, PROTOCOL_OLDEST, Purpose, RefusalCode, Welcome,
};
use super::options::{Identity, Peer};
use super::peer::PeerState;
use super::reason::{is_tls, reason};
use super::shared::Shared;
use super::socket::{self, Tls};
use crate::members::replica_of;

/// How long both sides have from connecting to Welcome.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Connects to a peer and says Hello.
pub(super) async fn dial(
    shared: &Shared,
    peer: &PeerState,
    purpose: Purpose,
) -> Result<(Tls, Welcome), TransportError> {
    let identity = *shared.identity.borrow();
    if identity.is_none() && purpose != Purpose::Request {
        return Err(TransportError::NoIdentity);
    }
    let entry = peer.entry.borrow().clone();
    let hello = Hello {
        oldest: PROTOCOL_OLDEST,
        newest: PROTOCOL_NEWEST,
        features: shared.features,
        identity,
        from: shared.replica,
        to: peer.replica,
        purpose,
    };
    let connecting = async {
        let mut stream = connect(shared, &entry).await?;
        let welcome = greet(&mut stream, hello).await?;
        Ok((stream, welcome))
    };
    let connected = timeout(HANDSHAKE_MAX, connecting).await;
    connected.unwrap_or(Err(TransportError::Deadline {
        what: "connecting",
        after: HANDSHAKE_MAX,
    }))
}

async fn connect(shared: &Shared, entry: &Peer) -> Result<Tls, TransportError> {
    let failed = |error| TransportError::Connect {
        address: entry.address.clone(),
        error,
    };
    let tcp = TcpStream::connect(&entry.address).await.map_err(failed)?;
    let tcp = socket::prepare(tcp).map_err(failed)?;
    let client = shared.credentials.current().client(&entry.name)?;
    // The name is checked by us and not sent; the field has to hold something.
    let name = ServerName::try_from("replica").map_err(|e| TransportError::Tls(e.to_string()))?;
    let stream = TlsConnector::from(client).connect(name, tcp).await;
    stream.map(Tls::from).map_err(|e| broken(&e))
}

async fn greet(stream: &mut Tls, hello: Hello) -> Result<Welcome, TransportError> {
    let bytes = Greeting::Hello(hello.clone()).encode();
    // When this fails, the other side may have said why: its verdict about our certificate
    // comes after our handshake is done. So the answer is read in any case.
    let said = async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    };
    drop(said.await);
    match Greeting::read(stream).await {
        Ok(Greeting::Welcome(welcome)) => check(&hello, &welcome).map(|()| welcome),
        Ok(Greeting::Refused(refusal)) => Err(TransportError::Refused {
            code: refusal.code,
            text: refusal.text,
        }),
        Ok(Greeting::Hello(_)) => Err(TransportError::Protocol("it said Hello to a Hello".into())),
        Err(GreetingError::Io(error)) => Err(broken(&error)),
        Err(other) => Err(TransportError::Protocol(other.to_string())),
    }
}

/// The listener has checked all this; what it says has to fit all the same.
fn check(hello: &Hello, welcome: &Welcome) -> Result<(), TransportError> {
    if !(hello.oldest..=hello.newest).contains(&welcome.version) {
        return Err(TransportError::Protocol(format!(
            "it chose version {}, which was not offered",
            welcome.version
        )));
    }
    if welcome.from != hello.to {
        return Err(TransportError::Protocol(format!(
            "replica {} answered instead of replica {}",
            replica_of(welcome.from),
            replica_of(hello.to)
        )));
    }
    let refusal = belongs_together(hello.purpose, hello.identity, welcome.identity);
    match refusal {
        Some((code, text)) => Err(TransportError::Protocol(format!("{text} ({code:?})"))),
        None => Ok(()),
    }
}

/// Why two replicas have nothing to say to each other for this purpose, if so.
pub(super) fn belongs_together(
    purpose: Purpose,
    dialler: Option<Identity>,
    listener: Option<Identity>,
) -> Option<(RefusalCode, &'static str)> {
    match (dialler, listener) {
        (None, _) if purpose != Purpose::Request => Some((
            RefusalCode::NoIdentity,
            "the replica that dials belongs to no cluster yet",
        )),
        (_, None) if purpose == Purpose::Replication => Some((
            RefusalCode::NoIdentity,
            "the replica that was dialled belongs to no cluster yet",
        )),
        (Some(a), Some(b)) if a.cluster_id != b.cluster_id => Some((
            RefusalCode::OtherCluster,
            "the two replicas belong to different clusters",
        )),
        (Some(a), Some(b)) if purpose == Purpose::Replication && a.lineage != b.lineage => Some((
            RefusalCode::OtherLineage,
            "the logs of the two replicas hold different histories (lineages)",
        )),
        _ => None,
    }
}

/// A connection that broke before anything was agreed upon.
pub(super) fn broken(error: &std::io::Error) -> TransportError {
    match is_tls(error) {
        true => TransportError::Tls(reason(error)),
        false => TransportError::Lost(reason(error)),
    }
}
