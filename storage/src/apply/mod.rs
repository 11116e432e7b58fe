//! From the log to what is derived from it.

mod memory;
mod open;
mod parts;
mod replay;

#[doc(hidden)]
pub use memory::{MemSink, RowKey};
pub use open::EventOpener;
pub use parts::LogParts;
pub use replay::{Replay, apply_block, replay};

use crate::chain::TenantHead;
use crate::crypto::KeyRecord;
use crate::error::Result;
use crate::ids::{Hash32, TenantId};
use crate::projection::{AppliedBlock, PartSource};

/// Index of a block, place of an event in it, and the body of that event.
pub type Control = (u64, u16, Vec<u8>);

/// What committed blocks are applied to. One thread applies, any may read.
pub trait ApplySink: Send + Sync {
    /// The newest block whose changes are all there; `None` when there is none.
    ///
    /// # Errors
    /// When that cannot be read.
    fn applied(&self) -> Result<Option<(u64, Hash32)>>;

    /// The newest event of a tenant, as of [`Self::applied`].
    ///
    /// # Errors
    /// When that cannot be read.
    fn tenant_head(&self, tenant: TenantId) -> Result<TenantHead>;

    /// All key records, a tenant's wrapping key before its other keys.
    ///
    /// # Errors
    /// When they cannot be read.
    fn key_records(&self) -> Result<Vec<KeyRecord>>;

    /// The bodies of all control events, as of [`Self::applied`]: index of the block,
    /// place in it, body; in the order of the log. They are few: they say who belongs
    /// to the cluster and what it may do.
    ///
    /// # Errors
    /// When they cannot be read.
    fn controls(&self) -> Result<Vec<Control>>;

    /// Applies the next block, as one step. Applying a block again changes
    /// nothing.
    ///
    /// # Errors
    /// When the medium fails: never because of what the block says.
    fn apply(&self, block: &AppliedBlock) -> Result<()>;

    /// Applies a block that closes transactions which came in parts.
    ///
    /// # Errors
    /// As [`Self::apply`], or when a part cannot be read.
    fn apply_bulk(&self, block: &AppliedBlock, parts: &mut dyn PartSource) -> Result<()>;

    /// Shows everything applied so far to new readers.
    ///
    /// # Errors
    /// When the medium fails.
    fn publish(&self) -> Result<()>;

    /// Makes what was applied durable, so that it need not be replayed.
    ///
    /// # Errors
    /// When the medium fails.
    fn flush(&self) -> Result<()>;
}
