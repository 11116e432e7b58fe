//! The log, the chain, keys and projections of Kimberlite.
//!
//! All data is an immutable, ordered, hash-chained, encrypted log; everything
//! else is derived from it. This crate holds the log and what is derived from
//! it. It is synchronous and has no clock and no randomness of its own: both
//! are passed in ([`Clock`], [`Entropy`]), so that a simulator can run the same
//! code that production runs.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`ids`], [`env`](mod@env), [`error`] | names, the outside world, what can go wrong |
//! | [`block`], [`event`] | byte formats of the log, documented byte by byte |
//! | [`chain`], [`merkle`] | hash chains of the replica and of each tenant, RFC 6962 trees |
//! | [`crypto`] | keys, the key hierarchy, sealing and opening of events |
//! | [`txn`] | what the plaintext of a transaction says |
//! | [`projection`] | the current state, derived from the log, in RocksDB |
//! | [`disk`], [`segment`], [`superblock`] | files of the log, and the medium below them |
//! | [`log`] | reading, writing and recovering the log |
//! | [`commit`], [`replica`], [`apply`] | from a sealed transaction to a visible one |
//! | [`store`] | a data directory, open |
//! | [`verify`](mod@verify) | checking a log, stopped or running |

pub mod apply;
pub mod block;
pub mod chain;
pub mod commit;
pub mod crypto;
pub mod disk;
pub mod env;
pub mod error;
pub mod event;
mod fields;
pub mod ids;
pub mod log;
pub mod merkle;
pub mod metrics;
pub mod projection;
pub mod replica;
pub mod segment;
pub mod store;
pub mod superblock;
pub mod txn;
pub mod verify;

#[cfg(test)]
mod testing;

#[doc(hidden)]
pub mod fuzz_entry;

pub use apply::{ApplySink, Control};
pub use block::{Block, BlockBuilder, BlockHeader, BlockKind, EncodedBlock};
pub use chain::{ChainHead, TenantHead};
pub use commit::{CommitLog, Committed, OnCommit, SealedTransaction};
pub use crypto::{
    EnvKeyProvider, FileKeyProvider, Key, KeyProvider, KeyRecord, Keyring, Opener, Sealer,
};
pub use disk::{Disk, DiskFile, FsDisk};
#[doc(hidden)]
pub use disk::{Fault, MemDisk};
pub use env::{Clock, Entropy};
pub use error::{Damage, DamageKind, FormatError, Result, StorageError};
pub use event::{EventFlags, EventHeader, EventKind, EventRef, SealedEvent};
pub use ids::{Hash32, KeyId, KeyPurpose, Lineage, TenantId};
pub use merkle::Frontier;
pub use metrics::StoreMetrics;
pub use projection::{
    AppliedBlock, BlockWatch, OpenedEvent, OwnedScan, PartSource, Projection, ProjectionOptions,
    Scan, ScanOptions, Snapshot,
};
pub use replica::{Founding, Identity, OnFatal, Replica, ReplicaParts, StartReplica};
pub use store::{Progress, Store, StoreOptions, rebuild_projection};
pub use txn::{Change, Op, Space, StreamChanges, Txn};
