//! A secret key that leaves memory when it is dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::env::{Entropy, draw};

/// Length of every key in bytes.
pub const KEY_LEN: usize = 32;

/// 32 secret bytes. Not printable, not cloneable by accident, overwritten when
/// dropped.
#[derive(ZeroizeOnDrop)]
pub struct Key([u8; KEY_LEN]);

impl Key {
    /// Takes over the bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Takes over the bytes if there are exactly 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A new random key.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = draw(entropy);
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// The secret. Do not copy it to where it is not overwritten.
    #[must_use]
    pub const fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_itself() {
        let key = Key::from_bytes([0x5A; KEY_LEN]);
        assert_eq!(format!("{key:?}"), "Key(redacted)");
    }

    #[test]
    fn only_32_bytes_are_a_key() {
        assert!(Key::from_slice(&[0; 32]).is_some());
        assert!(Key::from_slice(&[0; 31]).is_none());
        assert!(Key::from_slice(&[0; 33]).is_none());
    }

    #[test]
    fn a_key_is_overwritten_when_it_goes() {
        // What `Drop` runs; reading memory after the drop would not be defined.
        const fn zeroizes<T: ZeroizeOnDrop>() {}
        zeroizes::<Key>();
        let mut key = Key::from_bytes([0x5A; KEY_LEN]);
        key.0.zeroize();
        assert_eq!(key.expose(), &[0; KEY_LEN]);
    }
}
