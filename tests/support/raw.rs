//! A PostgreSQL client that sends exactly the bytes a test wants, and shows
//! exactly the messages that come back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::gen_salted_password;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use super::PATIENCE;
use super::server::Server;

/// Protocol 3.0, as a startup packet names it.
pub const V3_0: u32 = 3 << 16;
/// The code of SSLRequest.
pub const SSL_REQUEST: u32 = 80_877_103;
/// The code of GSSENCRequest.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// The code of CancelRequest.
pub const CANCEL_REQUEST: u32 = 80_877_102;

/// One message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an ErrorResponse or NoticeResponse.
    pub fn field(&self, code: u8) -> Option<String> {
        self.body
            .split(|byte| *byte == 0)
            .find_map(|field| field.strip_prefix(&[code]))
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
    }

    /// The columns of a DataRow, as text.
    pub fn columns(&self) -> Vec<Option<String>> {
        assert_eq!(self.kind, b'D');
        let mut rest = &self.body[2..];
        let mut columns = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let (value, tail) = tail.split_at(usize::try_from(length).unwrap_or(0));
            columns.push((length >= 0).then(|| String::from_utf8(value.to_vec()).unwrap()));
            rest = tail;
        }
        columns
    }

    fn text(&self) -> String {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.kind {
            b'E' | b'N' => self.field(b'C').unwrap(),
            b'C' => shown(&self.body[..self.body.len() - 1]),
            b'Z' => shown(&self.body),
            b'D' => self
                .columns()
                .into_iter()
                .map(|column| column.unwrap_or_else(|| "NULL".to_owned()))
                .collect::<Vec<_>>()
                .join(","),
            _ => char::from(self.kind).to_string(),
        }
    }
}

/// Messages in one line: `T D(1) C(SELECT 1) Z(I)`; errors by SQLSTATE.
pub fn shown(messages: &[Message]) -> String {
    let shown: Vec<String> = messages
        .iter()
        .map(|message| match message.kind {
            b'E' | b'N' | b'C' | b'Z' | b'D' => {
                format!("{}({})", char::from(message.kind), message.text())
            }
            _ => message.text(),
        })
        .collect();
    shown.join(" ")
}

/// A message of a client.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A packet of the startup phase.
pub fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A startup packet with these parameters.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    packet(version, &body)
}

pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Bind with text parameters and text results.
pub fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    bind_formats(portal, statement, &[], values, &[])
}

pub fn bind_formats(
    portal: &str,
    statement: &str,
    formats: &[i16],
    values: &[&str],
    result_formats: &[i16],
) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    let list = |body: &mut Vec<u8>, codes: &[i16]| {
        body.extend((codes.len() as u16).to_be_bytes());
        codes
            .iter()
            .for_each(|code| body.extend(code.to_be_bytes()));
    };
    list(&mut body, formats);
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    list(&mut body, result_formats);
    message(b'B', &body)
}

/// Describe a statement (`S`) or a portal (`P`).
pub fn describe(target: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[target], name.as_bytes(), b"\0"].concat())
}

/// Close a statement (`S`) or a portal (`P`).
pub fn close(target: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[target], name.as_bytes(), b"\0"].concat())
}

pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let rows = max_rows.to_be_bytes();
    message(b'E', &[portal.as_bytes(), b"\0", &rows].concat())
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub fn flush() -> Vec<u8> {
    message(b'H', b"")
}

pub fn copy_data(data: &str) -> Vec<u8> {
    message(b'd', data.as_bytes())
}

pub fn copy_done() -> Vec<u8> {
    message(b'c', b"")
}

pub fn copy_fail(reason: &str) -> Vec<u8> {
    message(b'f', &[reason.as_bytes(), b"\0"].concat())
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection.
pub struct Raw {
    socket: Socket,
    /// Process id and secret from BackendKeyData.
    pub key: (i32, Vec<u8>),
    /// ParameterStatus messages of the startup.
    pub parameters: Vec<(String, String)>,
}

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub database: String,
    pub ca: PathBuf,
}

