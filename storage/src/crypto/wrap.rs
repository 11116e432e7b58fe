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
