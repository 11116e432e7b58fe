//! Wrapping one key with another.
//!
//! # Bytes
//!
//! | offset | size | field |
//! |---:|---:|---|
//! | 0 | 1 | version: 1 |
//! | 1 | 12 | random nonce |
//! | 13 | 32 | the key, encrypted with AES-256-GCM |
//! | 45 | 16 | tag |
//!
//! The associated data is `kimberlite/wrap/v1` followed by the context, which
//! says what the key is for; a wrapped key moved to another place does not
//! unwrap. A random 96-bit nonce is safe for 2³² wraps under one key (NIST SP
//! 800-38D, 8.3); keys are wrapped once per tenant and rotation.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroize;

use super::key::Key;
use crate::env::{Entropy, draw};
use crate::error::KeyError;
use crate::fields::Fields;

const VERSION: u8 = 1;

fn associated(context: &[u8]) -> Vec<u8> {
    [b"kimberlite/wrap/v1".as_slice(), context].concat()
}

/// Wraps `key` with `with`.
pub(crate) fn wrap(
    with: &Key,
    context: &[u8],
    key: &Key,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, KeyError> {
    let nonce: [u8; 12] = draw(entropy);
    // Room for the tag, so that the plain key is never moved by a reallocation.
    let mut body = Vec::with_capacity(48);
    body.extend_from_slice(key.expose());
    Aes256Gcm::new(with.expose().into())
        .encrypt_in_place(&Nonce::from(nonce), &associated(context), &mut body)
        .map_err(|_| KeyError::Cipher("wrapping a key"))?;
    Ok([[VERSION].as_slice(), &nonce, &body].concat())
}

/// Unwraps what [`wrap`] wrote; `None` when the key or the context is another, or
/// the bytes changed.
pub(crate) fn unwrap(with: &Key, context: &[u8], wrapped: &[u8]) -> Option<Key> {
    let mut fields = Fields::new("wrapped key", wrapped);
    if fields.u8().ok()? != VERSION {
        return None;
    }
    let nonce: [u8; 12] = fields.array().ok()?;
    let mut body = fields.array::<48>().ok()?.to_vec();
    if !fields.rest().is_empty() {
        return None;
    }
    let opened = Aes256Gcm::new(with.expose().into()).decrypt_in_place(
        &Nonce::from(nonce),
        &associated(context),
        &mut body,
    );
    let key = opened.ok().and_then(|()| Key::from_slice(&body));
    body.zeroize();
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::env::fixed::FixedEntropy;

    #[test]
    fn a_key_unwraps_only_with_its_wrapping_key_and_context() {
        let entropy = FixedEntropy::new(1);
        let (with, other, key) = (
            Key::random(&entropy),
            Key::random(&entropy),
            Key::random(&entropy),
        );
        let wrapped = wrap(&with, b"place", &key, &entropy).unwrap();
        assert_eq!(wrapped.len(), 61);
        assert_eq!(
            unwrap(&with, b"place", &wrapped).unwrap().expose(),
            key.expose()
        );
        assert!(unwrap(&other, b"place", &wrapped).is_none());
        assert!(unwrap(&with, b"elsewhere", &wrapped).is_none());
        assert!(
            !wrapped
                .windows(8)
                .any(|window| key.expose().windows(8).any(|k| k == window))
        );
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_refused() {
        let entropy = FixedEntropy::new(1);
        let (with, key) = (Key::random(&entropy), Key::random(&entropy));
        let wrapped = wrap(&with, b"", &key, &entropy).unwrap();
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(&with, b"", &changed).is_none(), "bit {bit}");
        }
        for len in 0..wrapped.len() {
            assert!(unwrap(&with, b"", &wrapped[..len]).is_none(), "{len} bytes");
        }
        assert!(unwrap(&with, b"", &[&wrapped[..], &[0]].concat()).is_none());
    }

    #[test]
    fn wrapping_twice_gives_different_bytes() {
        let entropy = FixedEntropy::new(1);
        let (with, key) = (Key::random(&entropy), Key::random(&entropy));
        let first = wrap(&with, b"", &key, &entropy).unwrap();
        assert_ne!(first, wrap(&with, b"", &key, &entropy).unwrap());
    }
}
