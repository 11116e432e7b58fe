//! What the projection is given: blocks whose events are opened.

use crate::crypto::KeyRecord;
use crate::error::Result;
use crate::event::EventKind;
use crate::ids::{Hash32, TenantId};
use crate::txn::Txn;

/// A durable block of the log, its events opened.
///
/// **Durable first.** A block must not be applied before it is durable in the
/// log (on a cluster: committed). The projection may reach the disk at any
/// moment; one that is ahead of its log would have to be thrown away.
#[derive(Clone, Debug)]
pub struct AppliedBlock {
    /// The block's index; blocks are applied in order, from 1.
    pub index: u64,
    /// The block's hash.
    pub hash: Hash32,
    /// The leader's clock, microseconds since 1970 UTC.
    pub timestamp_us: i64,
    /// All events of the block, in order.
    pub events: Vec<OpenedEvent>,
}

/// An event, opened as far as the projection needs it.
#[derive(Clone, Debug)]
pub struct OpenedEvent {
    /// The event's place in the block, from 0.
    pub ordinal: u16,
    /// Whose event it is.
    pub tenant: TenantId,
    /// The event's number among the tenant's, from 0.
    pub tenant_seq: u64,
    /// What the event says.
    pub kind: EventKind,
    /// Leaf of the tenant's tree.
    pub leaf: Hash32,
    /// The transaction of a `txn` event. `None` for other kinds (a part counts
    /// only through its close) and when the body was redacted.
    pub txn: Option<Txn>,
    /// The record of a `key` event. `None` for other kinds and when the body was
    /// redacted.
    pub key: Option<KeyRecord>,
    /// The body of a `control` event. `None` for other kinds and when the body was
    /// redacted.
    pub control: Option<Vec<u8>>,
}

impl OpenedEvent {
    /// How many `txn_part` events belong to it.
    #[must_use]
    pub fn part_count(&self) -> u32 {
        self.txn.as_ref().map_or(0, |txn| txn.part_count)
    }
}

impl AppliedBlock {
    /// Whether a transaction that came in parts closes here, so that
    /// [`Projection::apply_bulk`](super::Projection::apply_bulk) is needed.
    #[must_use]
    pub fn closes_parts(&self) -> bool {
        self.events.iter().any(|event| event.part_count() > 0)
    }
}

/// Where the parts of a large transaction are read from: the log, because they
/// need not fit in memory.
pub trait PartSource {
    /// Calls `each` with the parts that `close`, an event of block `index`,
    /// closes: all of them, in order.
    ///
    /// # Errors
    /// When a part cannot be read, or what `each` returned.
    fn for_each_part(
        &mut self,
        index: u64,
        close: &OpenedEvent,
        each: &mut dyn FnMut(Txn) -> Result<()>,
    ) -> Result<()>;
}
