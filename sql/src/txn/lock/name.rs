//! The names of locks.

use std::hash::{DefaultHasher, Hash, Hasher};

use kimberlite_storage::TenantId;

/// The name of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockKey(pub(super) u64);

impl LockKey {
    /// The lock of a row, or of a unique key, by physical key.
    pub fn row(tenant: TenantId, stream: u64, key: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        (b'r', tenant.0, stream, key).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The lock of a table.
    pub fn table(tenant: TenantId, oid: u32) -> Self {
        let mut hasher = DefaultHasher::new();
        (b't', tenant.0, oid).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// An advisory lock: PostgreSQL's `classid`, `objid` and `objsubid`.
    pub fn advisory(tenant: TenantId, name: (u32, u32, i16)) -> Self {
        let mut hasher = DefaultHasher::new();
        (b'a', tenant.0, name).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The lock that serialises DDL of a tenant.
    pub fn catalog(tenant: TenantId) -> Self {
        let mut hasher = DefaultHasher::new();
        (b'c', tenant.0).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A lock's name is a hash already and is not hashed again.
#[derive(Debug, Default)]
pub(super) struct NameIsHash(u64);

impl Hasher for NameIsHash {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, name: u64) {
        self.0 = name;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
