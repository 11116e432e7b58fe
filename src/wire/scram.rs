//! SCRAM-SHA-256 on the server's side (RFC 5802, RFC 7677), through `pgwire`.
//!
//! A role that does not exist, may not log in or has no password goes through
//! the same exchange with a verifier nobody knows a password for. Its salt
//! depends on the names only, so that asking twice tells nothing either.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kimberlite_sql::error::{Severity, SqlError, SqlResult, state};
use pgwire::api::auth::sasl::scram::{
    ScramSecret, ScramServerAuth, ScramServerAuthWaitingForClientFinal,
};
use pgwire::api::auth::sasl::{SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD};
use pgwire::error::PgWireError;
use sha2::{Digest, Sha256};

use super::startup::SaslResponse;

/// Iterations PostgreSQL 15 and we use for a new password.
const ITERATIONS: usize = 4096;
/// Bytes of salt in a verifier made by PostgreSQL.
const SALT_LEN: usize = 16;
/// Bytes of SHA-256.
const KEY_LEN: usize = 32;

/// Makes verifiers for roles that do not exist.
#[derive(Debug)]
pub(super) struct Decoys {
    secret: [u8; KEY_LEN],
}

impl Decoys {
    /// Draws the secret that the salts are derived from.
    pub(super) fn new() -> Self {
        Decoys {
            secret: rand::random(),
        }
    }

    /// A verifier no password fits, with a salt that is stable for the names.
    fn secret_for(&self, database: &str, user: &str) -> ScramSecret {
        let length = u64::try_from(database.len()).unwrap_or(u64::MAX);
        let salt = Sha256::new()
            .chain_update(self.secret)
            .chain_update(length.to_be_bytes())
            .chain_update(database)
            .chain_update(user)
            .finalize();
        ScramSecret::Verifier {
            salt: salt.iter().copied().take(SALT_LEN).collect(),
            iterations: ITERATIONS,
            stored_key: rand::random::<[u8; KEY_LEN]>().to_vec(),
            server_key: rand::random::<[u8; KEY_LEN]>().to_vec(),
        }
    }
}

/// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
fn parse_verifier(text: &str) -> Option<ScramSecret> {
    let rest = text.strip_prefix("SCRAM-SHA-256$")?;
    let (public, keys) = rest.split_once('$')?;
    let (iterations, salt) = public.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    let decode = |text| STANDARD.decode(text).ok();
    let key = |text| decode(text).filter(|key: &Vec<u8>| key.len() == KEY_LEN);
    Some(ScramSecret::Verifier {
        salt: decode(salt).filter(|salt| !salt.is_empty())?,
        iterations: iterations.parse().ok().filter(|count| *count > 0)?,
        stored_key: key(stored_key)?,
        server_key: key(server_key)?,
    })
}

/// The mechanisms to offer.
pub(super) fn mechanisms(scram: &ScramServerAuth) -> Vec<String> {
    let mut names = Vec::with_capacity(2);
    if scram.supports_channel_binding() {
        names.push(SCRAM_SHA_256_PLUS_METHOD.to_owned());
    }
    names.push(SCRAM_SHA_256_METHOD.to_owned());
    names
}

/// One exchange, after the client's first message.
#[derive(Debug)]
pub(super) struct Exchange {
    state: ScramServerAuthWaitingForClientFinal,
    user: String,
}

impl Exchange {
    /// Takes the client's first message; gives back the server's.
    ///
    /// `verifier` is what the catalog holds for the role, `None` when there is
    /// no such role.
    ///
    /// # Errors
    /// 08P01 for a message that is not SCRAM, 28000 for a channel binding that
    /// does not fit the mechanism.
    pub(super) fn begin(
        scram: &ScramServerAuth,
        decoys: &Decoys,
        database: &str,
        user: &str,
        verifier: Option<&str>,
        first: &SaslResponse,
    ) -> SqlResult<(Exchange, Bytes)> {
        check_binding(scram, first)?;
        let stored = verifier.and_then(|text| {
            let parsed = parse_verifier(text);
            if parsed.is_none() {
                tracing::error!(database, user, "the stored SCRAM verifier is not valid");
            }
            parsed
        });
        // The decoy is made for everyone: its cost must not tell who exists.
        let decoy = decoys.secret_for(database, user);
        let secret = stored.unwrap_or(decoy);
        let (reply, state) = scram
            .on_client_first_message_with_secret(&first.data, secret)
            .map_err(|error| refuse(error, user))?;
        let user = user.to_owned();
        Ok((Exchange { state, user }, reply.into()))
    }

    /// Takes the client's proof; gives back the server's signature.
    ///
    /// # Errors
    /// 28P01 when the password was wrong or there is no such role.
    pub(super) fn finish(self, last: &SaslResponse) -> SqlResult<Bytes> {
        self.state
            .on_client_final_message(&last.data)
            .map(Bytes::from)
            .map_err(|error| refuse(error, &self.user))
    }
}

