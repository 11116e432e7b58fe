//! From a connection string to a connection that is ready.

use std::time::Duration;

use bytes::BytesMut;
use kimberlite_sqllogictest::target::Target;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::{backend::Message, frontend};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::config::{Config, Host};
use tokio_rustls::TlsConnector;

use super::client::{Channel, report};
use crate::error::{Error, Result};

/// How long a connection may take to come about.
const LIMIT: Duration = Duration::from_secs(20);

/// Parameters a session starts with, as libpq's environment variables give them.
pub type Settings = Vec<(String, String)>;

/// Either kind of stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens the socket, encrypted when the target says so.
pub(crate) async fn open(target: &Target) -> Result<Box<dyn Stream>> {
    let config = target.config();
    let (host, port) = address(config)?;
    let refused = |e: std::io::Error| Error::Connect(format!("{}: {e}", target.shown()));
    let mut socket = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(refused)?;
    socket.set_nodelay(true).map_err(refused)?;
    let Some(tls) = target.tls_client() else {
        return Ok(Box::new(socket));
    };
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(refused)?;
    let offered = socket.read_u8().await.map_err(refused)?;
    if offered != b'S' {
        return Ok(Box::new(socket));
    }
    let name = ServerName::try_from(host).map_err(|e| Error::Connect(e.to_string()))?;
    let stream = TlsConnector::from(tls)
        .connect(name, socket)
        .await
        .map_err(refused)?;
    Ok(Box::new(stream))
}

fn address(config: &Config) -> Result<(String, u16)> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(_)) => {
            return Err(Error::Connect(
                "sockets of the file system are not used".into(),
            ));
        }
        None => "localhost".to_owned(),
    };
    Ok((host, config.get_ports().first().copied().unwrap_or(5432)))
}

/// Connects and logs in; gives the key that cancels too.
pub(crate) async fn log_in(target: &Target, settings: &Settings) -> Result<(Channel, (i32, i32))> {
    let attempt = async {
        let mut channel = Channel::new(open(target).await?);
        let config = target.config();
        let user = config.get_user().unwrap_or("postgres");
        let mut parameters = vec![
            ("user", user),
            ("database", config.get_dbname().unwrap_or(user)),
            ("client_encoding", "UTF8"),
            ("application_name", "conformance"),
        ];
        parameters.extend(settings.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out)?;
        channel.send(&out).await?;
        authenticate(&mut channel, config).await?;
        let mut key = (0, 0);
        loop {
            match channel.receive().await? {
                Message::BackendKeyData(body) => key = (body.process_id(), body.secret_key()),
                Message::ReadyForQuery(_) => return Ok((channel, key)),
                Message::ErrorResponse(body) => return refused(body.fields()),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(LIMIT, attempt).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Error::Connect(format!(
            "{}: no answer within {} s",
            target.shown(),
            LIMIT.as_secs()
        ))),
    }
}

fn refused<T>(fields: postgres_protocol::message::backend::ErrorFields<'_>) -> Result<T> {
    let said = report(fields);
    Err(Error::Connect(format!(
        "{} ({})",
        said.message, said.sqlstate
    )))
}

async fn authenticate(channel: &mut Channel, config: &Config) -> Result<()> {
    let password = config.get_password().unwrap_or_default();
    let mut scram = None;
    loop {
        let mut out = BytesMut::new();
        match channel.receive().await? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                frontend::password_message(password, &mut out)?;
            }
            Message::AuthenticationSasl(_) => {
                let exchange = ScramSha256::new(password, ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), &mut out)?;
                scram = Some(exchange);
            }
            Message::AuthenticationSaslContinue(body) => {
                if let Some(exchange) = &mut scram {
                    exchange.update(body.data())?;
                    frontend::sasl_response(exchange.message(), &mut out)?;
                }
            }
            Message::AuthenticationSaslFinal(body) => {
                if let Some(exchange) = &mut scram {
                    exchange.finish(body.data())?;
                }
            }
            Message::ErrorResponse(body) => return refused(body.fields()),
            _ => {
                return Err(Error::Connect(
                    "the server wants a way to log in that is not known here".into(),
                ));
            }
        }
        if !out.is_empty() {
            channel.send(&out).await?;
        }
    }
}
