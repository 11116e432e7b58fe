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

pub mod block;
pub mod chain;
pub mod crypto;
pub mod env;
pub mod error;
pub mod event;
mod fields;
pub mod ids;
pub mod merkle;
pub mod projection;
pub mod txn;

#[doc(hidden)]
pub mod fuzz_entry;

pub use block::{Block, BlockBuilder, BlockHeader, BlockKind, EncodedBlock};
pub use chain::{ChainHead, TenantHead};
pub use crypto::{
    EnvKeyProvider, FileKeyProvider, Key, KeyProvider, KeyRecord, Keyring, Opener, Sealer,
};
pub use env::{Clock, Entropy};
pub use error::{Damage, DamageKind, FormatError, Result, StorageError};
pub use event::{EventFlags, EventHeader, EventKind, EventRef, SealedEvent};
pub use ids::{Hash32, KeyId, KeyPurpose, Lineage, TenantId};
pub use merkle::Frontier;
pub use projection::{
    AppliedBlock, OpenedEvent, OwnedScan, PartSource, Projection, ProjectionOptions, Scan, ScanOptions,
    Snapshot,
};
pub use txn::{Change, Op, Space, StreamChanges, Txn};