/// The mechanism chosen must be one we offered; -PLUS must come with a channel
/// binding and only -PLUS may; and nobody may have hidden -PLUS from the client
/// (RFC 5802, section 6).
fn check_binding(scram: &ScramServerAuth, first: &SaslResponse) -> SqlResult<()> {
    if !mechanisms(scram).contains(&first.mechanism) {
        return Err(fatal(
            state::PROTOCOL_VIOLATION,
            "client selected an invalid SASL authentication mechanism",
        ));
    }
    if first.data.starts_with(b"y,") && scram.supports_channel_binding() {
        // The client can bind and was told that the server cannot.
        return Err(fatal(
            state::INVALID_AUTHORIZATION_SPECIFICATION,
            "SCRAM channel binding negotiation error",
        )
        .detail(
            "The client supports SCRAM channel binding but thinks the server does not. \
             However, this server does support channel binding.",
        ));
    }
    let bound = first.data.starts_with(b"p=");
    match (first.mechanism == SCRAM_SHA_256_PLUS_METHOD, bound) {
        (true, false) => Err(fatal(
            state::PROTOCOL_VIOLATION,
            "malformed SCRAM message: SCRAM-SHA-256-PLUS without channel binding data",
        )),
        (false, true) => Err(fatal(
            state::PROTOCOL_VIOLATION,
            "malformed SCRAM message: SCRAM-SHA-256 with channel binding data",
        )),
        _ => Ok(()),
    }
}

/// 28P01, in PostgreSQL's words, for every reason a login may fail.
pub(super) fn wrong_password(user: &str) -> SqlError {
    fatal(
        state::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}

fn refuse(error: PgWireError, user: &str) -> SqlError {
    match error {
        PgWireError::InvalidPassword(_) => wrong_password(user),
        // The library's text quotes what the client sent; the log may have it.
        other => fatal(state::PROTOCOL_VIOLATION, "malformed SCRAM message")
            .with_internal(other.to_string()),
    }
}

fn fatal(sqlstate: &'static str, message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate, message).severity(Severity::Fatal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    /// The example of RFC 7677, section 3: user "user", password "pencil".
    const RFC_VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
        $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn first(mechanism: &str, data: &'static str) -> SaslResponse {
        SaslResponse {
            mechanism: mechanism.to_owned(),
            data: Bytes::from_static(data.as_bytes()),
        }
    }

    fn begin(verifier: Option<&str>) -> (Exchange, String) {
        let (exchange, reply) = Exchange::begin(
            &ScramServerAuth::new(),
            &Decoys::new(),
            "db",
            "user",
            verifier,
            &first("SCRAM-SHA-256", "n,,n=,r=clientnonce"),
        )
        .unwrap();
        (exchange, String::from_utf8(reply.to_vec()).unwrap())
    }

    fn proof(server_first: &str, password: &str) -> SaslResponse {
        let parts: Vec<&str> = server_first.splitn(3, ',').collect();
        let nonce = parts[0].strip_prefix("r=").unwrap();
        let salt = STANDARD
            .decode(parts[1].strip_prefix("s=").unwrap())
            .unwrap();
        let salted =
            pgwire::api::auth::sasl::scram::gen_salted_password(password, &salt, ITERATIONS);
        let client_key = hmac(&salted, b"Client Key");
        let stored_key = Sha256::digest(&client_key).to_vec();
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("n=,r=clientnonce,{server_first},{without_proof}");
        let signature = hmac(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        SaslResponse {
            mechanism: String::new(),
            data: format!("{without_proof},p={}", STANDARD.encode(proof)).into(),
        }
    }

    fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize()
            .to_vec()
    }

    #[test]
    fn the_right_password_is_accepted() {
        let (exchange, reply) = begin(Some(RFC_VERIFIER));
        let last = exchange.finish(&proof(&reply, "pencil")).unwrap();
        assert!(last.starts_with(b"v="));
    }

    #[test]
    fn a_wrong_password_and_an_unknown_role_look_alike() {
        let (known, known_first) = begin(Some(RFC_VERIFIER));
        let (unknown, unknown_first) = begin(None);
        assert_eq!(known_first.len(), unknown_first.len());
        let wrong = known.finish(&proof(&known_first, "pen")).unwrap_err();
        let nobody = unknown
            .finish(&proof(&unknown_first, "pencil"))
            .unwrap_err();
        assert_eq!(wrong, nobody);
        assert_eq!(wrong.sqlstate(), "28P01");
        assert_eq!(
            wrong.message(),
            "password authentication failed for user \"user\""
        );
    }

    #[test]
    fn a_decoy_keeps_its_salt() {
        let decoys = Decoys::new();
        let salt = |database: &str, user: &str| match decoys.secret_for(database, user) {
            ScramSecret::Verifier { salt, .. } => salt,
            ScramSecret::SaltedPassword { .. } => panic!("not a verifier"),
        };
        assert_eq!(salt("a", "bc"), salt("a", "bc"));
        assert_ne!(salt("a", "bc"), salt("ab", "c"));
        assert_eq!(salt("a", "b").len(), SALT_LEN);
    }

    #[test]
    fn damaged_verifiers_let_nobody_in() {
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$0:c2FsdA==$AAAA:AAAA",
            "SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA",
            "SCRAM-SHA-256$4096:$$",
        ] {
            assert!(parse_verifier(text).is_none(), "{text}");
            let (exchange, reply) = begin(Some(text));
            let error = exchange.finish(&proof(&reply, "pencil")).unwrap_err();
            assert_eq!(error.sqlstate(), "28P01");
        }
    }

    #[test]
    fn plus_needs_a_binding_and_only_plus_may_have_one() {
        let plain = ScramServerAuth::new();
        let refused = [
            first("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=x"),
            first("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=x"),
            first("PLAIN", "n,,n=,r=x"),
            first("SCRAM-SHA-256", "nonsense"),
            first("SCRAM-SHA-256", ""),
        ];
        for message in refused {
            let begun = Exchange::begin(&plain, &Decoys::new(), "d", "u", None, &message);
            assert_eq!(begun.unwrap_err().sqlstate(), "08P01", "{message:?}");
        }
    }
}
