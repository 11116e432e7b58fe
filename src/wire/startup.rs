//! The packets before authentication, parsed.
//!
//! Layouts: PostgreSQL manual, "Message Formats": SSLRequest, GSSENCRequest,
//! CancelRequest, StartupMessage.

use bytes::{Buf, Bytes};
use kimberlite_sql::error::{SqlError, SqlResult, state};

use super::reader::{Reader, protocol};

/// Shortest packet, its length field included.
pub(super) const MIN_PACKET: usize = 8;
/// Longest packet, its length field included (`MAX_STARTUP_PACKET_LENGTH`).
pub(super) const MAX_PACKET: usize = 10_000;

/// Newest minor version of protocol 3 this server speaks.
pub(super) const NEWEST_MINOR: u16 = 2;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// One packet of the startup phase.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// The client asks for TLS.
    Ssl,
    /// The client asks for GSS encryption.
    GssEnc,
    /// Cancel what the session with this key runs.
    Cancel {
        /// Process id from BackendKeyData.
        pid: i32,
        /// Secret from BackendKeyData: four bytes, or up to 256 since 3.2.
        secret: Bytes,
    },
    /// Start a session.
    Start(Start),
}

/// What a client wants its session to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// Minor version agreed on: the lower of both sides'.
    pub(super) minor: u16,
    /// Whether the client must be told the version or options we left out.
    pub(super) negotiate: bool,
    /// Protocol options (`_pq_.…`) the client sent and we do not know.
    pub(super) unknown_options: Vec<String>,
    /// Role.
    pub(super) user: String,
    /// Database; the role's name when the client named none.
    pub(super) database: String,
    /// `application_name`, when sent.
    pub(super) application_name: String,
    /// Every other run-time setting, from parameters and from `options`.
    pub(super) settings: Vec<(String, String)>,
}

/// Parses a packet, its length field already removed.
///
/// # Errors
///
/// What the client should be told before the connection closes.
pub(super) fn parse(packet: Bytes) -> SqlResult<Packet> {
    let mut reader = Reader::new(packet);
    let code = reader.u32()?;
    match code {
        SSL_REQUEST => reader.end().map(|()| Packet::Ssl),
        GSSENC_REQUEST => reader.end().map(|()| Packet::GssEnc),
        CANCEL_REQUEST => {
            let pid = reader.i32()?;
            let secret = reader.bytes(reader.remaining())?;
            if !(4..=256).contains(&secret.len()) {
                return Err(protocol("invalid length of cancel request packet"));
            }
            Ok(Packet::Cancel { pid, secret })
        }
        _ => parse_start(code, reader).map(Packet::Start),
    }
}

fn parse_start(code: u32, mut reader: Reader) -> SqlResult<Start> {
    let [major, minor] = [code >> 16, code & 0xffff];
    if major != 3 {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!(
                "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{NEWEST_MINOR}"
            ),
        ));
    }
    let asked = u16::try_from(minor).unwrap_or(u16::MAX);
    let mut start = Start {
        // 3.1 was never released.
        minor: if asked >= NEWEST_MINOR {
            NEWEST_MINOR
        } else {
            0
        },
        ..Start::default()
    };
    let mut options = String::new();
    let mut database = None;
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            break;
        }
        let value = reader.text()?.as_str().to_owned();
        match name.as_str() {
            "user" => start.user = value,
            "database" => database = Some(value),
            "options" => options = value,
            "application_name" => start.application_name = value,
            "replication" => refuse_replication(&value)?,
            name if name.starts_with("_pq_.") => start.unknown_options.push(name.to_owned()),
            name => start.settings.push((name.to_owned(), value)),
        }
    }
    if reader.remaining() > 0 {
        return Err(protocol(
            "invalid startup packet layout: expected terminator as last byte",
        ));
    }
    if start.user.is_empty() {
        return Err(SqlError::new(
            state::INVALID_AUTHORIZATION_SPECIFICATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    }
    start.database = database
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| start.user.clone());
    start.settings.extend(parse_options(&options)?);
    start.negotiate = asked != start.minor || !start.unknown_options.is_empty();
    Ok(start)
}

fn refuse_replication(value: &str) -> SqlResult<()> {
    match value {
        "false" | "off" | "no" | "0" => Ok(()),
        _ => Err(SqlError::unsupported("the replication protocol")),
    }
}

/// Reads the `options` parameter: `-c name=value` and `--name=value`, split at
/// spaces, a backslash taking the next character as it is.
fn parse_options(options: &str) -> SqlResult<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut words = split_words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = if let Some(setting) = word.strip_prefix("--") {
            setting.to_owned()
        } else if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(setting) = word.strip_prefix("-c") {
            setting.to_owned()
        } else {
            return Err(invalid_argument(&word));
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(invalid_argument(&setting));
        };
        // PostgreSQL writes a setting's dashes as underscores here.
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn invalid_argument(argument: &str) -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        format!("invalid command-line argument for server process: {argument}"),
    )
}

/// A SASL response: SASLInitialResponse when `initial`, else SASLResponse.
#[derive(Debug)]
pub(super) struct SaslResponse {
    /// The mechanism chosen; empty in a later response.
    pub(super) mechanism: String,
    /// The mechanism's own message.
    pub(super) data: Bytes,
}

