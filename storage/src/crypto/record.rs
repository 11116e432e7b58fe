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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::*;
    use crate::ids::KeyPurpose;

    fn record() -> KeyRecord {
        KeyRecord {
            tenant: vec![7; 16],
            key_id: KeyId::new(KeyPurpose::Data, 3).0,
            wrapped_by: KeyId::new(KeyPurpose::Wrapping, 1).0,
            wrapped: vec![9; 61],
        }
    }

    #[test]
    fn records_read_back() {
        assert_eq!(KeyRecord::from_bytes(&record().to_bytes()), Ok(record()));
    }

    #[test]
    fn impossible_records_are_refused() {
        let refused = |change: &dyn Fn(&mut KeyRecord)| {
            let mut record = record();
            change(&mut record);
            KeyRecord::from_bytes(&record.to_bytes()).unwrap_err()
        };
        let error = refused(&|record| record.tenant.truncate(15));
        assert!(matches!(error, FormatError::Field { value: 15, .. }));
        let error = refused(&|record| record.key_id = 5);
        assert!(matches!(error, FormatError::Field { value: 5, .. }));
        let error = refused(&|record| record.wrapped = vec![0; RECORD_LEN_MAX]);
        assert!(matches!(error, FormatError::TooLarge { max: 16_384, .. }));
        let error = KeyRecord::from_bytes(&[0xFF; 10]).unwrap_err();
        assert!(matches!(error, FormatError::Message { .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = KeyRecord::from_bytes(&bytes);
        }
    }
}
