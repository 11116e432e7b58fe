//! What a replica says about a session that it passes on: the first packet of a stream.
//!
//! Layout: length (`u32`, big-endian, itself included), version (`u8`), JSON.

use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

use super::super::startup::Start;

/// The version that this server writes, and the only one it reads. A field more is a
/// version more: what is not understood must not be passed over.
const VERSION: u8 = 1;
/// Shortest packet in bytes, its length included.
pub(super) const MIN_PACKET: usize = 5;
/// Longest packet in bytes, its length included. What a startup packet may hold fits,
/// however it is escaped.
pub(super) const MAX_PACKET: usize = 64 << 10;

/// A session as the replica that authenticated it describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asserted {
    /// Role, authenticated.
    pub user: String,
    /// Database.
    pub database: String,
    /// `application_name`; empty when none was sent.
    pub application_name: String,
    /// Every other run-time setting of the startup packet, in the order in which they
    /// take effect.
    pub settings: Vec<(String, String)>,
    /// Where the client is.
    pub client: SocketAddr,
    /// Minor version of protocol 3 that was agreed on.
    pub minor: u16,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
}

/// Why a packet says nothing about a session.
#[derive(Debug, thiserror::Error)]
pub enum BadAssertion {
    /// Made by another version of the server.
    #[error(
        "the session was passed on in version {0} of the format, this replica knows {VERSION}: \
         run one version on all replicas"
    )]
    Version(u8),
    /// Not what the format says.
    #[error("the session was passed on in a packet that cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// More than a packet may hold.
    #[error("the session's settings take {0} bytes, {MAX_PACKET} can be passed on: send fewer")]
    TooLong(usize),
}

impl Asserted {
    /// What an authenticated client asked for.
    pub(in super::super) fn new(start: Start, client: SocketAddr, tls: bool) -> Self {
        Asserted {
            user: start.user,
            database: start.database,
            application_name: start.application_name,
            settings: start.settings,
            client,
            minor: start.minor,
            tls,
        }
    }

    /// The value that the client gave a setting last; names as PostgreSQL compares them.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        let found = self.settings.iter().rev().find(named);
        found.map(|(_, value)| value.as_str())
    }

    /// The packet.
    ///
    /// # Errors
    /// [`BadAssertion::TooLong`].
    pub fn encode(&self) -> Result<Bytes, BadAssertion> {
        let json = serde_json::to_vec(self)?;
        let length = json.len().saturating_add(MIN_PACKET);
        let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_PACKET);
        let prefix = prefix.ok_or(BadAssertion::TooLong(length))?;
        Ok([&prefix.to_be_bytes()[..], &[VERSION], &json]
            .concat()
            .into())
    }

    /// Reads a packet whose length is removed already.
    ///
    /// # Errors
    /// [`BadAssertion`]; anything else that was not [`encode`](Self::encode)d.
    pub fn decode(mut packet: Bytes) -> Result<Self, BadAssertion> {
        let version = packet.try_get_u8().unwrap_or(0);
        if version != VERSION {
            return Err(BadAssertion::Version(version));
        }
        Ok(serde_json::from_slice(&packet)?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::super::super::startup;
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn somebody() -> Asserted {
        Asserted {
            user: "alice".to_owned(),
            database: "clinic".to_owned(),
            application_name: "psql".to_owned(),
            settings: vec![("DateStyle".to_owned(), "ISO, \"MDY\"\u{1}é".to_owned())],
            client: "[2001:db8::1]:4711".parse().unwrap(),
            minor: 2,
            tls: true,
        }
    }

    fn body(packet: &Bytes) -> Bytes {
        packet.slice(4..)
    }

    #[test]
    fn a_packet_reads_back() {
        let packet = somebody().encode().unwrap();
        let length = u32::from_be_bytes(packet[..4].try_into().unwrap());
        assert_eq!(length as usize, packet.len());
        assert_eq!(Asserted::decode(body(&packet)).unwrap(), somebody());
    }

    #[test]
    fn another_version_is_named() {
        let mut packet = body(&somebody().encode().unwrap()).to_vec();
        packet[0] = 2;
        let error = Asserted::decode(packet.into()).unwrap_err();
        assert!(matches!(error, BadAssertion::Version(2)), "{error}");
        assert!(Asserted::decode(Bytes::new()).is_err());
    }

    #[test]
    fn a_field_that_is_not_known_is_refused() {
        let packet = body(&somebody().encode().unwrap());
        let more = [&packet[..packet.len() - 1], b",\"role\":\"x\"}"].concat();
        let error = Asserted::decode(more.into()).unwrap_err();
        assert!(matches!(error, BadAssertion::Malformed(_)), "{error}");
    }

    #[test]
    fn too_many_settings_are_not_sent() {
        let mut session = somebody();
        session.settings = vec![("a".to_owned(), "b".repeat(MAX_PACKET))];
        let error = session.encode().unwrap_err();
        assert!(matches!(error, BadAssertion::TooLong(_)), "{error}");
    }

    #[test]
    fn every_startup_packet_fits() {
        let session = |parameters: Vec<u8>| {
            let mut packet = (3_u32 << 16).to_be_bytes().to_vec();
            packet.extend(b"user\0u\0");
            let room = startup::MAX_PACKET - 4 - packet.len() - 1;
            let whole = parameters.len() * (room / parameters.len());
            packet.extend(parameters.iter().cycle().take(whole));
            packet.push(0);
            match startup::parse(packet.into()).unwrap() {
                startup::Packet::Start(start) => Asserted::new(start, somebody().client, true),
                other => panic!("{other:?}"),
            }
        };
        let long = [&b"a\0"[..], &[1; 9_000], b"\0"].concat();
        let short = b"\x01\0\0".to_vec();
        let switches = [&b"options\0"[..], &b"--\x01= ".repeat(1_900), b"\0"].concat();
        for parameters in [long, short, switches] {
            let packet = session(parameters).encode().unwrap();
            assert!(packet.len() > 2 * startup::MAX_PACKET, "{}", packet.len());
        }
    }

    proptest! {
        #[test]
        fn no_packet_makes_the_decoder_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            at in 0_usize..200,
            byte: u8,
        ) {
            let _ = Asserted::decode(bytes.clone().into());
            let _ = Asserted::decode([&[VERSION], &bytes[..]].concat().into());
            let mut packet = body(&somebody().encode().unwrap()).to_vec();
            let at = at % packet.len();
            packet[at] = byte;
            let _ = Asserted::decode(packet.clone().into());
            packet.truncate(at);
            prop_assert!(Asserted::decode(packet.into()).is_err());
        }

        #[test]
        fn whatever_a_client_asks_for_reads_back(
            user in "\\PC{1,20}", settings in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..4)
        ) {
            let session = Asserted { user, settings, ..somebody() };
            let packet = session.encode().unwrap();
            prop_assert_eq!(Asserted::decode(body(&packet)).unwrap(), session);
        }
    }
}