impl SaslResponse {
    /// Decodes the body of the first `p` message.
    pub(super) fn decode_initial(body: Bytes) -> SqlResult<SaslResponse> {
        let mut reader = Reader::new(body);
        let mechanism = reader.text()?.as_str().to_owned();
        let data = match reader.i32()? {
            -1 => Bytes::new(),
            len => {
                let len = usize::try_from(len).map_err(|_| protocol("invalid SASL message"))?;
                reader.bytes(len)?
            }
        };
        reader.end()?;
        Ok(SaslResponse { mechanism, data })
    }

    /// Takes the body of a later `p` message.
    pub(super) fn decode(mut body: Bytes) -> SaslResponse {
        SaslResponse {
            mechanism: String::new(),
            data: body.copy_to_bytes(body.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    fn packet(version: u32, parameters: &[(&str, &str)]) -> Bytes {
        let mut packet = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            packet.extend(name.as_bytes());
            packet.push(0);
            packet.extend(value.as_bytes());
            packet.push(0);
        }
        packet.push(0);
        packet.into()
    }

    fn start(version: u32, parameters: &[(&str, &str)]) -> SqlResult<Start> {
        match parse(packet(version, parameters))? {
            Packet::Start(start) => Ok(start),
            other => panic!("{other:?}"),
        }
    }

    const V3_0: u32 = 3 << 16;

    #[test]
    fn the_database_defaults_to_the_user() {
        let start = start(V3_0, &[("user", "alice")]).unwrap();
        assert_eq!(start.database, "alice");
        assert!(!start.negotiate);
        let named = super::tests::start(V3_0, &[("user", "alice"), ("database", "clinic")]);
        assert_eq!(named.unwrap().database, "clinic");
    }

    #[test]
    fn a_session_needs_a_user() {
        let error = start(V3_0, &[("database", "d")]).unwrap_err();
        assert_eq!(error.sqlstate(), "28000");
    }

    #[test]
    fn newer_minor_versions_are_negotiated_down() {
        for (minor, agreed, negotiate) in [
            (0, 0, false),
            (1, 0, true),
            (2, 2, false),
            (3, 2, true),
            (9999, 2, true),
        ] {
            let start = start(V3_0 | minor, &[("user", "u")]).unwrap();
            assert_eq!(
                (start.minor, start.negotiate),
                (agreed, negotiate),
                "3.{minor}"
            );
        }
    }

    #[test]
    fn unknown_protocol_options_are_named_back() {
        let start = start(V3_0, &[("user", "u"), ("_pq_.magic", "1")]).unwrap();
        assert!(start.negotiate);
        assert_eq!(start.unknown_options, vec!["_pq_.magic"]);
        assert!(start.settings.is_empty());
    }

    #[test]
    fn another_major_version_is_refused() {
        for version in [2 << 16, 4 << 16, 0] {
            let error = start(version, &[("user", "u")]).unwrap_err();
            assert_eq!(error.sqlstate(), "0A000");
        }
    }

    #[test]
    fn options_become_settings() {
        let options = r"-c search_path=a\ b --statement-timeout=5s -cgeqo=off";
        let start = start(
            V3_0,
            &[("user", "u"), ("options", options), ("DateStyle", "ISO")],
        );
        let expected = [
            ("DateStyle", "ISO"),
            ("search_path", "a b"),
            ("statement_timeout", "5s"),
            ("geqo", "off"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(start.unwrap().settings, expected);
    }

    #[test]
    fn other_switches_are_refused() {
        for options in ["-e", "-c", "-c x", "word"] {
            let error = start(V3_0, &[("user", "u"), ("options", options)]).unwrap_err();
            assert_eq!(error.sqlstate(), "42601", "{options}");
        }
    }

    #[test]
    fn replication_is_refused_by_name() {
        let error = start(V3_0, &[("user", "u"), ("replication", "database")]).unwrap_err();
        assert_eq!(error.sqlstate(), "0A000");
        start(V3_0, &[("user", "u"), ("replication", "false")]).unwrap();
    }

    #[test]
    fn bytes_after_the_terminator_are_refused() {
        let mut bytes = packet(V3_0, &[("user", "u")]).to_vec();
        bytes.push(0);
        assert_eq!(parse(bytes.into()).unwrap_err().sqlstate(), "08P01");
    }

    #[test]
    fn names_that_are_not_utf8_are_refused() {
        let mut bytes = V3_0.to_be_bytes().to_vec();
        bytes.extend(b"user\0\xff\0\0");
        assert_eq!(parse(bytes.into()).unwrap_err().sqlstate(), "22021");
    }

    #[test]
    fn a_cancel_request_carries_four_to_256_bytes_of_secret() {
        let cancel = |secret: usize| {
            let mut bytes = CANCEL_REQUEST.to_be_bytes().to_vec();
            bytes.extend(7_i32.to_be_bytes());
            bytes.extend(vec![9; secret]);
            parse(bytes.into())
        };
        for secret in [0, 3, 257] {
            assert!(cancel(secret).is_err(), "{secret}");
        }
        for secret in [4, 32, 256] {
            let secret = Bytes::from(vec![9; secret]);
            let expected = Packet::Cancel {
                pid: 7,
                secret: secret.clone(),
            };
            assert_eq!(cancel(secret.len()).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_packet_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(bytes.clone().into());
            let _ = parse([V3_0.to_be_bytes().to_vec(), bytes.clone()].concat().into());
            let _ = SaslResponse::decode_initial(bytes.into());
        }

        #[test]
        fn no_options_make_the_parser_panic(options in "\\PC{0,40}") {
            let _ = parse_options(&options);
        }
    }
}
