//! Settings of sockets, and their polite end.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes read from a socket at once; TLS records are cut from them.
const READ_LEN: usize = 128 << 10;
/// How long an end waits for the other side to read why.
const LINGER: Duration = Duration::from_secs(1);

/// A connection under TLS.
pub(super) type Tls = tokio_rustls::TlsStream<BufReader<TcpStream>>;

/// Small messages go out at once; a host that is gone is noticed within half a minute.
pub(super) fn prepare(tcp: TcpStream) -> std::io::Result<BufReader<TcpStream>> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(4);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
    Ok(BufReader::with_capacity(READ_LEN, tcp))
}

/// Ends a connection so that the last words arrive: a socket that is closed with bytes
/// unread resets the connection, and the other side may never see them.
pub(super) async fn end(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let unread = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut waste = [0; 4096];
        while stream.read(&mut waste).await.is_ok_and(|n| n > 0) {}
    };
    // Whoever does not close within this time has had its chance.
    drop(timeout(LINGER, unread).await);
}
