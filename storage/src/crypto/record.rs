//! The wrapped form of a key, as it is stored in the log.

use prost::Message;

use crate::error::FormatError;
use crate::ids::{KeyId, TenantId};

/// Longest key record in bytes. A wrapped key is 61 bytes with the providers of
/// this crate; a key service may return more.
const RECORD_LEN_MAX: usize = 16 << 10;

/// The body of a `key` event. The event is not sealed: the key in it is wrapped.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KeyRecord {
    /// Whose key, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub tenant: Vec<u8>,
    /// Which key ([`KeyId`]).
    #[prost(uint64, tag = "2")]
    pub key_id: u64,
    /// The [`KeyId`] of the tenant's key that wraps it; 0 = the master key.
    #[prost(uint64, tag = "3")]
    pub wrapped_by: u64,
    /// The wrapped key.
    #[prost(bytes = "vec", tag = "4")]
    pub wrapped: Vec<u8>,
}

impl KeyRecord {
    /// Writes the body of a `key` event.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads the body of a `key` event.
    ///
    /// # Errors
    /// [`FormatError`] when it is not a key record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > RECORD_LEN_MAX {
            return Err(FormatError::TooLarge {
                what: "a key record",
                len: bytes.len() as u64,
                max: RECORD_LEN_MAX as u64,
            });
        }
        let record = Self::decode(bytes).map_err(|error| FormatError::Message {
            what: "a key record",
            detail: error.to_string(),
        })?;
        record.tenant_id()?;
        if record.key_id().purpose().is_none() {
            return Err(FormatError::Field {
                what: "key id",
                value: record.key_id,
            });
        }
        Ok(record)
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// [`FormatError::Field`] when the tenant is not 16 bytes long.
    pub fn tenant_id(&self) -> Result<TenantId, FormatError> {
        self.tenant
            .as_slice()
            .try_into()
            .map(TenantId)
            .map_err(|_| FormatError::Field {
                what: "length of a tenant id",
                value: self.tenant.len() as u64,
            })
    }

    /// Which key it is.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        KeyId(self.key_id)
    }

    /// Which key wraps it; [`KeyId::NONE`] for the master key.
    #[must_use]
    pub const fn wrapped_by(&self) -> KeyId {
        KeyId(self.wrapped_by)
    }

    /// What wrapping binds the key to.
    pub(crate) fn context(tenant: TenantId, key_id: KeyId) -> Vec<u8> {
        [tenant.0.as_slice(), &key_id.0.to_le_bytes()].concat()
    }
}
