//! The first words on a connection, in bytes.
//!
//! After the TLS handshake the dialler says *Hello*, and the other side answers with
//! *Welcome* or *Refused*. All three have the same head. All integers are little-endian.
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 8 | magic: `KMBLPEER` |
//! | 8 | 1 | kind: 1 Hello, 2 Welcome, 3 Refused |
//! | 9 | 2 | length of the body, at most 1024 |
//! | 11 | … | body |
//!
//! Newer versions may add fields at the end of a body; a reader leaves alone what comes
//! after the fields it knows. What is there never changes its place or meaning.
//!
//! Hello:
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 2 | oldest version of the protocol the dialler speaks |
//! | 2 | 2 | newest version it speaks |
//! | 4 | 8 | features its build knows, one bit each |
//! | 12 | 16 | its cluster; zero when it belongs to none yet |
//! | 28 | 16 | its lineage; zero exactly when the cluster is |
//! | 44 | 8 | `from`: its replica id |
//! | 52 | 8 | `to`: whom it means to talk to |
//! | 60 | 1 | purpose ([`Purpose`]) |
//!
//! Welcome:
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 2 | version that is spoken from here on |
//! | 2 | 8 | features the answering build knows |
//! | 10 | 16 | its cluster, or zero |
//! | 26 | 16 | its lineage, or zero |
//! | 42 | 8 | its replica id |
//!
//! Refused:
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 2 | code ([`RefusalCode`]) |
//! | 2 | … | why, in words: UTF-8, at most 512 bytes |

use std::io;

use kimberlite_storage::Lineage;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::options::Identity;

/// Oldest version of the protocol this build speaks.
pub const PROTOCOL_OLDEST: u16 = 1;
/// Newest version of the protocol this build speaks.
pub const PROTOCOL_NEWEST: u16 = 1;

pub(super) const MAGIC: [u8; 8] = *b"KMBLPEER";
pub(super) const HEAD_LEN: usize = 11;
pub(super) const BODY_LEN_MAX: usize = 1024;
const TEXT_LEN_MAX: usize = 512;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// Frames of the consensus protocol, from the dialler.
    Replication = 1,
    /// One request and its answer.
    Request = 2,
    /// Bytes in both directions.
    Session = 3,
}

impl Purpose {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Replication, Self::Request, Self::Session]
            .into_iter()
            .find(|purpose| *purpose as u8 == code)
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Replication => "replication",
            Self::Request => "request",
            Self::Session => "session",
        })
    }
}

/// Why a connection is refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// 1: the first words cannot be read.
    Malformed,
    /// 2: there is no version of the protocol both sides speak.
    Version,
    /// 3: the dialler meant another replica.
    WrongReplica,
    /// 4: the dialler is not in the address book.
    UnknownReplica,
    /// 5: the dialler's certificate does not name it.
    WrongName,
    /// 6: the dialler belongs to another cluster.
    OtherCluster,
    /// 7: the dialler's log holds another history.
    OtherLineage,
    /// 8: one side belongs to no cluster yet, and the purpose needs one.
    NoIdentity,
    /// 9: too many connections of the kind.
    Busy,
    /// A code that only newer builds know.
    Other(u16),
}

const CODES: [(RefusalCode, u16); 9] = [
    (RefusalCode::Malformed, 1),
    (RefusalCode::Version, 2),
    (RefusalCode::WrongReplica, 3),
    (RefusalCode::UnknownReplica, 4),
    (RefusalCode::WrongName, 5),
    (RefusalCode::OtherCluster, 6),
    (RefusalCode::OtherLineage, 7),
    (RefusalCode::NoIdentity, 8),
    (RefusalCode::Busy, 9),
];

impl RefusalCode {
    fn code(self) -> u16 {
        match self {
            Self::Other(code) => code,
            known => CODES
                .iter()
                .find(|(own, _)| *own == known)
                .map_or(0, |(_, code)| *code),
        }
    }

    fn from_code(code: u16) -> Self {
        let known = CODES.iter().find(|(_, own)| *own == code);
        known.map_or(Self::Other(code), |(own, _)| *own)
    }
}

/// What the dialler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) oldest: u16,
    pub(super) newest: u16,
    pub(super) features: u64,
    pub(super) identity: Option<Identity>,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) purpose: Purpose,
}

/// The answer of who takes the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) version: u16,
    pub(super) features: u64,
    pub(super) identity: Option<Identity>,
    pub(super) from: u64,
}

/// The answer of who does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: RefusalCode,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// Any of the three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Hello(Hello),
    Welcome(Welcome),
    Refused(Refusal),
}

/// Why bytes are no greeting.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetingError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the other side is no replica of Kimberlite: its first bytes are not the magic")]
    Magic,
    #[error("a greeting of unknown kind {0}")]
    Kind(u8),
    #[error("a greeting of {0} bytes is too long")]
    TooLong(usize),
    #[error("a greeting is shorter than its fields")]
    TooShort,
    #[error("unknown purpose {0} of a connection")]
    Purpose(u8),
    #[error("a cluster without a lineage, or a lineage without a cluster")]
    HalfIdentity,
}

