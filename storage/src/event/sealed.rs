//! An event on its way to the log.

use super::{EVENT_BODY_LEN_MAX, EVENT_HEADER_LEN, EventFlags, EventHeader, EventKind, sha256};
use crate::error::FormatError;
use crate::ids::{Hash32, KeyId, TenantId};

/// An event before it has its place in the log. Everything that costs time in
/// proportion to its size is done: the writer only adds the place.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedEvent {
    /// What the event says.
    pub kind: EventKind,
    /// Flags of a new event: none.
    pub flags: EventFlags,
    /// Whose it is.
    pub tenant: TenantId,
    /// Under which of the tenant's keys it is sealed.
    pub key_id: KeyId,
    /// The salt of the sub-key.
    pub salt: [u8; 32],
    /// The nonce under the sub-key.
    pub nonce: [u8; 12],
    /// Length of the plaintext in bytes.
    pub plaintext_len: u32,
    /// Ciphertext with the tag at its end, or the plain bytes when there is no
    /// key. At most [`EVENT_BODY_LEN_MAX`] bytes.
    pub body: Vec<u8>,
    /// SHA-256 of `body`.
    pub ciphertext_sha256: Hash32,
}

impl SealedEvent {
    /// An event that is not sealed. Only for what is public by nature or carries
    /// its own protection: key records and control events.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when `body` is over [`EVENT_BODY_LEN_MAX`].
    pub fn unsealed(tenant: TenantId, kind: EventKind, body: Vec<u8>) -> Result<Self, FormatError> {
        let len = body_len(&body)?;
        Ok(Self {
            kind,
            flags: EventFlags::NONE,
            tenant,
            key_id: KeyId::NONE,
            salt: [0; 32],
            nonce: [0; 12],
            plaintext_len: len,
            ciphertext_sha256: sha256(&body),
            body,
        })
    }

    /// The header of this event at its place in the log.
    #[must_use]
    pub const fn place(
        &self,
        tenant_seq: u64,
        timestamp_us: i64,
        tenant_prev: Hash32,
    ) -> EventHeader {
        EventHeader {
            kind: self.kind,
            flags: self.flags,
            tenant: self.tenant,
            tenant_seq,
            timestamp_us,
            key_id: self.key_id,
            salt: self.salt,
            nonce: self.nonce,
            plaintext_len: self.plaintext_len,
            // `body` is bounded by EVENT_BODY_LEN_MAX, so this never cuts.
            ciphertext_len: self.body.len() as u32,
            tenant_prev,
            ciphertext_sha256: self.ciphertext_sha256,
        }
    }

    /// Length in a block, header and body, in bytes.
    #[must_use]
    pub const fn event_len(&self) -> usize {
        EVENT_HEADER_LEN + self.body.len()
    }
}

impl std::fmt::Debug for SealedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedEvent")
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("key_id", &self.key_id)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn body_len(body: &[u8]) -> Result<u32, FormatError> {
    match u32::try_from(body.len()) {
        Ok(len) if len <= EVENT_BODY_LEN_MAX => Ok(len),
        _ => Err(FormatError::TooLarge {
            what: "event body",
            len: body.len() as u64,
            max: u64::from(EVENT_BODY_LEN_MAX),
        }),
    }
}