impl Login {
    /// The login in the server's URL.
    pub fn of(server: &Server) -> Self {
        let (config, ca) = super::client::parse(&server.url);
        Login {
            user: config.get_user().unwrap().to_owned(),
            password: String::from_utf8(config.get_password().unwrap().to_vec()).unwrap(),
            database: config.get_dbname().unwrap().to_owned(),
            ca: ca.unwrap(),
        }
    }
}

impl Raw {
    /// A socket, and nothing sent.
    pub fn plain(address: SocketAddr) -> Self {
        Raw::over(TcpStream::connect(address).unwrap())
    }

    /// A connected socket, and nothing sent.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Raw {
            socket: Socket::Plain(socket),
            key: (0, Vec::new()),
            parameters: Vec::new(),
        }
    }

    /// A socket after SSLRequest and a TLS handshake.
    pub fn encrypted(server: &Server) -> Self {
        Raw::plain(server.client).encrypt(server)
    }

    /// SSLRequest and a TLS handshake on a plain socket.
    pub fn encrypt(mut self, server: &Server) -> Self {
        self.send(&packet(SSL_REQUEST, b""));
        assert_eq!(self.byte(), Some(b'S'));
        self.start_tls(&Login::of(server).ca);
        self
    }

    /// Does the TLS handshake on a plain socket.
    pub fn start_tls(&mut self, ca: &std::path::Path) {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let Socket::Plain(socket) = &self.socket else {
            panic!("encrypted already");
        };
        let socket = socket.try_clone().unwrap();
        self.socket = Socket::Tls(Box::new(StreamOwned::new(session, socket)));
    }

    /// A session that is ready for a query.
    pub fn login(server: &Server) -> Self {
        Raw::login_version(server, V3_0)
    }

    /// The same, with another protocol version.
    pub fn login_version(server: &Server, version: u32) -> Self {
        Raw::encrypted(server).logged_in(server, version)
    }

    /// Logs in on an encrypted connection.
    pub fn logged_in(self, server: &Server, version: u32) -> Self {
        let login = Login::of(server);
        let mut raw = self;
        let parameters = [("user", &*login.user), ("database", &*login.database)];
        raw.send(&startup(version, &parameters));
        let answer = raw.authenticate(&login.password);
        assert_eq!(
            answer.last().map(|message| message.kind),
            Some(b'Z'),
            "{}",
            shown(&answer)
        );
        for message in &answer {
            match message.kind {
                b'K' => {
                    let (pid, secret) = message.body.split_first_chunk::<4>().unwrap();
                    raw.key = (i32::from_be_bytes(*pid), secret.to_vec());
                }
                b'S' => {
                    let text = String::from_utf8(message.body.clone()).unwrap();
                    let mut texts = text.split('\0').map(str::to_owned);
                    raw.parameters
                        .push((texts.next().unwrap(), texts.next().unwrap()));
                }
                _ => {}
            }
        }
        raw
    }

    /// Does SCRAM without channel binding. What comes after it, up to
    /// ReadyForQuery or the end of the connection.
    pub fn authenticate(&mut self, password: &str) -> Vec<Message> {
        self.authenticate_and_send(password, b"")
    }

    /// The same, with bytes right behind the proof, in one write.
    pub fn authenticate_and_send(&mut self, password: &str, behind: &[u8]) -> Vec<Message> {
        let offer = self.read().unwrap();
        if offer.kind != b'R' {
            return vec![offer];
        }
        assert_eq!(offer.body[..4], 10_u32.to_be_bytes());
        let first = "n,,n=,r=0123456789abcdef";
        let mut body = b"SCRAM-SHA-256\0".to_vec();
        body.extend((first.len() as u32).to_be_bytes());
        body.extend(first.as_bytes());
        self.send(&message(b'p', &body));
        let challenge = self.read().unwrap();
        if challenge.kind != b'R' {
            return vec![challenge];
        }
        let challenge = String::from_utf8(challenge.body[4..].to_vec()).unwrap();
        let proof = message(b'p', proof(&challenge, password).as_bytes());
        self.send(&[&proof, behind].concat());
        self.until_ready()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes to a server that may have closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.socket {
            Socket::Plain(socket) => socket.write_all(bytes),
            Socket::Tls(socket) => socket.write_all(bytes).and_then(|()| socket.flush()),
        }
    }

    /// Sends several messages in one write.
    pub fn send_all(&mut self, messages: &[Vec<u8>]) {
        self.send(&messages.concat());
    }

    /// One byte; `None` at the end of the connection.
    pub fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.fill(&mut byte).then_some(byte[0])
    }

    /// The next message; `None` at the end of the connection.
    pub fn read(&mut self) -> Option<Message> {
        let kind = self.byte()?;
        let mut length = [0; 4];
        assert!(self.fill(&mut length), "cut within a length");
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        assert!(self.fill(&mut body), "cut within a message");
        Some(Message { kind, body })
    }

    /// Messages up to ReadyForQuery or the end of the connection.
    pub fn until_ready(&mut self) -> Vec<Message> {
        self.until(b'Z')
    }

    /// Messages up to one of this kind or the end of the connection.
    pub fn until(&mut self, kind: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.read() {
            let last = message.kind == kind;
            messages.push(message);
            if last {
                break;
            }
        }
        messages
    }

    /// Runs a simple query; its answer in one line.
    pub fn query(&mut self, sql: &str) -> String {
        self.send(&query(sql));
        shown(&self.until_ready())
    }

    /// Sends messages; the answer up to ReadyForQuery, in one line.
    pub fn ask(&mut self, messages: &[Vec<u8>]) -> String {
        self.send_all(messages);
        shown(&self.until_ready())
    }

    /// Whether the server has closed, and sends nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.byte().is_none()
    }

    /// Whatever comes until the connection ends, as it is.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read_to_end(&mut bytes),
            Socket::Tls(socket) => socket.read_to_end(&mut bytes),
        };
        match read {
            Ok(_) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the server does not hang up: {error}"),
        }
    }

    /// Says that nothing more will be sent, and reads until the server has
    /// closed. Bytes that are cut off anywhere are fine.
    pub fn finish(mut self) {
        if let Socket::Tls(socket) = &mut self.socket {
            socket.conn.send_close_notify();
            // The server may have closed already.
            let _ = socket.flush();
        }
        let mut plain = match &self.socket {
            Socket::Plain(socket) => socket,
            Socket::Tls(socket) => &socket.sock,
        };
        let _ = plain.shutdown(Shutdown::Write);
        let mut buffer = [0; 4096];
        loop {
            match plain.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the server does not hang up: {error}"),
            }
        }
    }

    /// Cuts the connection without a goodbye.
    pub fn cut(self) {
        let socket = match &self.socket {
            Socket::Plain(socket) => socket,
            Socket::Tls(socket) => &socket.sock,
        };
        socket.shutdown(Shutdown::Both).unwrap();
    }

    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read_exact(buffer),
            Socket::Tls(socket) => socket.read_exact(buffer),
        };
        match read {
            Ok(()) => true,
            Err(error) => match error.kind() {
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => false,
                _ => panic!("{error}"),
            },
        }
    }
}

/// Sends a CancelRequest on a connection of its own and waits for its end.
pub fn cancel(address: SocketAddr, pid: i32, secret: &[u8]) {
    let mut raw = Raw::plain(address);
    let body = [&pid.to_be_bytes()[..], secret].concat();
    raw.send(&packet(CANCEL_REQUEST, &body));
    assert!(raw.is_closed(), "a cancel request has no answer");
}

/// The client-final message of SCRAM-SHA-256 (RFC 5802, section 3).
fn proof(challenge: &str, password: &str) -> String {
    let parts: Vec<&str> = challenge.splitn(3, ',').collect();
    let salt = STANDARD.decode(&parts[1][2..]).unwrap();
    let iterations = parts[2][2..].parse().unwrap();
    let salted = gen_salted_password(password, &salt, iterations);
    let client_key = hmac(&salted, b"Client Key");
    let stored_key = Sha256::digest(&client_key);
    let without_proof = format!("c=biws,{}", parts[0]);
    let signed = format!("n=,r=0123456789abcdef,{challenge},{without_proof}");
    let signature = hmac(&stored_key, signed.as_bytes());
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

/// HMAC-SHA-256 with a key of at most 64 bytes (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().to_vec()
}
