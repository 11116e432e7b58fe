//! The tenants' Merkle trees: their leaves, some nodes above, their frontiers.

use std::collections::BTreeMap;

use rocksdb::WriteBatch;

use super::block::OpenedEvent;
use super::engine::{Engine, failed};
use super::layout::{self, Families, Family};
use super::snapshot::Snapshot;
use crate::error::{Result, StorageError};
use crate::ids::{Hash32, TenantId};
use crate::merkle::{Frontier, TreeNodes};

/// Interior nodes are kept from this level up, one for 16 leaves and fewer
/// above; a proof computes what is below from at most as many leaves.
const KEPT_FROM_LEVEL: u32 = 4;

const fn kept(level: u32) -> bool {
    level == 0 || level >= KEPT_FROM_LEVEL
}

/// The frontiers of the tenants that a block touches.
#[derive(Default)]
pub(super) struct Trees {
    frontiers: BTreeMap<TenantId, Frontier>,
}

impl Trees {
    /// Appends an event's leaf to its tenant's tree.
    pub(super) fn append(
        &mut self,
        engine: &Engine,
        families: &Families<'_>,
        event: &OpenedEvent,
        batch: &mut WriteBatch,
    ) -> Result<()> {
        let tenant = event.tenant;
        let family = families.get(Family::Merkle);
        let frontier = match self.frontiers.entry(tenant) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let stored = engine
                    .db
                    .get_pinned_cf_opt(family, layout::frontier_key(tenant), &engine.newest)
                    .map_err(|error| failed("read", &error))?;
                unknown.insert(decode(stored.as_deref())?)
            }
        };
        if frontier.size() != event.tenant_seq {
            return Err(StorageError::Projection(format!(
                "event {} of tenant {tenant} where its event {} belongs",
                event.tenant_seq,
                frontier.size()
            )));
        }
        frontier.append_with(event.leaf, |level, index, node| {
            if kept(level) {
                batch.put_cf(family, layout::tree_node_key(tenant, level, index), node);
            }
        });
        Ok(())
    }

    /// Adds the frontiers to the batch that completes the block.
    pub(super) fn store(&self, families: &Families<'_>, batch: &mut WriteBatch) {
        let family = families.get(Family::Merkle);
        for (tenant, frontier) in &self.frontiers {
            batch.put_cf(family, layout::frontier_key(*tenant), frontier.to_bytes());
        }
    }
}

fn decode(stored: Option<&[u8]>) -> Result<Frontier> {
    Ok(stored
        .map(Frontier::from_bytes)
        .transpose()?
        .unwrap_or_default())
}

impl Snapshot {
    /// The frontier of a tenant's tree: its size, its root and what appending
    /// takes. That of the empty tree when the tenant is unknown.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn frontier(&self, tenant: TenantId) -> Result<Frontier> {
        self.get_in(Family::Merkle, &layout::frontier_key(tenant), |stored| {
            decode(Some(stored))
        })?
        .unwrap_or_else(|| Ok(Frontier::new()))
    }

    /// The nodes of a tenant's tree, for proofs.
    #[must_use]
    pub const fn tree(&self, tenant: TenantId) -> TenantTree<'_> {
        TenantTree {
            snapshot: self,
            tenant,
        }
    }
}

/// The nodes of one tenant's tree in a snapshot.
#[derive(Debug)]
pub struct TenantTree<'s> {
    snapshot: &'s Snapshot,
    tenant: TenantId,
}

impl TreeNodes for TenantTree<'_> {
    fn node(&self, level: u32, index: u64) -> Result<Option<Hash32>> {
        if !kept(level) {
            return Ok(None);
        }
        let key = layout::tree_node_key(self.tenant, level, index);
        let node = self
            .snapshot
            .get_in(Family::Merkle, &key, |stored| Hash32::try_from(stored))?;
        node.transpose()
            .map_err(|_| StorageError::Projection("a tree node is not a hash".into()))
    }
}
