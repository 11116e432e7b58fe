//! Random statements of our own.
//!
//! A statement is made from its number alone, and so is the data it runs on:
//! every thousand numbers share a set of rows, and changes are rolled back in
//! the query that makes them. So one number replays one statement, whatever
//! ran before it.

mod chance;
mod changes;
mod expressions;
mod groups;
mod queries;
mod relations;
mod tables;
mod tree;

pub use chance::Chance;
pub use queries::statement;
pub use tables::setup;
pub use tree::{Node, Type};

/// Statements that share their rows.
pub const ROWS_SHARED_BY: u64 = 1_000;
