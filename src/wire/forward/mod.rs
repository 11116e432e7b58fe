//! Sessions that the replica that leads serves for another one.
//!
//! A client may connect to any replica. One that does not lead authenticates it, opens
//! a stream to the one that does, says in one packet whose session it is ([`Asserted`]),
//! and from then on copies bytes in both directions. The replica that leads asks for no
//! password: who may open such a stream is decided where streams are made.
//!
//! Everything after the SASL exchange comes from the replica that leads, from
//! `AuthenticationOk` on. So its refusals reach the client where a client expects one.
//!
//! | Module | Concern |
//! |---|---|
//! | [`asserted`] | the packet |
//! | [`relay`], [`traffic`], [`pipe`] | the replica the client is connected to |
//! | [`conversation`], [`frames`] | what it has to know of the bytes it copies |
//! | [`accept`] | the replica that leads |

pub(super) mod accept;
mod asserted;
mod conversation;
mod frames;
mod pipe;
pub(super) mod relay;
mod traffic;

use async_trait::async_trait;
use kimberlite_sql::cluster::ReadConsistency;
use kimberlite_sql::types::text_in::parse_bool;
use tokio::io::{AsyncRead, AsyncWrite};

pub use asserted::{Asserted, BadAssertion};

/// A stream of bytes in both directions. Its ends stand for the replicas: whoever has
/// one was certified when the stream was made.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

impl std::fmt::Debug for dyn Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Duplex")
    }
}

/// The way to the replica that leads.
#[async_trait]
pub trait Forwarder: Send + Sync {
    /// Whether an authenticated session is served by the replica that leads, and not
    /// by this one. [`wanted_by_default`] has the rule.
    fn wanted(&self, session: &Asserted) -> bool;

    /// Opens a stream for one session. It may be dropped half way, when the client
    /// has no more time to connect. The stream has to end by itself when the other
    /// replica cannot be reached any more: nothing else notices.
    ///
    /// # Errors
    /// Why there is none, in words for the client.
    async fn open(&self) -> Result<Box<dyn Duplex>, String>;

    /// Tells the replica that leads of a cancel request whose key is not known here.
    /// Returns when it is told, or cannot be; the client waits for that. Where this
    /// replica leads there is nothing to do.
    async fn cancel(&self, process_id: i32, secret: &[u8]);
}

/// Whether a session is passed on to the replica that leads: `leads` says that this is
/// the one, `forward_writes` is the switch of the configuration, `standby` says that
/// this replica is one.
///
/// A client that only wants to read, or is content with what this replica has, is
/// served where it is.
pub fn wanted_by_default(
    session: &Asserted,
    leads: bool,
    forward_writes: bool,
    standby: bool,
) -> bool {
    !leads && forward_writes && !standby && !reads_here(session)
}

/// Whether the client asked for no more than reading what is near. A value that is
/// none gets its error from the replica that leads.
fn reads_here(session: &Asserted) -> bool {
    let only_reads = session
        .setting("default_transaction_read_only")
        .is_some_and(|value| parse_bool(value).unwrap_or(false));
    let near = session
        .setting("kimberlite.read_consistency")
        .and_then(|value| ReadConsistency::parse(value).ok())
        .is_some_and(|consistency| consistency != ReadConsistency::Linearizable);
    only_reads || near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(settings: &[(&str, &str)]) -> Asserted {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Asserted {
            settings,
            ..asserted::tests::somebody()
        }
    }

    #[test]
    fn a_session_is_passed_on_where_it_could_only_read() {
        let session = asking(&[]);
        for (leads, forward_writes, standby, expected) in [
            (false, true, false, true),
            (true, true, false, false),
            (false, false, false, false),
            (false, true, true, false),
            (true, false, true, false),
        ] {
            let wanted = wanted_by_default(&session, leads, forward_writes, standby);
            assert_eq!(wanted, expected, "{leads} {forward_writes} {standby}");
        }
    }

    #[test]
    fn who_only_wants_to_read_is_served_here() {
        let read_only = "default_transaction_read_only";
        let consistency = "kimberlite.read_consistency";
        let here = [
            (read_only, "on"),
            (read_only, "TRUE"),
            (read_only, "1"),
            ("Default_Transaction_Read_Only", "yes"),
            (consistency, "local"),
            (consistency, "Bounded"),
            ("KIMBERLITE.read_consistency", "local"),
        ];
        for setting in here {
            let wanted = wanted_by_default(&asking(&[setting]), false, true, false);
            assert!(!wanted, "{setting:?}");
        }
        let elsewhere = [
            (read_only, "off"),
            (read_only, "perhaps"),
            (consistency, "linearizable"),
            (consistency, "never"),
            ("default_transaction_isolation", "on"),
            ("application_name", "local"),
        ];
        for setting in elsewhere {
            let wanted = wanted_by_default(&asking(&[setting]), false, true, false);
            assert!(wanted, "{setting:?}");
        }
    }

    #[test]
    fn the_last_value_of_a_setting_counts() {
        let name = "default_transaction_read_only";
        let session = asking(&[(name, "on"), (name, "off")]);
        assert!(wanted_by_default(&session, false, true, false));
        let session = asking(&[(name, "off"), (name, "on")]);
        assert!(!wanted_by_default(&session, false, true, false));
    }
}
