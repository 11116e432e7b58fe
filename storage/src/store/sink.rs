//! The real projection as a target of the log.

use crate::apply::{ApplySink, Control};
use crate::chain::TenantHead;
use crate::crypto::KeyRecord;
use crate::error::{Result, StorageError};
use crate::ids::{Hash32, NO_HASH, TenantId};
use crate::merkle::TreeNodes as _;
use crate::projection::{AppliedBlock, PartSource, Projection};

impl ApplySink for Projection {
    fn applied(&self) -> Result<Option<(u64, Hash32)>> {
        Ok(Self::applied(self))
    }

    fn tenant_head(&self, tenant: TenantId) -> Result<TenantHead> {
        let snapshot = self.snapshot();
        let next_seq = snapshot.frontier(tenant)?.size();
        let prev = match next_seq.checked_sub(1) {
            Some(newest) => snapshot.tree(tenant).node(0, newest)?.ok_or_else(|| {
                StorageError::Projection(format!("leaf {newest} of tenant {tenant} is missing"))
            })?,
            None => NO_HASH,
        };
        Ok(TenantHead { next_seq, prev })
    }

    fn key_records(&self) -> Result<Vec<KeyRecord>> {
        self.snapshot().key_records()
    }

    fn controls(&self) -> Result<Vec<Control>> {
        self.snapshot().controls()
    }

    fn apply(&self, block: &AppliedBlock) -> Result<()> {
        Self::apply(self, block)
    }

    fn apply_bulk(&self, block: &AppliedBlock, parts: &mut dyn PartSource) -> Result<()> {
        Self::apply_bulk(self, block, parts)
    }

    fn publish(&self) -> Result<()> {
        Self::publish(self)
    }

    fn flush(&self) -> Result<()> {
        Self::flush(self)
    }
}
