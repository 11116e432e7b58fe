//! Queries over a real store, with the answers PostgreSQL 15 gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod answers;
mod catalog;
mod errors;
mod fixture;
mod members;
mod memory;
mod plans;
mod running;
mod stopping;
