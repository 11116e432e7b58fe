//! Runs sqllogictest files against any PostgreSQL URL and keeps the score.
//!
//! Two dialects are read: SQLite's corpus (`.test`: one value a line, result
//! hashes, `onlyif`/`skipif` with notes, conditional `halt`) and that of the
//! `sqllogictest` crate (`.slt`: one row a line, SQLSTATEs of expected errors,
//! named connections, variables), whose parser serves both.
//!
//! A file never sees another file: each runs in a database (or schema) of its
//! own that is made for it and dropped afterwards. Every record that does not
//! give the expected answer becomes a [`score::Miss`] with a
//! [`score::Reason`]; nothing stops at the first one.

pub mod compare;
pub mod dialect;
pub mod error;
pub mod file_run;
mod judge;
pub mod resume;
pub mod run;
pub mod score;
pub mod scoreboard;
pub mod scratch;
pub mod session;
pub mod target;
pub mod tls;
pub mod variables;
