//! SCRAM-SHA-256 verifiers: what is stored instead of a password.
//!
//! Format: PostgreSQL 15, `pg_authid.rolpassword`:
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, with the keys of
//! RFC 5802.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kimberlite_storage::Entropy as _;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

use crate::os::SystemEntropy;

/// Iterations of PBKDF2, as PostgreSQL 15 uses for a new password.
const ITERATIONS: usize = 4096;
/// Bytes of salt, as PostgreSQL 15.
const SALT_LEN: usize = 16;

/// A verifier for `password` with a new random salt.
pub fn scram_verifier(password: &str) -> String {
    let mut salt = [0u8; SALT_LEN];
    SystemEntropy.fill(&mut salt);
    with_salt(password, &salt, ITERATIONS)
}

/// Whether `verifier` was made from `password`; false for anything malformed.
pub fn fits(verifier: &str, password: &str) -> bool {
    let parse = || {
        let (iterations, salt) = verifier
            .strip_prefix("SCRAM-SHA-256$")?
            .split_once('$')?
            .0
            .split_once(':')?;
        Some((iterations.parse().ok()?, STANDARD.decode(salt).ok()?))
    };
    match parse() {
        // An absurd count would only take time; no verifier of ours has one.
        Some((iterations, salt)) if (1..=1_000_000).contains(&iterations) => {
            with_salt(password, &salt, iterations) == verifier
        }
        _ => false,
    }
}

fn with_salt(password: &str, salt: &[u8], iterations: usize) -> String {
    let salted = gen_salted_password(password, salt, iterations);
    let secret = ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, iterations);
    let (stored, server) = match &secret {
        ScramSecret::Verifier {
            stored_key,
            server_key,
            ..
        } => (stored_key.as_slice(), server_key.as_slice()),
        ScramSecret::SaltedPassword { .. } => (&[][..], &[][..]),
    };
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`. The keys follow
    /// from the salt and count given there; PostgreSQL 15 stores the same.
    #[test]
    fn agrees_with_rfc_7677() {
        let salt = STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .unwrap_or_default();
        assert_eq!(
            with_salt("pencil", &salt, 4096),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn a_verifier_fits_its_password_only() {
        let verifier = scram_verifier("correct horse");
        assert!(fits(&verifier, "correct horse"));
        assert!(!fits(&verifier, "wrong horse"));
        assert_ne!(verifier, scram_verifier("correct horse"));
        for malformed in ["", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z:w", "md5abc"] {
            assert!(!fits(malformed, "correct horse"));
        }
    }
}
