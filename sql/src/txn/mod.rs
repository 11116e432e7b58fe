//! Transactions: own changes in layers, read views, locks, and commit.

mod commit;
mod deferred;
mod durable;
mod layer;
mod lock;
mod merge;
mod serializable;
mod transaction;
mod view;

pub use commit::{Began, CommitSource, commit_changes, submit_changes};
pub(crate) use deferred::{KeyEvent, check_pending};
pub use durable::Durable;
pub use layer::{Entry, EntryKind, Layer, LayerStack, StreamKey};
pub use lock::{HeldLocks, LockKey, LockManager, LockMode, Patience, TransactionId, WaitPolicy};
pub use merge::MergeScan;
pub use serializable::{Serializable, Watched};
pub use transaction::{IsolationLevel, Savepoint, Transaction};
pub use view::{OWN_CSN, PREFIX_LEN, ReadView, Version, physical_key, prefix_end, stream_prefix};
