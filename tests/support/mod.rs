//! What the tests of real processes share: starting the built server and a
//! PostgreSQL to compare with, each in a folder and on ports of its own, and
//! connecting to them.
//!
//! Readiness is read from what a process prints, never waited for by time; the
//! only times here are bounds after which a test fails.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

pub mod certificates;
pub mod client;
pub mod cluster;
pub mod faults;
pub mod http;
pub mod namespace;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod server;
pub mod sessions;
pub mod site;

pub use client::{Client, connect, psql};
pub use postgres::Postgres;
pub use process::Running;
pub use server::{Server, dev_command, kimberlite, kimberlite_cli};

use std::path::PathBuf;
use std::time::Duration;

/// The crate's folder, asked for when the test runs: two checkouts that share a
/// target folder may share the test program.
pub fn manifest_dir() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

/// After this long without the thing a test waits for, the test fails. Far
/// above what anything takes, also on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
