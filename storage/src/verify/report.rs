//! What verification found.

use crate::error::Damage;
use crate::ids::{Hash32, TenantId};

/// A tenant's history as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReport {
    /// Whose.
    pub tenant: TenantId,
    /// Events seen.
    pub events: u64,
    /// Root of the RFC 6962 tree over all events of the tenant; `None` when the
    /// scan did not see all of them.
    pub root: Option<Hash32>,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whether nothing else had the directory open, so that its very end was
    /// checked too.
    pub stopped: bool,
    /// Blocks that were found good.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// Bytes read and checked.
    pub bytes: u64,
    /// How long it took, microseconds.
    pub elapsed_us: u64,
    /// Index and hash of the last good block.
    pub head: Option<(u64, Hash32)>,
    /// Tenants, by id.
    pub tenants: Vec<TenantReport>,
    /// Everything that is not as it should be.
    pub damages: Vec<Damage>,
    /// A write that was cut off by the machine stopping. Nothing in it was
    /// acknowledged; the next start removes it.
    pub torn_tail: Option<Damage>,
    /// Whether the projection was compared with a rebuild, and was equal.
    pub projection_equal: Option<bool>,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }

    /// Bytes checked a second.
    #[must_use]
    pub fn throughput(&self) -> u64 {
        let bytes = u128::from(self.bytes) * 1_000_000;
        u64::try_from(bytes / u128::from(self.elapsed_us.max(1))).unwrap_or(u64::MAX)
    }
}