impl Greeting {
    /// The bytes of head and body.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        let kind = match self {
            Self::Hello(hello) => {
                body.extend_from_slice(&hello.oldest.to_le_bytes());
                body.extend_from_slice(&hello.newest.to_le_bytes());
                body.extend_from_slice(&hello.features.to_le_bytes());
                put_identity(&mut body, hello.identity);
                body.extend_from_slice(&hello.from.to_le_bytes());
                body.extend_from_slice(&hello.to.to_le_bytes());
                body.push(hello.purpose as u8);
                1
            }
            Self::Welcome(welcome) => {
                body.extend_from_slice(&welcome.version.to_le_bytes());
                body.extend_from_slice(&welcome.features.to_le_bytes());
                put_identity(&mut body, welcome.identity);
                body.extend_from_slice(&welcome.from.to_le_bytes());
                2
            }
            Self::Refused(refusal) => {
                body.extend_from_slice(&refusal.code.code().to_le_bytes());
                let end = refusal.text.floor_char_boundary(TEXT_LEN_MAX);
                let text = refusal.text.get(..end).unwrap_or_default();
                body.extend_from_slice(text.as_bytes());
                3
            }
        };
        let mut out = Vec::with_capacity(HEAD_LEN + body.len());
        out.extend_from_slice(&MAGIC);
        out.push(kind);
        // Bounded by TEXT_LEN_MAX.
        out.extend_from_slice(&(body.len() as u16).to_le_bytes());
        out.extend_from_slice(&body);
        out
    }

    /// Reads one greeting and not a byte more.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, GreetingError> {
        let mut head = [0; HEAD_LEN];
        stream.read_exact(&mut head).await?;
        let (kind, len) = decode_head(&head)?;
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await?;
        Self::decode_body(kind, &body)
    }

    fn decode_body(kind: u8, body: &[u8]) -> Result<Self, GreetingError> {
        let mut fields = Fields(body);
        match kind {
            1 => Ok(Self::Hello(Hello {
                oldest: u16::from_le_bytes(fields.array()?),
                newest: u16::from_le_bytes(fields.array()?),
                features: u64::from_le_bytes(fields.array()?),
                identity: fields.identity()?,
                from: u64::from_le_bytes(fields.array()?),
                to: u64::from_le_bytes(fields.array()?),
                purpose: fields.purpose()?,
            })),
            2 => Ok(Self::Welcome(Welcome {
                version: u16::from_le_bytes(fields.array()?),
                features: u64::from_le_bytes(fields.array()?),
                identity: fields.identity()?,
                from: u64::from_le_bytes(fields.array()?),
            })),
            3 => Ok(Self::Refused(Refusal {
                code: RefusalCode::from_code(u16::from_le_bytes(fields.array()?)),
                text: fields.text(),
            })),
            other => Err(GreetingError::Kind(other)),
        }
    }
}

fn put_identity(out: &mut Vec<u8>, identity: Option<Identity>) {
    let (cluster_id, lineage) =
        identity.map_or(([0; 16], [0; 16]), |i| (i.cluster_id, i.lineage.0));
    out.extend_from_slice(&cluster_id);
    out.extend_from_slice(&lineage);
}

fn decode_head(head: &[u8; HEAD_LEN]) -> Result<(u8, usize), GreetingError> {
    let mut fields = Fields(head);
    if fields.array()? != MAGIC {
        return Err(GreetingError::Magic);
    }
    let [kind] = fields.array()?;
    let len = usize::from(u16::from_le_bytes(fields.array()?));
    match len {
        0..=BODY_LEN_MAX => Ok((kind, len)),
        _ => Err(GreetingError::TooLong(len)),
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], GreetingError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(GreetingError::TooShort)?;
        self.0 = rest;
        Ok(*array)
    }

    fn identity(&mut self) -> Result<Option<Identity>, GreetingError> {
        let (cluster_id, lineage) = (self.array()?, self.array()?);
        if cluster_id == [0; 16] && lineage == [0; 16] {
            return Ok(None);
        }
        let identity = Identity::new(cluster_id, Lineage(lineage));
        identity.map(Some).ok_or(GreetingError::HalfIdentity)
    }

    fn purpose(&mut self) -> Result<Purpose, GreetingError> {
        let [code] = self.array()?;
        Purpose::from_code(code).ok_or(GreetingError::Purpose(code))
    }

    /// The rest as words that may go to a log: bounded, on one line.
    fn text(&self) -> String {
        let bytes = self.0.get(..TEXT_LEN_MAX).unwrap_or(self.0);
        let text = String::from_utf8_lossy(bytes);
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

#[cfg(test)]
#[path = "tests/hello.rs"]
mod tests;
