//! Telling whoever keeps rows in memory which of them changed.

use super::block::AppliedBlock;

/// Is told of every block, after it is applied and before it is visible: whoever
/// keeps what a [`Snapshot`](super::Snapshot) showed can forget what changed
/// before any reader can see the change.
pub trait BlockWatch: Send + Sync {
    /// A block was applied. Called by the thread that applies, in block order, so
    /// it should be quick. The changes of a transaction that came in parts
    /// ([`OpenedEvent::part_count`](super::OpenedEvent::part_count)) are not all in
    /// the block.
    fn applied(&self, block: &AppliedBlock);
}
