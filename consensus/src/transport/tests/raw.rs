//! Ends of connections that are played by hand.

use std::io;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::transport::credentials::Credentials;
use crate::transport::hello::{Greeting, Hello, Welcome};
use crate::transport::socket::{Tls, prepare};

/// Connects to a transport whose certificate names `name`.
pub(super) async fn connect(address: &str, files: &TlsFiles, name: &str) -> io::Result<Tls> {
    let tcp = prepare(TcpStream::connect(address).await?)?;
    let client = Credentials::open(files.clone())
        .unwrap()
        .current()
        .client(name)
        .unwrap();
    let to = ServerName::try_from("replica").unwrap();
    TlsConnector::from(client)
        .connect(to, tcp)
        .await
        .map(Tls::from)
}

pub(super) fn hello(from: u64, to: u64, purpose: Purpose) -> Hello {
    Hello {
        oldest: PROTOCOL_OLDEST,
        newest: PROTOCOL_NEWEST,
        features: 0,
        identity: Some(IDENTITY),
        from,
        to,
        purpose,
    }
}

/// Says something and reads the answer.
pub(super) async fn say(stream: &mut Tls, hello: Hello) -> Greeting {
    stream
        .write_all(&Greeting::Hello(hello).encode())
        .await
        .unwrap();
    Greeting::read(stream).await.unwrap()
}

/// Connects as a replica, and is welcomed.
pub(super) async fn welcomed(site: &Site, from: u64, to: &Node, purpose: Purpose) -> Tls {
    let files = options(site, from).tls;
    let mut stream = connect(&to.address, &files, &name_of(to.replica))
        .await
        .unwrap();
    let answer = say(&mut stream, hello(from, to.replica, purpose)).await;
    assert!(matches!(answer, Greeting::Welcome(_)), "{answer:?}");
    stream
}

/// Waits for a replication connection to a replica that is played by hand.
pub(super) async fn accept(listener: &TcpListener, files: &TlsFiles, own: u64) -> Tls {
    let (tcp, _) = listener.accept().await.unwrap();
    let server = Credentials::open(files.clone()).unwrap().current().server();
    let accepted = TlsAcceptor::from(server)
        .accept(prepare(tcp).unwrap())
        .await;
    let mut stream = Tls::from(accepted.unwrap());
    let Greeting::Hello(hello) = Greeting::read(&mut stream).await.unwrap() else {
        panic!("no Hello")
    };
    assert_eq!((hello.to, hello.purpose), (own, Purpose::Replication));
    let welcome = Greeting::Welcome(Welcome {
        version: PROTOCOL_NEWEST,
        features: 8,
        identity: Some(IDENTITY),
        from: own,
    });
    stream.write_all(&welcome.encode()).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// Whether the other side ends the connection; what it says before is left alone.
pub(super) async fn is_ended(mut stream: Tls) -> bool {
    let mut waste = [0; 1000];
    let ending = async { while stream.read(&mut waste).await.is_ok_and(|n| n > 0) {} };
    tokio::time::timeout(PATIENCE, ending).await.is_ok()
}
