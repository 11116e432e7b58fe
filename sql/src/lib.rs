//! SQL over Kimberlite's projections: catalog, sessions, planning, execution.
//!
//! An [`Engine`] is what all sessions of a server share; a [`Session`] is one
//! client. The crate reads the projections of `kimberlite-storage` through
//! snapshots and commits through its `CommitLog`; it knows nothing of sockets.

pub mod activity;
pub mod cancel;
pub mod catalog;
pub mod cluster;
mod deparse;
pub mod engine;
pub mod error;
mod exec;
mod pg_catalog;
pub mod query;
mod routine;
mod row_numbers;
pub mod sequence;
pub mod server_files;
pub mod session;
mod storage_error;
pub mod txn;
pub mod types;

pub use cluster::Cluster;
pub use engine::{Engine, EngineOptions, SYSTEM_DATABASE};
pub use error::SqlError;
pub use server_files::ServerFiles;
pub use session::{
    BoundParameters, ConnectRequest, CopyIn, CopyOut, FieldDescription, Fill, Outcome,
    ParsedStatement, Prepared, RowCursor, Session, TxStatus,
};
